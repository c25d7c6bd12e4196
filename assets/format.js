/* How numbers, times and durations are written. The only module that turns them into text in the browser. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.format = (() => {
  const THIN = "\u2009";
  const NONE = "–";
  const SI = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];

  const isNumber = (v) => typeof v === "number" && Number.isFinite(v);
  const group = (digits) => digits.replace(/\B(?=(\d{3})+(?!\d))/g, THIN);

  /** `3 120.55`: thin-space thousands, a fixed number of decimals, a true minus. */
  function fixed(value, decimals) {
    if (!isNumber(value)) return NONE;
    const [whole, fraction] = Math.abs(value).toFixed(decimals).split(".");
    const text = group(whole) + (fraction ? "." + fraction : "");
    return value < 0 && Number(text.replace(/[^1-9]/g, "")) ? "−" + text : text;
  }

  const price = (value, decimals = 2) => fixed(value, decimals);
  const count = (value) => fixed(value, 0);

  /** Whole numbers below 10 k, SI suffixes from there: `9 999`, `12.3 k`, `4.56 M`. */
  function si(value, decimals = 0) {
    if (!isNumber(value)) return NONE;
    const size = Math.abs(value);
    if (size < 1e4) return fixed(value, decimals);
    const [divisor, suffix] = SI.find(([d]) => size >= d);
    const scaled = value / divisor;
    const places = Math.abs(scaled) >= 100 ? 0 : Math.abs(scaled) >= 10 ? 1 : 2;
    return fixed(scaled, places) + THIN + suffix;
  }

  /** A traded size: as many decimals as its magnitude needs, at most five characters of fraction. */
  function size(value, decimals = 4) {
    if (!isNumber(value)) return NONE;
    return Math.abs(value) >= 1e4 ? si(value) : fixed(value, Math.abs(value) >= 1000 ? Math.min(decimals, 1) : decimals);
  }

  function short(value) {
    const rounded = value < 9.95 ? value.toFixed(1) : String(Math.round(value));
    return rounded.endsWith(".0") ? rounded.slice(0, -2) : rounded;
  }

  /** Microseconds as `85 µs`, `340 ms`, `1.2 s`, `4 min`, `3 h`, `2 d`. */
  function micros(us) {
    if (!isNumber(us)) return NONE;
    const value = Math.max(0, us);
    if (value < 999.5) return short(value) + " µs";
    if (value < 999.5e3) return short(value / 1e3) + " ms";
    const seconds = value / 1e6;
    if (seconds < 99.5) return short(seconds) + " s";
    if (seconds < 5400) return Math.round(seconds / 60) + " min";
    return seconds < 172800 ? Math.round(seconds / 3600) + " h" : Math.round(seconds / 86400) + " d";
  }

  const millis = (ms) => (isNumber(ms) ? micros(ms * 1000) : NONE);

  /** An age for a badge: whole milliseconds below a second, so that it does not flicker between `µs` and `ms`. */
  const age = (ms) => (isNumber(ms) && ms < 1 ? "0 ms" : millis(isNumber(ms) && ms < 1000 ? Math.round(ms) : ms));

  function bytes(value) {
    if (!isNumber(value)) return NONE;
    const units = ["B", "kB", "MB", "GB", "TB"];
    let scaled = value;
    let unit = 0;
    while (Math.abs(scaled) >= 1000 && unit < units.length - 1) {
      scaled /= 1000;
      unit += 1;
    }
    return short(scaled) + " " + units[unit];
  }

  /** A share of one as `99.3 %`. */
  const percent = (share, decimals = 1) => (isNumber(share) ? fixed(share * 100, decimals) + " %" : NONE);

  /** A change of price with its sign and arrow: `▲ 1.20 %`, `▼ −0.35 %`. */
  function change(share) {
    if (!isNumber(share)) return "";
    const arrow = share > 0 ? "▲ +" : share < 0 ? "▼ " : "● ";
    return arrow + fixed(share * 100, 2) + " %";
  }

  const pad = (n, width = 2) => String(n).padStart(width, "0");
  const clock = (d, utc) => (utc
    ? `${pad(d.getUTCHours())}:${pad(d.getUTCMinutes())}:${pad(d.getUTCSeconds())}`
    : `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}`);

  /** Local time of day of Unix milliseconds. */
  const time = (ms) => (isNumber(ms) ? clock(new Date(ms), false) : NONE);
  /** Local date and time; today's has no date. */
  function stamp(ms) {
    if (!isNumber(ms)) return NONE;
    const d = new Date(ms);
    const day = d.toDateString() === new Date().toDateString()
      ? "" : `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())} `;
    return day + clock(d, false);
  }
  /** The UTC text shown when one hovers over a local time. */
  const utc = (ms) => (isNumber(ms) ? new Date(ms).toISOString().replace("T", " ").replace("Z", " UTC") : "");

  return { NONE, isNumber, price, fixed, count, si, size, micros, millis, age, bytes, percent, change, time, stamp, utc, pad };
})();
