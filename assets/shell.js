/* The shell: top bar, rail, page changes, clicks on anything with `data-action`. Starts everything. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.shell = (() => {
  const { byId, text, attribute, hide, make } = window.quintet.dom;
  const format = window.quintet.format;
  const SYMBOLS = ["ETHUSDT", "BTCUSDT"];
  const EXPLANATIONS = {
    LIVE: "Live market data from the venue.",
    SIMULATED: "Simulated market data: no number on this page comes from a real market.",
    REPLAY: "Recorded market data, played back.",
  };
  const BAD_STATES = ["BANNED", "STOPPED", "RECONNECTING", "STALE"];
  const WARN_STATES = ["CONNECTING", "SYNCING"];

  /** symbol -> { last, previous, quote, ticker, change } */
  const markets = new Map(SYMBOLS.map((s) => [s, { last: NaN, previous: NaN, quote: null, ticker: {}, change: NaN }]));
  const market = (symbol) => markets.get(symbol);
  let source = "";
  let openPage = null;           // the root element of the page that is shown
  let openName = "";
  let venueNames = "";

  // ---- pages

  const parts = () => ({
    live: window.quintet.live, monitoring: window.quintet.monitoring, books: window.quintet.books, connections: window.quintet.connections,
    workers: window.quintet.workers, options: window.quintet.options,
  });

  function pageChanged() {
    const root = document.querySelector("#_pages_content > [data-page]");
    if (root === openPage) return;
    const part = parts()[openName];
    if (part) part.unmount();
    openPage = root;
    openName = root ? root.dataset.page : "";
    delete document.documentElement.dataset.nav;
    if (!root) return;
    for (const link of document.querySelectorAll("a.rail-link, a.phone-link")) {
      attribute(link, "aria-current", link.getAttribute("href") === location.pathname ? "page" : null);
    }
    window.quintet.appearance.apply();
    const opened = parts()[openName];
    if (opened) opened.mount(root);
    if (location.hash) {
      const target = document.getElementById(location.hash.slice(1));
      if (target) target.scrollIntoView();
    }
  }

  /* Dash swaps the children of its page container; nothing else tells when a page is there. */
  function watchPages() {
    const watch = (container) => {
      new MutationObserver(pageChanged).observe(container, { childList: true });
      shellMounted();
      pageChanged();
    };
    const existing = byId("_pages_content");
    if (existing) {
      watch(existing);
      return;
    }
    const waiting = new MutationObserver(() => {
      const container = byId("_pages_content");
      if (!container) return;
      waiting.disconnect();
      watch(container);
    });
    waiting.observe(document.body, { childList: true, subtree: true });
  }

  function shellMounted() {
    const badge = byId("mode-badge");
    setSource(badge.dataset.source === "NONE" ? "" : badge.dataset.source);
    setInterval(clock, 1000);
    clock();
    showLink(window.quintet.feed.link);
  }

  // ---- top bar

  function clock() {
    if (document.hidden) return;
    text(byId("utc-clock"), new Date().toISOString().slice(11, 19));
    mark();
  }

  function setSource(name) {
    if (name === source) return;
    source = name;
    const badge = byId("mode-badge");
    const speed = Number(badge.dataset.speed);
    attribute(badge, "data-source", name || "NONE");
    attribute(badge, "title", EXPLANATIONS[name]);
    text(badge, !name ? "CONNECTING" : name === "REPLAY" ? `REPLAY ×${speed === 0 ? "max" : speed}` : name);
    attribute(byId("favicon"), "href", `/assets/icons/favicon-${(name || "live").toLowerCase()}.svg`);
    document.documentElement.dataset.source = name;
    mark();
  }

  /* Dash sets the title on every page change: the mark is put back in front of it. */
  function mark() {
    const bare = document.title.replace(/^(SIMULATED|REPLAY) · /, "");
    const marked = source && source !== "LIVE" ? `${source} · ${bare}` : bare;
    if (document.title !== marked) document.title = marked;
  }

  function onTrades(frame, symbol) {
    const known = markets.get(symbol);
    const newest = frame.rows[frame.rows.length - 1];
    if (!known || !newest) return;
    known.previous = known.last;
    known.last = newest[2];
    change(known);
  }

  function change(known) {
    known.change = known.ticker.open > 0 ? known.last / known.ticker.open - 1 : NaN;
  }

  function onQuotes(frame) {
    for (const [symbol, bid, , ask] of frame.rows) {
      const known = markets.get(symbol);
      if (known) known.quote = { bid, ask };
    }
  }

  function showPrices() {
    for (const [symbol, known] of markets) {
      const element = byId("top-price-" + symbol);
      const value = format.price(known.last);
      if (element && element.textContent !== value) {
        window.quintet.dom.text(element, value);
        window.quintet.dom.flash(element, Math.sign(known.last - known.previous));
      }
      const moved = byId("top-change-" + symbol);
      text(moved, format.change(known.change));
      attribute(moved, "data-direction", known.change > 0 ? "up" : known.change < 0 ? "down" : "flat");
    }
  }

  const level = (state) => (state === "LIVE" ? "ok" : BAD_STATES.includes(state) ? "bad" : WARN_STATES.includes(state) ? "warn" : "stale");

  function showVenues(venues) {
    const box = byId("venue-dots");
    if (!box) return;
    const names = venues.map((v) => v.venue).join();
    if (names !== venueNames || box.childElementCount !== venues.length) {
      venueNames = names;
      box.replaceChildren(...venues.map((v) => make("details", { class: "venue", "data-venue": v.venue },
        make("summary", { class: "venue-dot" }, make("span", { class: "dot" }), make("span", { class: "venue-name" }, v.venue)),
        make("div", { class: "venue-card" }))));
    }
    venues.forEach((v, index) => {
      const details = box.children[index];
      attribute(details, "data-level", level(v.state));
      attribute(details.firstElementChild, "aria-label", `${v.venue}: ${v.state}`);
      attribute(details.firstElementChild, "title", `${v.venue}: ${v.state}`);
      const source = v.source ? ` · ${v.source}` : "";
      const lines = [`${v.title || v.venue} · ${v.state}${source}`, `since ${format.stamp(v.since)}`, v.cause || "no fault known", ...(v.hint ? [v.hint] : [])];
      const card = details.lastElementChild;
      if (card.dataset.text !== lines.join("\n")) {
        card.dataset.text = lines.join("\n");
        card.replaceChildren(...lines.map((line) => make("div", {}, line)), make("a", { href: `/connections#venue-${v.venue}` }, "Connections"));
      }
    });
  }

  function showIncident(incident) {
    const line = byId("incident-line");
    if (!line) return;
    const grave = incident && (incident.severity === "bad" || Date.now() - incident.start_ms > 10000);
    attribute(line, "data-level", incident ? (grave ? "bad" : "warn") : "none");
    const words = incident ? `${incident.component}: ${incident.cause} (since ${format.time(incident.start_ms)})` : "";
    text(byId("incident-text"), words);
    attribute(byId("incident-text"), "data-level", grave ? "bad" : "warn");
    attribute(byId("incident-text"), "title", incident ? incident.detail || words : null);
    attribute(line, "aria-label", words || "No active incident");
    attribute(line, "tabindex", incident ? null : "-1");
  }

  function onStatus(frame) {
    if (byId("mode-badge")) setSource(frame.source);
    for (const [symbol, ticker] of Object.entries(frame.tickers || {})) {
      const known = markets.get(symbol);
      if (known) {
        known.ticker = ticker;
        change(known);
      }
    }
    showVenues(frame.venues || []);
    text(byId("latency-p99"), format.micros(frame.latency_p99_us));
    showIncident(frame.incident);
  }

  function showLink(link) {
    document.documentElement.dataset.link = link.up ? "up" : "down";
    const element = byId("link-lost");
    hide(element, link.up);
    text(element, `Page link lost at ${format.time(link.since)}, reconnecting`);
  }

  // ---- clicks

  const actions = {
    palette: () => window.quintet.palette.open(),
    help: () => window.quintet.keyboard.open("help"),
    close: (element) => element.closest("dialog").close(),
    rail: () => window.quintet.appearance.toggleRail(),
    theme: () => {
      window.quintet.appearance.nextTheme();
      window.quintet.dom.toast("Theme: " + window.quintet.appearance.get("theme"));
    },
    menu: () => {
      const root = document.documentElement;
      if (root.dataset.nav) delete root.dataset.nav;
      else root.dataset.nav = "open";
    },
    big: (element) => window.quintet.live.setBig(element.dataset.series),
    back: (element) => window.quintet.charts.back(element.dataset.series),
    ema: (element) => window.quintet.live.toggleEma(element.dataset.series),
  };

  function clicked(event) {
    const element = event.target.closest("[data-action], [data-appearance], [data-how], [data-setting]");
    if (!event.target.closest("details.venue")) {
      for (const details of document.querySelectorAll("details.venue[open]")) details.open = false;
    }
    if (!element) return;
    if (element.dataset.action) actions[element.dataset.action](element);
    else if (element.dataset.appearance) window.quintet.appearance.set(element.dataset.appearance, element.dataset.value);
    else if (element.dataset.setting) window.quintet.settingChoice.clicked(element);
    else window.quintet.measures.show(element);
  }

  function start() {
    const { feed, keyboard, live, ladder, tape, monitoring, books, connections, workers, options, appearance } = window.quintet;
    feed.on("status", onStatus);
    feed.on("trades", onTrades);
    feed.on("quotes", onQuotes);
    for (const part of [live, ladder, tape, monitoring, books, connections, workers, options]) part.start();
    feed.on("*", showPrices);
    feed.onLink(showLink);
    feed.want("shell", SYMBOLS.map((s) => "trades:" + s));
    keyboard.start();
    document.addEventListener("click", clicked);
    appearance.onChange(() => mark());
    watchPages();
    feed.start();
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();

  return { market };
})();
