/* The order-book page: which symbol is shown, its measures, and how far its book can be believed. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.books = (() => {
  const q = () => window.quintet;
  const WORDS = {
    LIVE: "IN STEP", LATE: "LATE", STALE: "STALE", DEAD: "DEAD", NONE: "waiting", WITHHELD: "WITHHELD", REFUSED: "REFUSED",
    OFF: "OFF", ABSENT: "NO SOURCE",
  };
  const LEVELS = { LIVE: "ok", LATE: "warn", STALE: "bad", DEAD: "bad" };
  const BPS = [1, 2, 5, 10, 25, 50];
  const FRAME_LEVELS = 25;       // levels a side of a `cob` frame

  let root = null;
  let instrument = null;         // what its tab says of the symbol
  let book = null;               // the newest `cob` frame of the symbol
  let lostAt = 0;                // Unix ms since when the book is withheld, as this page saw it
  let entries = new Map();       // symbol -> its line of `books`
  let symbols = new Map();       // symbol -> its line of `symbols`
  let reportedAt = 0;            // performance.now() of that report
  let venues = new Map();        // venue -> { state, cause, hint } of `status`
  let timer = 0;

  const isOpen = () => root !== null;
  const tabs = () => [...q().dom.byId("ob-tabs").querySelectorAll("[data-book]")];

  // ---- the page comes and goes

  function mount(page) {
    root = page;
    entries = new Map();
    symbols = new Map();
    q().bookLadder.mount();
    q().depth.mount();
    q().heatmap.mount(q().heatTools.read(new URLSearchParams(location.search)));
    q().heatTools.mount(remember);
    const list = q().dom.byId("ob-tabs");
    list.addEventListener("click", (event) => {
      const tab = event.target.closest("[data-book]");
      if (tab) choose(tab);
    });
    list.addEventListener("keydown", moved);
    choose(tabs().find((tab) => tab.dataset.book === page.dataset.symbol) || tabs()[0], true);
    timer = setInterval(showStanding, 250);
  }

  function unmount() {
    root = null;
    clearInterval(timer);
    q().heatmap.unmount();
    q().depth.unmount();
    q().feed.want("books", []);
  }

  function moved(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const all = tabs();
    const at = all.findIndex((tab) => tab.dataset.book === instrument.symbol);
    const next = all[(at + step + all.length) % all.length];
    choose(next);
    next.focus();
  }

  const decimalsOf = (step) => Math.max(0, Math.min(5, Math.round(-Math.log10(step))));

  function choose(tab, isFirst = false) {
    const { dom, feed, heatmap, tape } = q();
    const facts = tab.dataset;
    if (instrument && instrument.symbol === facts.book && !isFirst) return;
    instrument = {
      symbol: facts.book, label: facts.label, pair: facts.pair, unit: facts.unit, quote: facts.quote, venue: facts.venue,
      decimals: Number(facts.decimals), sizeDecimals: decimalsOf(Number(facts.lot)),
    };
    book = null;
    lostAt = 0;
    for (const other of tabs()) {
      dom.attribute(other, "aria-selected", String(other === tab));
      dom.attribute(other, "tabindex", other === tab ? "0" : "-1");
    }
    tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    dom.attribute(root, "data-symbol", instrument.symbol);
    dom.text(dom.byId("ob-pair"), instrument.pair);
    dom.text(dom.byId("ob-price-unit"), `Price ${instrument.quote}`);
    dom.text(dom.byId("ob-size-unit"), sizeTitle());
    retitleTape();
    heatmap.show(instrument);
    tape.mount();
    for (const id of ["ob-levels", "depth-body", "tape-rows"]) dom.attribute(dom.byId(id), "data-loading", "true");
    const { symbol } = instrument;
    feed.want("books", [`cob:${symbol}`, `heat:${symbol}`, `trades:${symbol}`, "books"]);
    showBook();
    showFacts();
    showStanding();
    if (!isFirst) remember();
  }

  const sizeTitle = () => (instrument.unit === "shares" ? "Shares" : `Size ${instrument.unit}`);

  function retitleTape() {
    const { byId, text, attribute } = q().dom;
    const card = byId("tape");
    attribute(card, "data-symbol", instrument.symbol);
    attribute(card, "data-decimals", String(instrument.decimals));
    attribute(card, "data-size-decimals", String(instrument.sizeDecimals));
    text(card.querySelector(".card-title"), `Trades ${instrument.label}`);
    const [, price, size] = card.querySelector(".tape-columns").children;
    text(price, `Price ${instrument.quote}`);
    text(size, sizeTitle());
  }

  /** Keep what is chosen in the address, so that a copied link opens the same view. */
  function remember() {
    const url = new URL(location.href);
    url.searchParams.set("symbol", instrument.symbol);
    q().heatTools.write(url.searchParams);
    history.replaceState(history.state, "", url);
  }

  // ---- frames

  function onCob(frame, name) {
    if (!isOpen() || name !== instrument.symbol) return;
    book = frame;
    lostAt = frame.state === "SYNCED" ? 0 : lostAt || frame.sent_ms;
    showBook();
    showStanding();
  }

  function onBooks(frame) {
    if (!isOpen()) return;
    entries = new Map(frame.books.map((entry) => [entry.symbol, entry]));
    symbols = new Map(frame.symbols.map((entry) => [entry.symbol, entry]));
    reportedAt = frame.heardAt;
    showTabs();
    showFacts();
    showStanding();
  }

  function onStatus(frame) {
    venues = new Map((frame.venues || []).map((venue) => [venue.venue, venue]));
  }

  // ---- what is true of the book now

  /** { state, cause, since } of what is shown, the worst first. */
  function standing() {
    const { link } = q().feed;
    const entry = entries.get(instrument.symbol);
    const symbol = symbols.get(instrument.symbol);
    if (!link.up) return { state: "STALE", cause: "this page's link to its server is down; reconnecting", since: link.since };
    if (!book) return { state: "NONE", cause: "", since: 0 };
    if (book.state !== "SYNCED") return withheld(entry, symbol);
    if (symbol && symbol.state !== "LIVE") return { state: symbol.state, cause: symbol.cause || "no data arrives", since: symbol.since_ms };
    return { state: "LIVE", cause: "", since: 0 };
  }

  function withheld(entry, symbol) {
    if (entry && ["REFUSED", "OFF"].includes(entry.state)) return { state: entry.state, cause: entry.cause, since: lostAt };
    if (!symbol && symbols.size) {
      const venue = venues.get(instrument.venue);
      const why = venue ? [`${venue.state}${venue.cause ? ": " + venue.cause : ""}`, venue.hint].filter(Boolean).join(". ") : "not connected";
      return { state: "ABSENT", cause: `${instrument.venue} is ${why}`, since: venue ? venue.since : 0 };
    }
    const cause = (entry && entry.cause) || (symbol && symbol.cause) || "being brought in step with the venue's";
    return { state: "WITHHELD", cause, since: lostAt };
  }

  const isShown = () => book !== null && book.state === "SYNCED";

  function showStanding() {
    if (!isOpen()) return;
    const { byId, text, attribute } = q().dom;
    const { format } = q();
    const now = standing();
    const shown = isShown();
    attribute(byId("ob-body"), "data-state", now.state);
    attribute(byId("ob-state"), "data-state", now.state);
    const symbol = symbols.get(instrument.symbol);
    const age = symbol && format.isNumber(symbol.age_ms) ? symbol.age_ms + performance.now() - reportedAt : NaN;
    text(byId("ob-state"), WORDS[now.state] || now.state);
    attribute(byId("ob-state"), "title", format.isNumber(age) ? `Newest data of this symbol: ${format.age(age)} old` : null);
    const since = now.since ? ` since ${format.time(now.since)}` : "";
    const line = now.cause ? `${now.state === "ABSENT" ? "" : WORDS[now.state] + since + ": "}${now.cause}` : "";
    text(byId("ob-cause"), line);
    attribute(byId("ob-cause"), "title", line || null);
    attribute(byId("ob-cause"), "data-level", ["LATE", "WITHHELD", "ABSENT"].includes(now.state) ? "warn" : "bad");
    const source = (book && book.source) || (symbol && symbol.source) || "";
    text(byId("ob-source"), source || instrument.venue);
    attribute(byId("ob-source"), "title", `Where these numbers come from: ${instrument.venue}${source ? ", " + source : ""}`);
    attribute(byId("ob-source"), "data-source", source);
    const note = shown || !book ? "" : `${HEADLINES[now.state] || "Withheld"}${since}.\n${now.cause}`;
    text(byId("ob-note"), note);
    text(byId("depth-note"), shown || !book ? "" : HEADLINES[now.state] || "Withheld");
    const isEmpty = book !== null && q().heatmap.counts().columns === 0;
    text(byId("heat-note"), isEmpty ? EMPTY[now.state] || EMPTY.LIVE : "");
    const entry = entries.get(instrument.symbol);
    if (entry) text(byId("ob-fact-age"), format.age(format.isNumber(entry.age_ms) ? entry.age_ms + performance.now() - reportedAt : NaN));
  }

  const HEADLINES = {
    WITHHELD: "Withheld", REFUSED: "The venue refuses this book", OFF: "This book is off", ABSENT: "No venue brings this symbol now",
    STALE: "Withheld", DEAD: "Withheld",
  };
  const EMPTY = {
    LIVE: "Nothing is recorded yet: the first column comes within a second.",
    ABSENT: "Here the liquidity of the last ten minutes will scroll, as soon as its venue answers. Connections says what to do.",
  };

  // ---- numbers

  function showBook() {
    const { byId, text, attribute } = q().dom;
    const { format, heatmap } = q();
    const shown = isShown() ? book : null;
    const known = (shown && shown.known_range) || null;
    if (book) for (const id of ["ob-levels", "depth-body"]) attribute(byId(id), "data-loading", null);
    q().bookLadder.show(shown, known, instrument);
    q().depth.show(shown, known, heatmap.newest(), instrument);
    const { decimals } = instrument;
    const has = shown !== null && shown.mid !== null;
    const bps = (value, places) => (has ? `${format.fixed((value / shown.mid) * 1e4, places)} bp` : "");
    text(byId("ob-mid"), has ? format.price(shown.mid, decimals + 1) : format.NONE);
    text(byId("ob-spread"), has ? format.price(shown.spread, decimals) : format.NONE);
    text(byId("ob-spread-bp"), has ? bps(shown.spread, shown.spread / shown.mid < 1e-5 ? 4 : 2) : "");
    text(byId("ob-micro"), has ? format.price(shown.microprice, decimals + 2) : format.NONE);
    text(byId("ob-micro-bp"), has ? `${shown.microprice >= shown.mid ? "+" : ""}${bps(shown.microprice - shown.mid, 3)}` : "");
    const lean = has ? shown.imbalance : 0;
    byId("ob-imbalance-bar").style.transform = `scaleX(${((1 + lean) / 2).toFixed(3)})`;
    text(byId("ob-imbalance"), !has ? format.NONE
      : `${lean > 0 ? "+" : ""}${format.fixed(lean, 2)} ${Math.abs(lean) < 0.05 ? "even" : lean > 0 ? "bids" : "asks"}`);
    text(byId("ob-venues"), shown ? shown.sources.join(" + ") : "");
    showDepth(shown, known);
  }

  /** Lowest and highest price up to which the sizes are known to be whole. */
  function reach(shown, known) {
    const [low, high] = known || [-Infinity, Infinity];
    const newest = q().heatmap.newest();
    const ends = (levels) => (levels.length < FRAME_LEVELS && levels.length ? levels[levels.length - 1][0] : null);
    const [bid, ask] = [ends(shown.bids), ends(shown.asks)];
    const column = newest && newest.column;
    const bottom = bid !== null ? bid : column ? column.low * newest.model.bin : -Infinity;
    const top = ask !== null ? ask : column ? (column.askLow + column.asks.length) * newest.model.bin : Infinity;
    return [Math.max(low, bottom), Math.min(high, top)];
  }

  /* Three figures are enough to compare sizes, and leave room for twelve of them. */
  function brief(size) {
    const places = size >= 100 ? 0 : size >= 10 ? 1 : 2;
    return q().format.si(size, Math.min(places, instrument.sizeDecimals));
  }

  function showDepth(shown, known) {
    const { byId, text } = q().dom;
    const { format } = q();
    const sizes = new Map((shown ? shown.depth : []).map(([bps, bid, ask]) => [bps, { bid, ask }]));
    const [low, high] = shown ? reach(shown, known) : [];
    for (const bps of BPS) {
      const size = sizes.get(bps);
      const within = size && shown.mid ? { bid: shown.mid * (1 - bps / 1e4) >= low, ask: shown.mid * (1 + bps / 1e4) <= high } : {};
      for (const side of ["bid", "ask"]) {
        const words = size ? (within[side] ? "" : "≥") + brief(size[side]) : format.NONE;
        text(byId(`ob-depth-${side}-${bps}`), words);
      }
    }
  }

  function showTabs() {
    const { text, attribute } = q().dom;
    for (const tab of tabs()) {
      const symbol = symbols.get(tab.dataset.book);
      const [, , price, source] = tab.children;
      attribute(tab, "data-level", (symbol && LEVELS[symbol.state]) || "stale");
      attribute(tab, "title", `${tab.dataset.pair} at ${tab.dataset.venue}: ${symbol ? symbol.state + (symbol.cause ? ", " + symbol.cause : "") : "no source"}`);
      text(price, symbol ? q().format.price(symbol.price, Number(tab.dataset.decimals)) : q().format.NONE);
      text(source, symbol ? symbol.source : "no source");
      attribute(source, "data-source", symbol ? symbol.source : null);
    }
  }

  function showFacts() {
    const { byId, text, attribute } = q().dom;
    const { format } = q();
    const entry = entries.get(instrument.symbol);
    const symbol = symbols.get(instrument.symbol);
    const price = (value) => format.price(value, instrument.decimals);
    const facts = entry ? {
      state: entry.state + (entry.cause ? ": " + entry.cause : ""), venue: `${entry.venue}, ${entry.kind}`,
      source: (symbol && symbol.source) || format.NONE,
      rate: `${format.fixed(entry.updates_per_s, 1)} /s, ${format.si(entry.updates)} in all`,
      gaps: format.count(entry.gaps), resyncs: format.count(entry.resyncs), crossed: format.count(entry.crossed),
      last: entry.last_update_id ? String(entry.last_update_id) : format.NONE,
      levels: `${format.count(entry.bid_levels)} bids, ${format.count(entry.ask_levels)} asks`,
      range: entry.known_range ? `${price(entry.known_range[0])} … ${price(entry.known_range[1])}` : "not told by the venue",
    } : {};
    for (const key of ["state", "venue", "source", "rate", "gaps", "resyncs", "crossed", "last", "levels", "range"]) {
      const cell = byId("ob-fact-" + key);
      text(cell, facts[key] || format.NONE);
      attribute(cell, "title", facts[key] || null);
    }
    if (!entry) text(byId("ob-fact-age"), format.NONE);
    attribute(byId("ob-fact-crossed"), "data-level", entry && entry.crossed ? "warn" : null);
    attribute(byId("ob-fact-state"), "data-level", !entry ? null : entry.state === "SYNCED" ? "ok" : entry.state === "REFUSED" ? "bad" : "warn");
    text(byId("ob-integrity-note"), entry || !entries.size ? "" : "no book of this symbol");
  }

  function start() {
    const { feed, heatmap, appearance } = q();
    feed.on("cob", onCob);
    feed.on("books", onBooks);
    feed.on("status", onStatus);
    feed.onLink(showStanding);
    heatmap.start();
    appearance.onChange((name) => {
      if (!isOpen() || name === "rail") return;
      heatmap.restyle();
      q().depth.restyle();
    });
  }

  return { start, mount, unmount, isOpen };
})();
