/* The two pictures that the heat map scrolls: sizes (a pixel column a period) and marks (best prices and trades). Both are rings
   in time, painted once a column, and twice as high as the view, so that following the price is a matter of which part is shown. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.heatLayers = (() => {
  const UNKNOWN = -1;
  const LARGEST_DOT = 7;         // px
  const AHEAD = 2 * LARGEST_DOT + 4;   // px of the marks' ring cleared ahead of the newest, for dots that reach over

  /** The first part of a ring from `from`, `length` long, in pieces that do not wrap: visit(start, offset, length). */
  function pieces(from, length, size, visit) {
    let offset = 0;
    while (offset < length) {
      const start = (((from + offset) % size) + size) % size;
      const piece = Math.min(length - offset, size - start);
      visit(start, offset, piece);
      offset += piece;
    }
  }

  /** `place`: { top (price of the upper edge), perPixel (price per device pixel), height (device pixels) }. */
  function sizes() {
    const kept = window.quintet.heatModel.KEPT;
    const canvas = document.createElement("canvas");
    const ctx = canvas.getContext("2d");
    let place = null;
    let look = null;             // { ramp, unknown (pixel), low, high (codes) }
    let codes = new Int16Array(0);
    let strip = null;

    function fill(model, column) {
      codes.fill(UNKNOWN);
      if (column.hole !== null) return;
      const scale = model.bin / place.perPixel;
      const at = place.top / place.perPixel;
      const write = (bin, code) => {
        const from = Math.max(0, Math.round(at - (bin + 1) * scale));
        const to = Math.min(place.height, Math.max(from + 1, Math.round(at - bin * scale)));
        for (let y = from; y < to; y += 1) if (code > codes[y]) codes[y] = code;
      };
      for (let bin = column.low + column.bids.length; bin < column.askLow; bin += 1) write(bin, 0);
      for (let i = 0; i < column.bids.length; i += 1) write(column.low + i, column.bids[i]);
      for (let i = 0; i < column.asks.length; i += 1) write(column.askLow + i, column.asks[i]);
    }

    function paint(pixels, stride, offset, hole) {
      const { ramp, unknown, low, high } = look;
      const step = (ramp.length - 1) / (high - low);
      for (let y = 0, i = offset; y < codes.length; y += 1, i += stride) {
        const code = codes[y];
        if (code > 0) pixels[i] = ramp[Math.min(ramp.length - 1, Math.max(0, Math.round((code - low) * step)))];
        else pixels[i] = code === 0 || hole ? 0 : unknown;
      }
    }

    function rebuild(model, wanted, colours) {
      place = wanted;
      look = colours;
      if (canvas.width !== kept || canvas.height !== place.height) {
        canvas.width = kept;
        canvas.height = place.height;
        codes = new Int16Array(place.height);
        strip = ctx.createImageData(1, place.height);
      }
      const image = ctx.createImageData(kept, place.height);
      const pixels = new Uint32Array(image.data.buffer);
      model.each(0, (column) => {
        fill(model, column);
        paint(pixels, kept, column.slot % kept, column.hole !== null);
      });
      ctx.putImageData(image, 0, 0);
    }

    /** Add a column; what was skipped since `previous` (a slot) is left empty. */
    function add(model, column, previous) {
      const skipped = Math.min(kept, column.slot - previous);
      pieces(previous + 1, skipped, kept, (start, _, length) => ctx.clearRect(start, 0, length, place.height));
      fill(model, column);
      paint(new Uint32Array(strip.data.buffer), 1, 0, column.hole !== null);
      ctx.putImageData(strip, column.slot % kept, 0);
    }

    /** Show slots `from`…`to` (fractions allowed) in the rectangle, from row `y` of the picture. */
    function blit(target, from, to, rect, y) {
      const perSlot = rect.width / (to - from);
      const first = Math.floor(from);
      pieces(first, Math.ceil(to) - first, kept, (start, offset, length) => {
        target.drawImage(canvas, start, y, length, rect.height, (first + offset - from) * perSlot, 0, length * perSlot, rect.height);
      });
    }

    return { rebuild, add, blit };
  }

  /** `perMs`: device pixels per millisecond; `colours`: { bid, ask, up, down, edge }; `largest`: quantity of the largest dot. */
  function marks() {
    const canvas = document.createElement("canvas");
    const ctx = canvas.getContext("2d");
    let place = null;
    let perMs = 1;
    let ratio = 1;
    let colours = {};
    let largest = 1;
    let cleared = 0;             // px (absolute) up to which the ring holds this round's marks
    let last = null;             // the column drawn last

    const y = (price) => (place.top - price) / place.perPixel;

    function line(from, to, price, before, colour) {
      ctx.strokeStyle = colour;
      ctx.beginPath();
      if (before !== null) {
        ctx.moveTo(from, y(before));
        ctx.lineTo(from, y(price));
      } else ctx.moveTo(from, y(price));
      ctx.lineTo(to, y(price));
      ctx.stroke();
    }

    function dots(x, trades) {
      for (const [price, quantity, isSell] of trades) {
        const radius = ratio * Math.max(1, Math.min(LARGEST_DOT, LARGEST_DOT * Math.sqrt(quantity / largest)));
        ctx.beginPath();
        ctx.arc(x, y(price), radius, 0, 2 * Math.PI);
        ctx.fillStyle = isSell ? colours.down : colours.up;
        ctx.fill();
        ctx.strokeStyle = colours.edge;
        ctx.stroke();
      }
    }

    function draw(model, column) {
      const from = column.slot * model.period * perMs;
      const to = from + model.period * perMs;
      const known = last !== null && last.slot === column.slot - 1 && last.hole === null;
      /* a mark that wraps is drawn at both ends of the ring */
      const start = from % canvas.width;
      const shifts = start + (to - from) + AHEAD > canvas.width ? [0, -canvas.width] : start < AHEAD ? [0, canvas.width] : [0];
      for (const shift of shifts) {
        const x = start + shift;
        ctx.lineWidth = 1.5 * ratio;
        if (column.hole === null) {
          line(x, x + to - from, column.bid, known ? last.bid : null, colours.bid);
          line(x, x + to - from, column.ask, known ? last.ask : null, colours.ask);
        }
        ctx.lineWidth = 0.75 * ratio;
        dots(x + (to - from) / 2, column.trades);
      }
      last = column;
    }

    function clearTo(x) {
      const from = Math.max(Math.floor(cleared), Math.floor(x) - canvas.width);
      pieces(from, Math.ceil(x) - from, canvas.width, (start, _, length) => ctx.clearRect(start, 0, length, canvas.height));
      cleared = Math.ceil(x);
    }

    const end = (model, slot) => (slot + 1) * model.period * perMs;

    function rebuild(model, wanted, options) {
      place = wanted;
      ({ perMs, ratio, colours, largest } = options);
      canvas.width = options.width + 2 * AHEAD * Math.ceil(ratio);
      canvas.height = place.height;
      last = null;
      cleared = end(model, model.newest) + AHEAD * ratio;
      const first = model.newest - Math.ceil((options.width + AHEAD) / (perMs * model.period));
      model.each(first, (column) => draw(model, column));
    }

    function add(model, column) {
      clearTo(end(model, column.slot) + AHEAD * ratio);
      draw(model, column);
    }

    /** Show the time from `left` (Unix ms) on in the rectangle, from row `y` of the picture. */
    function blit(target, left, rect, row) {
      const from = left * perMs;
      const first = Math.floor(from);
      pieces(first, rect.width + 1, canvas.width, (start, offset, length) => {
        target.drawImage(canvas, start, row, length, rect.height, first + offset - from, 0, length, rect.height);
      });
    }

    return { rebuild, add, blit };
  }

  return { sizes, marks };
})();
