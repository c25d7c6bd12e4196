/* The candle charts: what rows become which bars, colours by theme, one update of each chart per animation frame. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.charts = (() => {
  const FROM_REST = 2;
  const CORRECTED = 4;
  const PARTIAL = 16;
  const KEEP = 6000;             // rows kept per chart before the oldest third is let go
  const MANY = 60;               // more changed bars than this are set as a whole
  const EMA_ROWS = 20;
  const BLOCK = 1500;            // stored rows are asked for in blocks that all viewers share, so that they are cached
  const NEAR_EDGE = 40;          // bars left of the view at which older ones are fetched

  /** series -> { name, step, daily, rows, at (timestamp -> index), flags, changed (timestamps to tell), newest (told), … } */
  const charts = new Map();
  let nonce = 0;

  const q = () => window.quintet;
  const componentId = (name) => "chart-" + name;
  const setProps = (name, props) => window.dash_clientside.set_props(componentId(name), props);

  function define(name, step) {
    charts.set(name, {
      name, step, daily: step >= 86400000, rows: [], at: new Map(), flags: new Map(), changed: new Set(),
      mounted: false, filled: false, following: true, ema: false, range: null, newest: 0, asking: false, oldest: false,
    });
  }

  // ---- looks

  function options(chart) {
    const { token } = q().appearance;
    const line = token("grid");
    return {
      layout: {
        attributionLogo: false, background: { type: "solid", color: "transparent" }, textColor: token("muted"), fontSize: 11,
        fontFamily: token("font"), panes: { separatorColor: token("border"), separatorHoverColor: token("border"), enableResize: false },
      },
      grid: { vertLines: { color: line }, horzLines: { color: line } },
      crosshair: {
        mode: 0,
        vertLine: { color: token("muted"), labelBackgroundColor: token("raised") },
        horzLine: { color: token("muted"), labelBackgroundColor: token("raised") },
      },
      rightPriceScale: { borderColor: token("border"), scaleMargins: { top: 0.08, bottom: 0.06 }, minimumWidth: 64 },
      timeScale: {
        borderColor: token("border"), timeVisible: !chart.daily, secondsVisible: chart.step < 60000, rightOffset: 3,
        tickMarkFormatter: chart.daily ? "quintetDayTick" : "quintetTick",
      },
      localization: { timeFormatter: chart.daily ? "quintetDay" : "quintetTime" },
    };
  }

  function colours() {
    const { token } = q().appearance;
    return {
      up: token("up"), down: token("down"), upDim: token("up-dim"), downDim: token("down-dim"),
      [FROM_REST]: token("filled"), [CORRECTED]: token("corrected"), [PARTIAL]: token("partial"), accent: token("accent"),
    };
  }
  let palette = null;

  /** The one flag a bar is tinted by: the most serious first. */
  const tint = (flags) => [PARTIAL, CORRECTED, FROM_REST].find((bit) => flags & bit) || 0;

  function candle(chart, row) {
    const bar = { time: row[0] / 1000, open: row[1], high: row[2], low: row[3], close: row[4] };
    const bit = tint(chart.flags.get(row[0]) || 0);
    if (bit) bar.color = bar.borderColor = bar.wickColor = palette[bit];
    return bar;
  }

  const volume = (row) => ({ time: row[0] / 1000, value: row[5], color: row[4] >= row[1] ? palette.upDim : palette.downDim });

  function emaOf(rows) {
    const weight = 2 / (EMA_ROWS + 1);
    const points = [];
    let value = null;
    rows.forEach((row, index) => {
      value = value === null ? row[4] : value + weight * (row[4] - value);
      if (index >= EMA_ROWS - 1) points.push({ time: row[0] / 1000, value });
    });
    return points;
  }

  function seriesProp(chart) {
    const quiet = { lastValueVisible: false, priceLineVisible: false, crosshairMarkerVisible: false };
    const priceFormat = { type: "custom", formatter: "quintetPrice", minMove: 0.01 };
    return [
      {
        id: "candles", type: "candlestick", pane: 0, data: chart.rows.map((row) => candle(chart, row)),
        options: {
          upColor: palette.up, downColor: palette.down, borderUpColor: palette.up, borderDownColor: palette.down,
          wickUpColor: palette.up, wickDownColor: palette.down, priceFormat, priceLineColor: palette.accent, priceLineStyle: 2,
        },
      },
      {
        id: "ema", type: "line", pane: 0, data: chart.ema ? emaOf(chart.rows) : [],
        options: { ...quiet, color: palette.accent, lineWidth: 1, priceFormat },
      },
      {
        id: "volume", type: "histogram", pane: 1, data: chart.rows.map(volume),
        options: { ...quiet, priceFormat: { type: "custom", formatter: "quintetVolume", minMove: 0.0001 } },
        priceScaleOptions: { scaleMargins: { top: 0.15, bottom: 0 } },
      },
    ];
  }

  function draw(chart) {
    if (!chart.mounted || !chart.rows.length) return;
    palette = palette || colours();
    chart.changed.clear();
    setProps(chart.name, { series: seriesProp(chart) });
    chart.filled = true;
    chart.newest = chart.rows[chart.rows.length - 1][0];
  }

  function restyle() {
    palette = colours();
    for (const chart of charts.values()) {
      if (!chart.mounted) continue;
      setProps(chart.name, { chartOptions: options(chart) });
      draw(chart);
    }
  }

  // ---- rows

  function index(chart) {
    chart.at = new Map(chart.rows.map((row, position) => [row[0], position]));
  }

  /** Take a first, whole frame; older rows that join it without a hole are kept. */
  function replace(chart, rows) {
    if (!rows.length) return;
    const first = rows[0][0];
    const older = chart.rows.filter((row) => row[0] < first);
    const joins = older.length && first - older[older.length - 1][0] === chart.step;
    chart.rows = (joins ? older : []).concat(rows).slice(-KEEP);
    index(chart);
  }

  /** Merge one changed row. Answers false when it belongs where no row is, so that all must be drawn anew. */
  function merge(chart, row) {
    const position = chart.at.get(row[0]);
    if (position !== undefined) {
      chart.rows[position] = row;
      return true;
    }
    const last = chart.rows[chart.rows.length - 1];
    if (!last || row[0] > last[0]) {
      chart.at.set(row[0], chart.rows.length);
      chart.rows.push(row);
      return true;
    }
    chart.rows.push(row);
    chart.rows.sort((a, b) => a[0] - b[0]);
    index(chart);
    return false;
  }

  function trim(chart) {
    if (chart.rows.length <= KEEP || (!chart.following && chart.rows.length <= 3 * KEEP)) return false;
    chart.rows = chart.rows.slice(-Math.round(KEEP * 2 / 3));
    index(chart);
    return true;
  }

  function apply(name, frame) {
    const chart = charts.get(name);
    if (!chart) return;
    for (const row of frame.rows) chart.flags.delete(row[0]);
    for (const [ts, flags] of Object.entries(frame.flags || {})) chart.flags.set(Number(ts), flags);
    if (frame.full) {
      const wasEmpty = !chart.filled;
      replace(chart, frame.rows);
      draw(chart);
      if (!wasEmpty && chart.following) back(name);
      return;
    }
    const inPlace = frame.rows.map((row) => merge(chart, row)).every(Boolean);
    if (trim(chart)) {
      draw(chart);
      back(name);
    } else if (!inPlace || !chart.filled || frame.rows.length > MANY) {
      draw(chart);
    } else {
      for (const row of frame.rows) chart.changed.add(row[0]);
    }
  }

  /* Several frames may come in one batch, but of two writes to one property React keeps the last: so a chart is told once. */
  function flush() {
    for (const chart of charts.values()) if (chart.mounted && chart.filled && chart.changed.size) tick(chart);
  }

  function tick(chart) {
    const bars = [];
    for (const ts of [...chart.changed].sort((a, b) => a - b)) {
      const row = chart.rows[chart.at.get(ts)];
      const historicalUpdate = ts < chart.newest;
      chart.newest = Math.max(chart.newest, ts);
      bars.push({ id: "candles", bar: candle(chart, row), historicalUpdate }, { id: "volume", bar: volume(row), historicalUpdate });
    }
    chart.changed.clear();
    if (chart.ema) {
      const points = emaOf(chart.rows.slice(-EMA_ROWS * 8));
      if (points.length) bars.push({ id: "ema", bar: points[points.length - 1] });
    }
    setProps(chart.name, { tick: bars });
  }

  // ---- view

  function mount() {
    palette = colours();
    for (const chart of charts.values()) {
      chart.mounted = true;
      chart.filled = false;
      chart.following = true;
      chart.range = null;
      chart.oldest = false;
      setProps(chart.name, { chartOptions: options(chart) });
      draw(chart);
    }
  }

  function unmount() {
    for (const chart of charts.values()) {
      chart.mounted = chart.filled = false;
      chart.changed.clear();
    }
  }

  function back(name) {
    nonce += 1;
    setProps(name, { timeScaleAction: { action: "scrollToRealTime", nonce } });
  }

  /** A chart's visible range changed: remember whether its newest bar is in sight. Answers whether it is. */
  function ranged(name, range) {
    const chart = charts.get(name);
    if (chart && range) {
      chart.range = range;
      chart.following = range.to >= chart.rows.length - 2;
      if (range.from < NEAR_EDGE && chart.filled && !chart.following && !chart.asking && !chart.oldest) fetchOlder(chart);
    }
    return !chart || chart.following;
  }

  /** Scrolled near the left edge: fetch the stored rows of the block before it, and keep the view where it is. */
  async function fetchOlder(chart) {
    const first = chart.rows[0][0];
    const block = Math.floor((first - chart.step) / (BLOCK * chart.step)) * BLOCK * chart.step;
    chart.asking = true;
    try {
      const answer = await fetch(`/api/v1/series/${chart.name}?since=${Math.max(0, block - 1)}&limit=${BLOCK}`);
      if (!answer.ok) return;
      const older = (await answer.json()).rows.filter((row) => row[0] < first);
      // what does not reach up to our first row would leave a hole: then nothing older is stored without one
      chart.oldest = !older.length || older[older.length - 1][0] !== first - chart.step;
      if (!chart.oldest && chart.rows.length && chart.rows[0][0] === first) prepend(chart, older);
    } catch {
      /* the server is away: the next scroll asks again */
    } finally {
      chart.asking = false;
    }
  }

  function prepend(chart, older) {
    let start = older.length - 1;
    while (start > 0 && older[start][0] - older[start - 1][0] === chart.step) start -= 1;
    const joined = older.slice(start);
    chart.rows = joined.concat(chart.rows);
    index(chart);
    draw(chart);
    if (chart.range) {
      const { from, to } = chart.range;
      setProps(chart.name, { visibleLogicalRange: { from: from + joined.length, to: to + joined.length } });
    }
  }

  function setEma(name, on) {
    const chart = charts.get(name);
    if (!chart) return;
    chart.ema = on;
    draw(chart);
  }

  /** The row under a crosshair time (seconds), or the newest. */
  function rowAt(name, time) {
    const chart = charts.get(name);
    if (!chart || !chart.rows.length) return null;
    if (time === null || time === undefined) return chart.rows[chart.rows.length - 1];
    const position = chart.at.get(Math.floor((time * 1000) / chart.step) * chart.step);
    return position === undefined ? null : chart.rows[position];
  }

  /** Put the crosshairs of the other charts at the same time; null takes them away. `price` is used on charts of `sources`. */
  function cross(from, time, price, sameSymbol) {
    for (const chart of charts.values()) {
      if (chart.name === from || !chart.filled) continue;
      const row = time === null ? null : rowAt(chart.name, time);
      const shown = row === null ? null
        : { seriesId: "candles", time: row[0] / 1000, price: sameSymbol(chart.name) ? price : row[4] };
      setProps(chart.name, { crosshairPosition: shown });
    }
  }

  const flagsAt = (name, ts) => tint((charts.get(name) || { flags: new Map() }).flags.get(ts) || 0);

  const functions = window.dashTvlwcFunctions = window.dashTvlwcFunctions || {};
  functions.quintetPrice = (value) => q().format.price(value);
  functions.quintetVolume = (value) => q().format.si(value, value < 100 ? 2 : 0);
  functions.quintetTime = (seconds) => q().format.stamp(seconds * 1000);
  functions.quintetDay = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10) + " UTC";
  const month = (d, utc) => d.toLocaleString(undefined, { month: "short", timeZone: utc ? "UTC" : undefined });
  functions.quintetDayTick = (seconds, kind) => {
    const d = new Date(seconds * 1000);
    return kind === 0 ? String(d.getUTCFullYear()) : kind === 1 ? month(d, true) : String(d.getUTCDate());
  };
  functions.quintetTick = (seconds, kind) => {
    const d = new Date(seconds * 1000);
    if (kind === 0) return String(d.getFullYear());
    if (kind === 1) return month(d, false);
    if (kind === 2) return `${d.getDate()} ${month(d, false)}`;
    const text = q().format.time(seconds * 1000);
    return kind === 3 ? text.slice(0, 5) : text;
  };

  return { define, apply, flush, mount, unmount, restyle, back, ranged, setEma, rowAt, cross, flagsAt, FROM_REST, CORRECTED, PARTIAL };
})();
