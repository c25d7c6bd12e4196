/* The depth chart: size added up from the mid outwards. The top levels are exact; further out come the heat map's bins. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.depth = (() => {
  const q = () => window.quintet;
  const AXIS_WIDTH = 54;
  const AXIS_HEIGHT = 18;
  const SMALLEST_SHARE = 1e-6;
  let observer = null;
  let book = null;               // { mid, bids, asks ([price, sum]…), exact [bid, ask], known [low, high], decimals, sizeDecimals, unit }
  let frameId = 0;
  let pointer = null;

  const isOpen = () => observer !== null && q().dom.byId("depth-canvas") !== null;

  function mount() {
    book = pointer = null;
    observer = new ResizeObserver(run);
    observer.observe(q().dom.byId("depth-body"));
    const canvas = q().dom.byId("depth-canvas");
    canvas.addEventListener("pointermove", (event) => { pointer = event.offsetX; run(); });
    canvas.addEventListener("pointerleave", () => { pointer = null; run(); });
  }

  function unmount() {
    if (observer) observer.disconnect();
    observer = null;
    cancelAnimationFrame(frameId);
    frameId = 0;
  }

  /** Sums from the best price outwards: the exact levels, then the bins that lie wholly beyond them. `sign` 1: asks, −1: bids. */
  function sums(levels, heat, sign) {
    const points = [];
    let sum = 0;
    for (const [price, size] of levels) {
      sum += size;
      points.push([price, sum]);
    }
    if (!heat || !points.length) return points;
    const { model, column } = heat;
    const last = points[points.length - 1][0];
    const codes = sign > 0 ? column.asks : column.bids;
    const low = sign > 0 ? column.askLow : column.low;
    for (let n = 0; n < codes.length; n += 1) {
      const i = sign > 0 ? n : codes.length - 1 - n;
      const near = (low + i + (sign > 0 ? 0 : 1)) * model.bin;
      if ((near - last) * sign < 0) continue;
      sum += model.size(codes[i]);
      points.push([near + sign * model.bin * 0.5, sum]);
    }
    return points;
  }

  /** Draw this `cob` frame; null withholds the chart. `known`: [low, high] or null; `heat`: heatmap.newest(). */
  function show(frame, known, heat, instrument) {
    if (!frame || frame.mid === null || !frame.bids.length || !frame.asks.length) book = null;
    else {
      book = {
        mid: frame.mid, bids: sums(frame.bids, heat, -1), asks: sums(frame.asks, heat, 1), known,
        exact: [frame.bids[frame.bids.length - 1][0], frame.asks[frame.asks.length - 1][0]], ...instrument,
      };
    }
    run();
  }

  function run() {
    if (!frameId && isOpen()) frameId = requestAnimationFrame(paint);
  }

  function paint() {
    frameId = 0;
    if (!isOpen()) return;
    const canvas = q().dom.byId("depth-canvas");
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const box = q().dom.byId("depth-body").getBoundingClientRect();
    const size = [Math.max(1, Math.round(box.width * ratio)), Math.max(1, Math.round(box.height * ratio))];
    if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
    const ctx = canvas.getContext("2d");
    ctx.clearRect(0, 0, canvas.width, canvas.height);
    if (!book) {
      q().dom.text(q().dom.byId("depth-readout"), "");
      return;
    }
    const token = q().appearance.token;
    const look = Object.fromEntries(
      ["up", "down", "up-dim", "down-dim", "muted", "border", "text", "raised", "font", "grid"].map((name) => [name, token(name)]));
    const plot = { ratio, width: canvas.width - AXIS_WIDTH * ratio, height: canvas.height - AXIS_HEIGHT * ratio };
    draw(ctx, plot, look);
  }

  function draw(ctx, plot, look) {
    const { mid, bids, asks } = book;
    const reach = 1.06 * Math.max(mid - bids[bids.length - 1][0], asks[asks.length - 1][0] - mid, mid * SMALLEST_SHARE);
    const most = 1.08 * Math.max(bids[bids.length - 1][1], asks[asks.length - 1][1]);
    const scene = {
      plot, look, reach, most,
      x: (price) => ((price - mid + reach) / (2 * reach)) * plot.width,
      y: (sum) => plot.height * (1 - sum / most),
    };
    axes(ctx, scene);
    side(ctx, scene, bids, look.up, look["up-dim"]);
    side(ctx, scene, asks, look.down, look["down-dim"]);
    bounds(ctx, scene);
    middle(ctx, scene);
    if (pointer !== null) readout(ctx, scene);
    else q().dom.text(q().dom.byId("depth-readout"), "");
  }

  function write(ctx, { plot, look }, words, x, y, align, colour = look.muted) {
    ctx.font = `${11 * plot.ratio}px ${look.font}`;
    ctx.textAlign = align;
    ctx.textBaseline = "middle";
    ctx.fillStyle = colour;
    ctx.fillText(words, x, y);
  }

  function axes(ctx, scene) {
    const { plot, look, reach, most } = scene;
    const { format, heatAxes } = q();
    ctx.lineWidth = plot.ratio;
    ctx.strokeStyle = look.grid;
    const tall = heatAxes.niceStep(most / 4);
    for (let sum = tall; sum < most; sum += tall) {
      const y = scene.y(sum);
      ctx.beginPath();
      ctx.moveTo(0, y);
      ctx.lineTo(plot.width, y);
      ctx.stroke();
      if (y > 8 * plot.ratio) write(ctx, scene, format.si(sum, tall < 1 ? 2 : tall < 10 ? 1 : 0), plot.width + 6 * plot.ratio, y, "left");
    }
    const wide = Math.max(10 ** -book.decimals, heatAxes.niceStep((2 * reach) / Math.max(2, plot.width / (110 * plot.ratio))));
    for (let n = Math.ceil((book.mid - reach) / wide); n * wide < book.mid + reach; n += 1) {
      const x = scene.x(n * wide);
      if (x > 30 * plot.ratio && x < plot.width - 24 * plot.ratio) {
        write(ctx, scene, format.price(n * wide, book.decimals), x, plot.height + 10 * plot.ratio, "center");
      }
    }
    ctx.strokeStyle = look.border;
    ctx.strokeRect(-1, -1, plot.width + 1, plot.height + 1.5);
  }

  function side(ctx, scene, points, stroke, fill) {
    const { plot } = scene;
    const area = new Path2D();
    const edge = new Path2D();
    area.moveTo(scene.x(points[0][0]), plot.height);
    let y = plot.height;
    edge.moveTo(scene.x(points[0][0]), y);
    for (const [price, sum] of points) {
      const x = scene.x(price);
      for (const path of [area, edge]) {
        path.lineTo(x, y);
        path.lineTo(x, scene.y(sum));
      }
      y = scene.y(sum);
    }
    area.lineTo(scene.x(points[points.length - 1][0]), plot.height);
    ctx.fillStyle = fill;
    ctx.fill(area);
    ctx.strokeStyle = stroke;
    ctx.lineWidth = 1.5 * plot.ratio;
    ctx.stroke(edge);
  }

  /* Beyond what the venue told us, and beyond the last bin, sizes are not known: say so, and draw nothing. */
  function bounds(ctx, scene) {
    const { plot, look } = scene;
    const [low, high] = book.known || [-Infinity, Infinity];
    const last = (points) => points[points.length - 1][0];
    const edges = [Math.min(book.mid, Math.max(low, last(book.bids))), Math.max(book.mid, Math.min(high, last(book.asks)))];
    const room = 96 * plot.ratio;
    ctx.save();
    ctx.setLineDash([3 * plot.ratio, 3 * plot.ratio]);
    ctx.strokeStyle = look.muted;
    ctx.lineWidth = plot.ratio;
    edges.forEach((price, index) => {
      const x = scene.x(price);
      ctx.globalAlpha = 0.6;
      ctx.fillStyle = look.raised;
      if (index) ctx.fillRect(x, 0, plot.width - x, plot.height);
      else ctx.fillRect(0, 0, x, plot.height);
      ctx.globalAlpha = 1;
      ctx.beginPath();
      ctx.moveTo(x, 0);
      ctx.lineTo(x, plot.height);
      ctx.stroke();
      const middle = scene.x(book.mid);
      const outside = index ? plot.width - x : x;
      const gap = 6 * plot.ratio;
      if (outside > room) write(ctx, scene, "unknown beyond", index ? x + gap : x - gap, 10 * plot.ratio, index ? "left" : "right");
      else if (Math.abs(x - middle) > room) write(ctx, scene, "unknown beyond", index ? x - gap : x + gap, 10 * plot.ratio, index ? "right" : "left");
    });
    ctx.restore();
  }

  function middle(ctx, scene) {
    const { plot, look } = scene;
    const x = Math.round(scene.x(book.mid)) + 0.5;
    ctx.strokeStyle = look.border;
    ctx.lineWidth = plot.ratio;
    ctx.beginPath();
    ctx.moveTo(x, 0);
    ctx.lineTo(x, plot.height);
    ctx.stroke();
  }

  function readout(ctx, scene) {
    const { plot, look, reach } = scene;
    const { format, dom } = q();
    const x = pointer * plot.ratio;
    const price = book.mid - reach + (x / plot.width) * 2 * reach;
    const sign = price < book.mid ? -1 : 1;
    const points = sign < 0 ? book.bids : book.asks;
    let sum = 0;
    for (const [at, total] of points) if ((at - price) * sign <= 0) sum = total;
    const isKnown = (price - points[points.length - 1][0]) * sign <= 0;
    const isExact = (price - book.exact[sign < 0 ? 0 : 1]) * sign <= 0;
    ctx.strokeStyle = look.muted;
    ctx.beginPath();
    ctx.moveTo(x, 0);
    ctx.lineTo(x, plot.height);
    ctx.stroke();
    const bps = format.fixed(((price - book.mid) / book.mid) * 1e4, 1);
    dom.text(dom.byId("depth-readout"), `${format.price(price, book.decimals)} (${bps} bp): `
      + (isKnown ? `${isExact ? "" : "about "}${format.size(sum, Math.min(3, book.sizeDecimals))} ${book.unit}` : "not known"));
  }

  return { mount, unmount, show, restyle: run };
})();
