/* What stands around and over the heat map: times, prices, the stretches without a book, the crosshair. Pure drawing. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.heatAxes = (() => {
  const format = window.quintet.format;
  const TIME_STEPS_MS = [10, 15, 30, 60, 120, 300].map((s) => s * 1000);

  /** The smallest of 1, 2, 2.5, 5 × 10ⁿ that is at least `least`. */
  function niceStep(least) {
    const power = 10 ** Math.floor(Math.log10(least));
    return [1, 2, 2.5, 5, 10].map((m) => m * power).find((step) => step >= least * 0.999);
  }

  function pen(ctx, { plot, look }, colour, align = "left") {
    ctx.font = `${11 * plot.ratio}px ${look.font}`;
    ctx.fillStyle = colour;
    ctx.textAlign = align;
    ctx.textBaseline = "middle";
  }

  function line(ctx, x0, y0, x1, y1, colour, width) {
    ctx.strokeStyle = colour;
    ctx.lineWidth = width;
    ctx.beginPath();
    ctx.moveTo(x0, y0);
    ctx.lineTo(x1, y1);
    ctx.stroke();
  }

  /** Width of a text, CSS pixels. */
  function widthOf(ctx, scene, words) {
    pen(ctx, scene, scene.look.text);
    return Math.ceil(ctx.measureText(words).width / scene.plot.ratio);
  }

  /** Times of day below the plot. `scene`: { plot { width, height, ratio }, look, left (Unix ms), span (ms), … } */
  function times(ctx, scene) {
    const { plot, look, left, span } = scene;
    const perMs = plot.width / span;
    const step = TIME_STEPS_MS.find((s) => s * perMs >= 84 * plot.ratio) || TIME_STEPS_MS[TIME_STEPS_MS.length - 1];
    pen(ctx, scene, look.muted, "center");
    for (let t = Math.ceil(left / step) * step; t < left + span; t += step) {
      const x = (t - left) * perMs;
      if (x > 28 * plot.ratio && x < plot.width - 28 * plot.ratio) {
        ctx.fillText(format.time(t), x, plot.height + 10 * plot.ratio);
        line(ctx, x, plot.height, x, plot.height + 3 * plot.ratio, look.border, plot.ratio);
      }
    }
    line(ctx, 0, plot.height + 0.5, plot.width, plot.height + 0.5, look.border, plot.ratio);
  }

  /** Prices right of the plot, and the newest mid as a label. `scene` also has top, perPixel, decimals, mid (null: not known now). */
  function prices(ctx, scene) {
    const { plot, look, top, perPixel, decimals, mid } = scene;
    const step = Math.max(10 ** -decimals, niceStep(perPixel * 40 * plot.ratio));
    const bottom = top - plot.height * perPixel;
    const middle = mid === null ? -Infinity : (top - mid) / perPixel;
    pen(ctx, scene, look.muted);
    for (let n = Math.ceil(bottom / step); n * step < top; n += 1) {
      const y = (top - n * step) / perPixel;
      if (y < 7 * plot.ratio || y > plot.height - 5 * plot.ratio || Math.abs(y - middle) < 15 * plot.ratio) continue;
      ctx.fillText(format.price(n * step, decimals), plot.width + 7 * plot.ratio, y);
      line(ctx, plot.width, y, plot.width + 3 * plot.ratio, y, look.border, plot.ratio);
    }
    line(ctx, plot.width + 0.5, 0, plot.width + 0.5, plot.height, look.border, plot.ratio);
    if (middle > 0 && middle < plot.height) label(ctx, scene, middle, format.price(mid, decimals), look.text, look.panel);
  }

  /** A price on the axis, on a ground of its own. */
  function label(ctx, scene, y, words, ground, colour) {
    const { plot } = scene;
    const height = 16 * plot.ratio;
    ctx.fillStyle = ground;
    ctx.fillRect(plot.width + 1, Math.min(plot.height - height, Math.max(0, y - height / 2)), ctx.canvas.width - plot.width - 1, height);
    pen(ctx, scene, colour);
    ctx.fillText(words, plot.width + 7 * plot.ratio, Math.min(plot.height - height / 2, Math.max(height / 2, y)) + plot.ratio * 0.5);
  }

  /** Stretches in which the book was withheld: hatched, with the cause where there is room for it. */
  function holes(ctx, scene, stretches, hatch) {
    const { plot, look, left, span } = scene;
    const perMs = plot.width / span;
    for (const { from, to, cause } of stretches) {
      const x0 = Math.max(0, (from - left) * perMs);
      const x1 = Math.min(plot.width, (to - left) * perMs);
      if (x1 <= x0) continue;
      ctx.fillStyle = look.panel;
      ctx.fillRect(x0, 0, x1 - x0, plot.height);
      ctx.fillStyle = hatch;
      ctx.fillRect(x0, 0, x1 - x0, plot.height);
      if (x1 - x0 < 70 * plot.ratio) continue;
      ctx.save();
      ctx.beginPath();
      ctx.rect(x0, 0, x1 - x0, plot.height);
      ctx.clip();
      ctx.font = `600 ${11 * plot.ratio}px ${look.font}`;
      ctx.textAlign = "left";
      const width = ctx.measureText(cause).width + 12 * plot.ratio;
      ctx.fillStyle = look.panel;
      ctx.fillRect(x0 + 4 * plot.ratio, 6 * plot.ratio, width, 18 * plot.ratio);
      ctx.fillStyle = look.warn;
      ctx.textBaseline = "middle";
      ctx.fillText(cause, x0 + 10 * plot.ratio, 15.5 * plot.ratio);
      ctx.restore();
    }
  }

  /** Where the record begins, when that is in view: what is left of it was not seen, not empty. */
  function beginning(ctx, scene, from) {
    const { plot, look, left, span } = scene;
    const x = ((from - left) * plot.width) / span;
    if (x < 150 * plot.ratio || x > plot.width) return;
    pen(ctx, scene, look.muted, "right");
    ctx.fillText(`recorded from ${format.time(from)} on`, x - 10 * plot.ratio, plot.height / 2);
  }

  function crosshair(ctx, scene, { x, y, price }) {
    const { plot, look, decimals } = scene;
    ctx.save();
    ctx.setLineDash([3 * plot.ratio, 3 * plot.ratio]);
    line(ctx, x, 0, x, plot.height, look.muted, plot.ratio);
    line(ctx, 0, y, plot.width, y, look.muted, plot.ratio);
    ctx.restore();
    label(ctx, scene, y, format.price(price, decimals), look.raised, look.text);
  }

  return { times, prices, holes, beginning, crosshair, niceStep, widthOf };
})();
