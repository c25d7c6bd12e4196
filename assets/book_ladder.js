/* The ladder of the order-book page: twenty fixed slots a side, bars by running sum; what is not known is said, not left blank. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.bookLadder = (() => {
  const q = () => window.quintet;
  let slots = null;
  let levels = 0;

  function mount() {
    const { byId } = q().dom;
    levels = Number(byId("ob-levels").dataset.levels);
    slots = { bid: [], ask: [] };
    for (const side of ["bid", "ask"]) slots[side] = Array.from({ length: levels }, () => slot(side));
    byId("ob-bids").replaceChildren(...slots.bid.map((s) => s.row));
    byId("ob-asks").replaceChildren(...slots.ask.map((s) => s.row).reverse());
  }

  function slot(side) {
    const { make } = q().dom;
    const bar = make("span", { class: "level-bar", "aria-hidden": "true" });
    const price = make("span", { class: "num level-price" });
    const size = make("span", { class: "num level-size" });
    const sum = make("span", { class: "num level-sum dim" });
    return { row: make("div", { class: `level level-${side}` }, bar, price, size, sum), bar, price, size, sum };
  }

  function write(side, rows, largest, { known, decimals, sizeDecimals }) {
    const { text, attribute } = q().dom;
    const { format } = q();
    let sum = 0;
    for (let i = 0; i < levels; i += 1) {
      const s = slots[side][i];
      const row = rows[i];
      sum += row ? row[1] : 0;
      text(s.price, row ? format.price(row[0], decimals) : i === rows.length && rows.length ? "unknown beyond" : "");
      text(s.size, row ? format.size(row[1], sizeDecimals) : "");
      text(s.sum, row ? format.size(sum, Math.max(0, sizeDecimals - 1)) : "");
      attribute(s.row, "data-unknown", row ? null : "true");
      /* beyond what the venue told as a whole: this level is there, others may be missing */
      attribute(s.row, "data-beyond", row && (row[0] < known[0] || row[0] > known[1]) ? "true" : null);
      const width = row && largest > 0 ? `scaleX(${(sum / largest).toFixed(3)})` : "scaleX(0)";
      if (s.bar.style.transform !== width) s.bar.style.transform = width;
    }
  }

  /** Show the book of a `cob` frame; null empties all slots. `known`: [low, high] or null. */
  function show(frame, known, { decimals, sizeDecimals }) {
    const { byId, text } = q().dom;
    const { format } = q();
    const bids = frame ? frame.bids.slice(0, levels) : [];
    const asks = frame ? frame.asks.slice(0, levels) : [];
    const looks = { known: known || [-Infinity, Infinity], decimals, sizeDecimals };
    const total = (rows) => rows.reduce((sum, row) => sum + row[1], 0);
    const largest = Math.max(total(bids), total(asks));
    write("bid", bids, largest, looks);
    write("ask", asks, largest, looks);
    text(byId("ob-ladder-mid"), frame && frame.mid !== null ? format.price(frame.mid, decimals + 1) : format.NONE);
    text(byId("ob-ladder-spread"), frame && frame.spread !== null ? "spread " + format.price(frame.spread, decimals) : "");
  }

  return { mount, show };
})();
