/* The Options page: asks the API for a chain every two seconds, for all expiries of the underlying every ten. What is chosen stands in the URL. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.options = (() => {
  const q = () => window.quintet;
  const byId = (id) => document.getElementById(id);
  const PERIOD_MS = 2000;
  const WHOLE_MS = 10000;        // between two answers with all expiries
  let isMounted = false;
  let timer = 0;
  let round = 0;                 // an answer of an earlier choice is dropped
  let view = null;               // { underlying, venue, expiry, all }; venue "": the server's choice
  let underlyings = null;        // null: not answered yet
  let venues = {};               // underlying -> its venues
  let chains = new Map();        // expiry -> rows
  let expiries = [];
  let answeredAt = 0;            // performance.now() of the newest chain
  let wholeAt = -Infinity;
  let isAsking = false;
  let trouble = "";
  let troubleSince = 0;

  function mount() {
    const given = new URLSearchParams(location.search);
    view = { underlying: given.get("underlying") || "", venue: (given.get("venue") || "").toUpperCase(), expiry: given.get("expiry") || "", all: given.get("strikes") === "all" };
    isMounted = true;
    underlyings = null;
    venues = {};
    trouble = "";
    forget();
    byId("chain-strikes").addEventListener("click", (event) => {
      const chip = event.target.closest("[data-strikes]");
      if (chip) change({ all: chip.dataset.strikes === "all" });
    });
    byId("option-expiries").addEventListener("click", (event) => {
      const chip = event.target.closest("[data-expiry]");
      if (chip) change({ expiry: chip.dataset.expiry });
    });
    tellScheme();
    timer = setInterval(tick, PERIOD_MS);
    show();
    tick();
  }

  function unmount() {
    isMounted = false;
    round += 1;
    isAsking = false;
    clearInterval(timer);
  }

  function tellScheme() {
    if (isMounted) window.dash_clientside.set_props("options-scheme", { data: q().appearance.scheme() });
  }

  function forget() {
    chains = new Map();
    expiries = [];
    answeredAt = 0;
    wholeAt = -Infinity;
  }

  function change(part) {
    const isOther = ["underlying", "venue"].some((name) => part[name] !== undefined && part[name] !== view[name]);
    Object.assign(view, part);
    if (part.underlying !== undefined) view.expiry = "";
    if (isOther) forget();
    keepVenue();
    writeUrl();
    show();
    if (!view.all || isOther || part.expiry) ask();
  }

  function writeUrl() {
    const url = new URL(location.href);
    const venue = !underlyings || listedVenues().length > 1 ? view.venue : "";
    for (const [name, value] of Object.entries({ underlying: view.underlying, venue, expiry: view.expiry, strikes: view.all ? "all" : "" })) {
      if (value) url.searchParams.set(name, value);
      else url.searchParams.delete(name);
    }
    history.replaceState(history.state, "", url);
  }

  // ---- asking

  function tick() {
    if (document.hidden || !isMounted) return;
    if (!isAsking) ask();
    show();
  }

  async function get(path) {
    const answer = await fetch(path, { cache: "no-store", headers: { accept: "application/json" } });
    if (answer.ok) return answer.json();
    const body = await answer.json().catch(() => ({}));
    throw Object.assign(new Error(body.error || `the server answered ${answer.status}`), { parameter: body.parameter });
  }

  async function ask() {
    round += 1;
    const mine = round;
    const isMine = () => isMounted && round === mine;
    isAsking = true;
    try {
      const isWhole = performance.now() - wholeAt > WHOLE_MS;
      if (isWhole || !underlyings || !underlyings.length) {
        const body = await get("/api/v1/options");
        if (!isMine()) return;
        venues = body.venues;
        take(body.underlyings);
      }
      if (view.underlying && underlyings.length) await askChains(isWhole || !view.expiry, isMine);
      if (isMine()) trouble = "";
    } catch (error) {
      if (!isMine()) return;
      if (error.parameter === "venue") view.venue = "";   // none of its options is stored: the next one asks for the default
      if (!trouble) troubleSince = Date.now();
      trouble = error instanceof TypeError ? "the server does not answer" : error.message;
    } finally {
      if (round === mine) isAsking = false;
    }
    if (isMine()) show();
  }

  function take(listed) {
    underlyings = listed;
    if (!listed.length) return;
    keepVenue();
    if (listed.includes(view.underlying)) return;
    view.underlying = listed[0];
    view.expiry = "";
    keepVenue();
    forget();
    writeUrl();
  }

  const listedVenues = () => venues[view.underlying] || [];

  /** The chosen venue, unless this underlying is not there. */
  function keepVenue() {
    if (underlyings && !listedVenues().includes(view.venue)) view.venue = "";
  }

  async function askChains(isWhole, isMine) {
    const query = new URLSearchParams(Object.entries({ venue: view.venue, expiry: isWhole ? "" : view.expiry }).filter(([, value]) => value));
    const body = await get(`/api/v1/options/${encodeURIComponent(view.underlying)}?${query}`);
    if (!isMine()) return;
    const isTold = view.venue !== body.venue;
    view.venue = body.venue;
    venues[view.underlying] = body.venues;
    expiries = body.expiries;
    if (isWhole) {
      chains = new Map(Object.entries(body.chains));
      wholeAt = performance.now();
    } else {
      for (const [expiry, rows] of Object.entries(body.chains)) chains.set(expiry, rows);
    }
    answeredAt = performance.now();
    if (!expiries.includes(view.expiry)) view.expiry = nextExpiry();
    else if (!isTold) return;
    writeUrl();
  }

  /** The first expiry that is not over by its newest tick, else the last. */
  function nextExpiry() {
    const isAlive = (expiry) => q().optionChecks.expiryMs(expiry) > Math.max(0, ...(chains.get(expiry) || []).map((row) => row.ts_ms));
    return expiries.find(isAlive) || expiries[expiries.length - 1] || "";
  }

  // ---- showing

  function show() {
    if (!isMounted) return;
    const { dom, optionChecks, optionChain, optionCharts } = q();
    const isEmpty = underlyings !== null && !underlyings.length;
    dom.hide(byId("option-empty"), !isEmpty);
    dom.attribute(byId("page-options"), "data-empty", isEmpty ? "true" : null);
    const rows = chains.get(view.expiry) || [];
    const passed = answeredAt ? performance.now() - answeredAt : 0;
    const pairs = optionChecks.byStrike(rows);
    const price = optionChecks.underlyingPrice(rows);
    showSelectors();
    showVerdict(rows, passed, isEmpty);
    showFigures(rows, pairs, price, passed);
    if (!answeredAt) return;
    const shown = optionChain.near(pairs, price, view.all);
    optionChain.show(pairs, price, view.all, passed);
    optionCharts.show(shown, price);
    dom.text(byId("smile-note"), view.expiry ? `${view.underlying} · ${named(view.venue)} · ${dated(view.expiry)}` : "");
  }

  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

  /** `25 Dec 2026` for 2026-12-25; what is no day stands for itself. */
  function dated(expiry) {
    const [, year, month, day] = /^(\d{4})-(\d{2})-(\d{2})/.exec(expiry) || [];
    return year ? `${Number(day)} ${MONTHS[month - 1]} ${year}` : expiry;
  }

  const named = (venue) => venue.replaceAll("_", " ");

  function terms() {
    const { optionChecks } = q();
    return expiries.map((expiry) => {
      const rows = chains.get(expiry) || [];
      return { expiry, atm: optionChecks.atTheMoney(optionChecks.byStrike(rows), optionChecks.underlyingPrice(rows)), at: Math.max(0, ...rows.map((row) => row.ts_ms)) };
    });
  }

  function showSelect(identity, label, names, chosen, onChoice, told = (name) => name) {
    const { dom } = q();
    const box = byId(identity);
    const listed = names.join("\n");
    if (box.dataset.listed !== listed || !box.firstElementChild) {
      box.dataset.listed = listed;
      const select = dom.make("select", { "aria-label": label }, ...names.map((name) => dom.make("option", { value: name }, told(name))));
      select.disabled = !listed;
      select.addEventListener("change", () => onChoice(select.value));
      box.replaceChildren(select);
    }
    if (chosen && box.firstElementChild.value !== chosen) box.firstElementChild.value = chosen;
  }

  function showSelectors() {
    const { dom, format } = q();
    showSelect("option-underlying", "Underlying", underlyings || [], view.underlying, (underlying) => change({ underlying }));
    const places = listedVenues();
    dom.hide(byId("option-venue"), places.length < 2);
    showSelect("option-venue", "Venue", places, view.venue, (venue) => change({ venue }), named);
    dom.text(byId("option-at"), view.venue && places.length < 2 ? named(view.venue) : "");
    for (const chip of document.querySelectorAll("[data-strikes]")) dom.attribute(chip, "aria-pressed", String((chip.dataset.strikes === "all") === view.all));
    const chips = byId("option-expiries");
    if (chips.dataset.listed !== expiries.join()) {
      chips.dataset.listed = expiries.join();
      chips.replaceChildren(...expiries.map((expiry) => dom.make("button", { class: "option-expiry", role: "radio", "data-expiry": expiry },
        dom.make("span", {}, dated(expiry)), dom.make("span", { class: "num dim" }))));
    }
    terms().forEach(({ expiry, atm }, index) => {
      const chip = chips.children[index];
      dom.attribute(chip, "aria-checked", String(expiry === view.expiry));
      dom.text(chip.lastElementChild, atm === null ? "no IV" : format.percent(atm));
      dom.attribute(chip, "title", atm === null ? "No implied volatility at the money" : `Implied volatility at the money ${format.percent(atm, 2)}`);
    });
  }

  function verdict(rows, passed, isEmpty) {
    const { format, optionChecks, optionChain, feed } = q();
    if (trouble) {
      return [answeredAt ? `As of ${format.time(Date.now() - passed)}: no newer answer` : "No answer yet", "stale", `Since ${format.time(troubleSince)}: ${trouble}. This page keeps asking.`, true];
    }
    if (isEmpty) return ["No options yet", "stale", "The chain appears within seconds of the first option tick.", true];
    if (!answeredAt) return ["Waiting for the first answer", "stale", "", !feed.link.up];
    const known = rows.filter(optionChecks.hasVolatility).length;
    const newest = Math.min(...rows.map((row) => row.age_ms)) + passed;
    const counted = `${known} of ${rows.length} options have an implied volatility.`;
    if (newest > optionChain.OLD_MS) {
      return [`Old ticks: the newest is ${format.millis(newest)} old`, "stale", `${counted} Volatilities and Greeks are of the time of their ticks, not of now.`, false];
    }
    const hint = optionChain.explained(optionChecks.byStrike(rows));
    if (known === rows.length) return ["Every price has its volatility", "ok", counted, false];
    return [`${rows.length - known} of ${rows.length} without a volatility`, "warn", hint, false];
  }

  function showVerdict(rows, passed, isEmpty) {
    const { dom } = q();
    const [words, level, hint, isStale] = verdict(rows, passed, isEmpty);
    dom.text(byId("option-verdict"), words);
    dom.attribute(byId("option-verdict"), "data-level", level);
    dom.text(byId("option-hint"), hint);
    dom.attribute(byId("option-hint"), "title", hint);
    dom.attribute(byId("page-options"), "data-stale", isStale ? "true" : null);
  }

  function showFigures(rows, pairs, price, passed) {
    const { format, dom, optionChecks, optionChain } = q();
    const atm = optionChecks.atTheMoney(pairs, price);
    const gap = optionChecks.parityGap(pairs);
    const [flies, calendar] = [optionChecks.butterflies(pairs), optionChecks.calendar(terms())];
    const age = rows.length ? Math.min(...rows.map((row) => row.age_ms)) + passed : NaN;
    const faults = (count) => (count === null ? [format.NONE] : [count ? `${count} broken` : "sound", count ? "warn" : "ok"]);
    const figures = {
      price: [format.fixed(price, price !== null && price >= 1000 ? 1 : 2)], atm: [format.percent(atm, 2)],
      parity: [gap === null ? format.NONE : `${gap >= 0.00005 ? "+" : ""}${format.fixed(gap * 100, 2)} pt`, Math.abs(gap) > 0.02 ? "warn" : null],
      butterfly: faults(flies), calendar: faults(calendar), age: [format.age(age), age > optionChain.OLD_MS ? "stale" : null],
    };
    for (const [key, [value, level]] of Object.entries(figures)) {
      dom.text(byId("option-" + key), value);
      dom.attribute(byId("option-" + key), "data-level", level);
    }
  }

  function start() {
    q().appearance.onChange((name) => {
      if (name !== "theme") return;
      tellScheme();
    });
    q().feed.onLink(() => show());
  }

  return { start, mount, unmount };
})();
