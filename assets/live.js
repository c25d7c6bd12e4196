/* The Live page: price header, freshness, which chart is big, crosshairs in step. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.live = (() => {
  const { byId, text, attribute, hide } = window.quintet.dom;
  const format = window.quintet.format;
  const SERIES = [
    { name: "eth_ticks", symbol: "ETHUSDT", title: "ETH/USDT 1 s", step: 1000 },
    { name: "eth_1m", symbol: "ETHUSDT", title: "ETH/USDT 1 m", step: 60000 },
    { name: "eth_1h", symbol: "ETHUSDT", title: "ETH/USDT 1 h", step: 3600000 },
    { name: "eth_1d", symbol: "ETHUSDT", title: "ETH/USDT 1 d", step: 86400000 },
    { name: "btc_ticks", symbol: "BTCUSDT", title: "BTC/USDT 1 s", step: 1000 },
  ];
  const PAIRS = { ETHUSDT: "ETH/USDT", BTCUSDT: "BTC/USDT" };
  const EMA_KEY = "quintet.ema";
  const STALE = ["STALE", "DEAD"];

  const symbolOf = (name) => (SERIES.find((s) => s.name === name) || SERIES[0]).symbol;
  /** series -> { state, cause, since, age (ms), at (performance.now() of that age) } */
  const freshness = new Map();
  let isMounted = false;
  let big = SERIES[0].name;
  let hovered = null;            // crosshair time in seconds, while the pointer is on a chart
  let leader = "";               // the chart that the pointer is on
  let timer = 0;

  for (const { name, step } of SERIES) window.quintet.charts.define(name, step);

  const isOpen = () => isMounted;

  // ---- the page comes and goes

  function mount(root) {
    isMounted = true;
    big = root.dataset.big;
    window.quintet.charts.mount();
    let emas = [];
    try {
      emas = JSON.parse(localStorage.getItem(EMA_KEY) || "[]");
    } catch {
      emas = [];
    }
    for (const name of emas) setEma(name, true);
    window.quintet.ladder.mount();
    window.quintet.tape.mount();
    showBig();
    window.quintet.feed.want("live", [
      ...SERIES.map((s) => "series:" + s.name), "trades:ETHUSDT", "quotes", "book:ETHUSDT",
    ]);
    timer = setInterval(showAges, 250);
    showAges();
  }

  function unmount() {
    isMounted = false;
    clearInterval(timer);
    window.quintet.charts.unmount();
    window.quintet.feed.want("live", []);
  }

  // ---- the big place

  function setBig(name) {
    if (!isMounted || !SERIES.some((s) => s.name === name)) return;
    big = name;
    const url = new URL(location.href);
    url.searchParams.set("big", name);
    history.replaceState(history.state, "", url);
    showBig();
  }

  function showBig() {
    attribute(byId("page-live"), "data-big", big);
    for (const { name } of SERIES) {
      const card = byId("card-" + name);
      if (card) card.classList.toggle("chart-big", name === big);
    }
    text(byId("head-pair"), PAIRS[symbolOf(big)]);
    showPrice();
    showTicker();
    showAges();
  }

  const bigByNumber = (number) => setBig((SERIES[number - 1] || SERIES[0]).name);

  /** From anywhere: open Live with this series big. */
  function show(name) {
    if (isMounted) setBig(name);
    else location.assign("/?big=" + name);
  }

  function backToLive() {
    if (isMounted) for (const { name } of SERIES) window.quintet.charts.back(name);
  }

  function setEma(name, on) {
    window.quintet.charts.setEma(name, on);
    attribute(byId("ema-" + name), "aria-pressed", String(on));
  }

  function toggleEma(name) {
    const button = byId("ema-" + name);
    setEma(name, button.getAttribute("aria-pressed") !== "true");
    const on = SERIES.map((s) => s.name).filter((n) => byId("ema-" + n).getAttribute("aria-pressed") === "true");
    try {
      localStorage.setItem(EMA_KEY, JSON.stringify(on));
    } catch {
      /* not remembered, then */
    }
  }

  // ---- numbers

  function showPrice() {
    if (!isMounted) return;
    const { last, previous, change } = window.quintet.shell.market(symbolOf(big));
    const element = byId("head-price");
    const value = format.price(last);
    if (element && element.textContent !== value) {
      text(element, value);
      if (element.dataset.symbol === symbolOf(big)) window.quintet.dom.flash(element, Math.sign(last - previous));
      element.dataset.symbol = symbolOf(big);
    }
    text(byId("head-change"), format.change(change));
    attribute(byId("head-change"), "data-direction", change > 0 ? "up" : change < 0 ? "down" : "flat");
  }

  function showTicker() {
    if (!isMounted) return;
    const { ticker } = window.quintet.shell.market(symbolOf(big));
    /* a recording has no statistics: zeros are not prices */
    const isKnown = ticker.high > 0;
    text(byId("head-high"), isKnown ? format.price(ticker.high) : format.NONE);
    text(byId("head-low"), isKnown ? format.price(ticker.low) : format.NONE);
    text(byId("head-volume"), isKnown ? format.si(ticker.volume, 1) : format.NONE);
  }

  function showSpread() {
    const { quote } = window.quintet.shell.market(symbolOf(big));
    text(byId("head-spread"), quote ? format.price(quote.ask - quote.bid) : format.NONE);
  }

  const MEANINGS = () => {
    const { FROM_REST, CORRECTED, PARTIAL } = window.quintet.charts;
    return { [FROM_REST]: "filled from REST", [CORRECTED]: "corrected by the venue's bar", [PARTIAL]: "partial: trades are missing" };
  };
  const TINTS = () => {
    const { FROM_REST, CORRECTED, PARTIAL } = window.quintet.charts;
    return { [FROM_REST]: "filled", [CORRECTED]: "corrected", [PARTIAL]: "partial" };
  };

  function showLegend(name) {
    const element = byId("legend-" + name);
    const row = window.quintet.charts.rowAt(name, hovered);
    if (!element) return;
    if (!row) {
      text(element, "");
      return;
    }
    const p = (v) => format.price(v);
    const bit = window.quintet.charts.flagsAt(name, row[0]);
    const note = bit ? " · " + MEANINGS()[bit] : "";
    text(element, `O ${p(row[1])}  H ${p(row[2])}  L ${p(row[3])}  C ${p(row[4])}  V ${format.si(row[5], 2)}${note}`);
    attribute(element, "data-tint", bit ? TINTS()[bit] : null);
    attribute(element, "title", format.stamp(row[0]) + " (" + format.utc(row[0]) + ")" + note);
  }

  // ---- frames

  function onSeries(frame, name) {
    if (frame.recv_ms && frame.rows.length) {
      const seen = freshness.get(name) || {};
      freshness.set(name, { ...seen, age: Math.max(0, frame.sent_ms - frame.recv_ms), at: frame.heardAt });
    }
    if (!isMounted) return;
    window.quintet.charts.apply(name, frame);
    attribute(byId("card-" + name), "data-loading", null);
    showLegend(name);
  }

  function onStatus(frame) {
    for (const series of frame.series || []) {
      freshness.set(series.name, {
        state: series.state, cause: series.cause, since: series.since_ms, age: series.age_ms, at: frame.heardAt, source: series.source,
      });
    }
    if (!isMounted) return;
    showTicker();
    const source = frame.source || "";
    text(byId("head-source"), source + (frame.source_detail ? " · " + frame.source_detail : ""));
    attribute(byId("head-source"), "data-source", source);
  }

  // ---- freshness, ticking between frames

  /** A series' state now: what the server said, made worse when this page's own link is down. */
  function state(name) {
    const link = window.quintet.feed.link;
    const known = freshness.get(name);
    if (!known || !known.state) return { state: link.up ? "NONE" : "STALE", age: NaN, cause: link.up ? "" : "this page's link to its server is down", since: link.since };
    const age = format.isNumber(known.age) ? known.age + (performance.now() - known.at) : NaN;
    if (!link.up) return { state: known.state === "DEAD" ? "DEAD" : "STALE", age, cause: "this page's link to its server is down; reconnecting", since: link.since };
    return { state: known.state, age, cause: known.cause, since: known.since };
  }

  function showBadge(element, now) {
    if (!element) return;
    attribute(element, "data-state", now.state);
    text(element, now.state === "NONE" ? "waiting" : `${now.state} ${format.isNumber(now.age) ? format.age(now.age) : ""}`.trim());
    attribute(element, "title", now.cause ? `${now.cause} (since ${format.time(now.since)})` : "Age of the newest data");
  }

  function showCause(identity, now) {
    const stale = STALE.includes(now.state);
    text(byId("cause-" + identity), stale ? `${now.state} since ${format.time(now.since)} – ${now.cause || "no data arrives"}` : "");
  }

  function showAges() {
    if (!isMounted || document.hidden) return;
    for (const { name } of SERIES) {
      const now = state(name);
      showBadge(byId("fresh-" + name), now);
      attribute(byId("card-" + name), "data-state", now.state);
      showCause(name, now);
    }
    const head = state(big);
    showBadge(byId("head-fresh"), head);
    attribute(byId("price-header"), "data-state", head.state);
    const eth = state("eth_ticks");
    attribute(byId("tape"), "data-state", eth.state);
    showCause("tape", eth);
    window.quintet.ladder.age(eth);
  }

  // ---- what Dash calls

  /* One call may tell of several charts. */
  const triggered = () => window.dash_clientside.callback_context.triggered
    .map((t) => t.prop_id.replace(/^chart-/, "").replace(/\.[^.]*$/, ""))
    .filter((name) => SERIES.some((s) => s.name === name));

  const indexOf = (name) => SERIES.findIndex((s) => s.name === name);

  /* A chart whose crosshair was placed by us reports it again with each new bar: only the one under the pointer leads. */
  const leads = (name, position) => (position.point ? byId("card-" + name).matches(":hover") : name === leader);

  function crosshair(...positions) {
    if (!isMounted) return;
    for (const name of triggered()) {
      const position = positions[indexOf(name)];
      if (!position || !leads(name, position)) continue;
      leader = position.point ? name : "";
      hovered = position.point && format.isNumber(position.time) ? position.time : null;
      const price = position.price ? position.price.candles : undefined;
      const row = window.quintet.charts.rowAt(name, hovered);
      const level = format.isNumber(price) ? price : row ? row[4] : 0;
      window.quintet.charts.cross(name, hovered, level, (other) => symbolOf(other) === symbolOf(name));
      for (const series of SERIES) showLegend(series.name);
    }
  }

  function range(...ranges) {
    if (!isMounted) return;
    for (const name of triggered()) hide(byId("back-" + name), window.quintet.charts.ranged(name, ranges[indexOf(name)]));
  }

  function start() {
    window.quintet.feed.on("series", onSeries);
    window.quintet.feed.on("status", onStatus);
    window.quintet.feed.on("quotes", () => { if (isMounted) showSpread(); });
    window.quintet.feed.on("*", () => {
      window.quintet.charts.flush();
      showPrice();
    });
    window.quintet.feed.onLink(showAges);
    window.quintet.appearance.onChange((name) => {
      if (isMounted && name !== "rail") window.quintet.charts.restyle();
    });
    document.addEventListener("visibilitychange", showAges);
  }

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.live = { crosshair, range };

  return { SERIES, start, mount, unmount, isOpen, setBig, bigByNumber, show, backToLive, toggleEma };
})();
