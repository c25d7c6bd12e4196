/* The columns of the liquidity heat map as core/market/liquidity.py describes them, kept by the time they stand for. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.heatModel = (() => {
  const KEPT = 1280;             // slots of the ring: ten minutes of half-second columns, and room to scroll
  const NONE = new Uint8Array(0);
  const LOW_SHARE = 0.1;         // sizes below this quantile, and above the next, share the colours of the ends
  const HIGH_SHARE = 0.998;

  function decode(text) {
    if (!text) return NONE;
    const raw = atob(text);
    const codes = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i += 1) codes[i] = raw.charCodeAt(i);
    return codes;
  }

  function create() {
    const ring = new Array(KEPT).fill(null);
    const model = { bin: 1, period: 500, unit: 1, base: 1.1, newest: -1, oldest: -1 };

    function clear() {
      ring.fill(null);
      model.newest = model.oldest = -1;
    }

    const bySlot = (slot) => {
      const column = ring[((slot % KEPT) + KEPT) % KEPT];
      return column && column.slot === slot ? column : null;
    };

    /** Take a frame; the columns that are new, oldest first, or null when everything is to be drawn anew. */
    function apply(frame) {
      if (frame.full) {
        clear();
        model.bin = frame.bin;
        model.period = frame.period_ms;
        model.unit = frame.scale.unit;
        model.base = frame.scale.base;
      }
      const added = [];
      for (const raw of frame.columns) {
        const slot = Math.round(raw.t / model.period) - 1;
        if (slot <= model.newest) continue;
        const column = {
          slot, t: raw.t, hole: raw.hole === undefined ? null : raw.hole || "no cause is known", trades: raw.trades || [],
          low: raw.low, bids: decode(raw.bids), askLow: raw.ask_low, asks: decode(raw.asks), bid: raw.bid, ask: raw.ask,
        };
        ring[slot % KEPT] = column;
        model.newest = slot;
        if (model.oldest < 0) model.oldest = slot;
        added.push(column);
      }
      model.oldest = Math.max(model.oldest, model.newest - KEPT + 1);
      return frame.full ? null : added;
    }

    const at = (ms) => bySlot(Math.floor(ms / model.period));

    function each(from, visit) {
      if (model.newest < 0) return;
      for (let slot = Math.max(from, model.oldest); slot <= model.newest; slot += 1) {
        const column = bySlot(slot);
        if (column) visit(column);
      }
    }

    /** The code of the size at a price: 0 known to be empty, null not known. */
    function codeAt(column, price) {
      if (column.hole !== null) return null;
      const bin = Math.floor(price / model.bin);
      const bid = column.bids[bin - column.low];
      const ask = column.asks[bin - column.askLow];
      if (bid !== undefined || ask !== undefined) return Math.max(bid || 0, ask || 0);
      return bin >= column.low + column.bids.length && bin < column.askLow ? 0 : null;
    }

    const size = (code) => (code > 0 ? model.unit * model.base ** (code - 1) : 0);

    /** Stretches in which the book was withheld: [{ from, to (Unix ms), cause }]. */
    function holes() {
      const found = [];
      each(0, (column) => {
        if (column.hole === null) return;
        const last = found[found.length - 1];
        const from = column.slot * model.period;
        if (last && last.to === from && last.cause === column.hole) last.to = from + model.period;
        else found.push({ from, to: from + model.period, cause: column.hole });
      });
      return found;
    }

    /** Lowest best bid and highest best ask of all columns, and the newest of both; null when there is none. */
    function prices() {
      let low = Infinity;
      let high = -Infinity;
      let bid = NaN;
      let ask = NaN;
      each(0, (column) => {
        if (column.hole !== null) return;
        ({ bid, ask } = column);
        if (bid < low) low = bid;
        if (ask > high) high = ask;
      });
      return low <= high ? { low, high, bid, ask } : null;
    }

    /** The codes at the two ends of the colours. */
    function scale() {
      const counts = new Float64Array(256);
      let total = 0;
      each(0, ({ bids, asks }) => {
        for (const code of bids) counts[code] += 1;
        for (const code of asks) counts[code] += 1;
      });
      for (let code = 1; code < 256; code += 1) total += counts[code];
      if (!total) return { low: 1, high: 2 };
      const quantile = (share) => {
        let sum = 0;
        for (let code = 1; code < 256; code += 1) {
          sum += counts[code];
          if (sum >= share * total) return code;
        }
        return 255;
      };
      const low = quantile(LOW_SHARE);
      return { low, high: Math.max(low + 1, quantile(HIGH_SHARE)) };
    }

    /** Trades are drawn in proportion to this quantity: one in a hundred is larger. */
    function largestTrade() {
      const quantities = [];
      each(0, (column) => { for (const trade of column.trades) quantities.push(trade[1]); });
      quantities.sort((a, b) => a - b);
      return quantities[Math.floor(quantities.length * 0.99)] || 1;
    }

    return Object.assign(model, { clear, apply, at, bySlot, each, codeAt, size, holes, prices, scale, largestTrade });
  }

  return { create, KEPT };
})();
