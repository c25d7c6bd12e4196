/* The depth ladder: writes the book's top into fixed slots; a book that is not in step with the venue's is withheld. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.ladder = (() => {
  const { byId, text, attribute, make } = window.quintet.dom;
  const format = window.quintet.format;
  let slots = null;
  let decimals = 2;
  let symbol = "";
  let levels = 0;
  let withheld = null;           // since when the book is withheld, Unix ms

  function mount() {
    const root = byId("ladder");
    symbol = root.dataset.symbol;
    decimals = Number(root.dataset.decimals);
    levels = Number(byId("ladder-levels").dataset.levels);
    withheld = null;
    const bids = Array.from({ length: levels }, () => slot("bid"));
    const asks = Array.from({ length: levels }, () => slot("ask"));
    byId("ladder-bids").replaceChildren(...bids.map((s) => s.row));
    byId("ladder-asks").replaceChildren(...asks.map((s) => s.row).reverse());
    slots = { bid: bids, ask: asks };
  }

  /* One level: bar, price, size and running sum. */
  function slot(side) {
    const bar = make("span", { class: "level-bar", "aria-hidden": "true" });
    const price = make("span", { class: "num level-price" });
    const size = make("span", { class: "num level-size" });
    const sum = make("span", { class: "num level-sum dim" });
    return { row: make("div", { class: `level level-${side}` }, bar, price, size, sum), bar, price, size, sum };
  }

  const isOpen = () => slots !== null && byId("ladder") !== null;

  function write(side, rows, largest) {
    let sum = 0;
    for (let i = 0; i < levels; i += 1) {
      const { bar, price, size, sum: total } = slots[side][i];
      const row = rows[i];
      sum += row ? row[1] : 0;
      text(price, row ? format.price(row[0], decimals) : "");
      text(size, row ? format.size(row[1], 3) : "");
      text(total, row ? format.size(sum, 2) : "");
      const width = row && largest > 0 ? `scaleX(${(row[1] / largest).toFixed(3)})` : "scaleX(0)";
      if (bar.style.transform !== width) bar.style.transform = width;
    }
    return sum;
  }

  function onBook(frame, name) {
    if (!isOpen() || name !== symbol) return;
    attribute(byId("ladder-levels"), "data-loading", null);
    if (!frame.synced) {
      withheld = withheld || frame.sent_ms;
      return;
    }
    withheld = null;
    const bids = frame.bids.slice(0, levels);
    const asks = frame.asks.slice(0, levels);
    const largest = Math.max(0, ...bids.map((l) => l[1]), ...asks.map((l) => l[1]));
    const bidSum = write("bid", bids, largest);
    const askSum = write("ask", asks, largest);
    if (bids.length && asks.length) {
      text(byId("book-mid"), format.price((bids[0][0] + asks[0][0]) / 2, decimals));
      text(byId("book-spread"), "spread " + format.price(asks[0][0] - bids[0][0], decimals));
    }
    const share = bidSum + askSum > 0 ? bidSum / (bidSum + askSum) : 0.5;
    byId("imbalance-bar").style.transform = `scaleX(${share.toFixed(3)})`;
    text(byId("imbalance-bid"), "Bids " + format.percent(share, 0));
    text(byId("imbalance-ask"), "Asks " + format.percent(1 - share, 0));
  }

  /** Called four times a second with the freshness of the symbol's series. */
  function age(series) {
    const card = byId("ladder");
    if (!card) return;
    const stale = series.state === "STALE" || series.state === "DEAD";
    const loading = byId("ladder-levels").dataset.loading === "true";
    const state = stale ? series.state : withheld ? "WITHHELD" : loading ? "NONE" : "LIVE";
    attribute(card, "data-state", state);
    attribute(byId("book-state"), "data-state", state);
    text(byId("book-state"), { WITHHELD: "WITHHELD", NONE: "waiting", LIVE: "IN STEP" }[state] || state);
    text(byId("cause-book"), stale ? `${state} since ${format.time(series.since)} – ${series.cause || "no data arrives"}`
      : withheld ? `Withheld since ${format.time(withheld)}: resyncing, or off in Settings` : "");
  }

  return { mount, age, start: () => window.quintet.feed.on("book", onBook) };
})();
