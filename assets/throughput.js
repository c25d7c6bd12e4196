/* Ticks stored a second over the last ten minutes, as a line. Seconds without a report are gaps, never bridged. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.throughput = (() => {
  const q = () => window.quintet;
  const SPAN_MS = 600000;
  const GAP_MS = 3500;           // the pool reports each second: more than this between two points is a gap
  const AXIS_WIDTH = 46;
  const AXIS_HEIGHT = 18;
  const TOP = 8;
  let observer = null;
  let points = [];               // [Unix ms, ticks a second], oldest first
  let now = 0;                   // Unix ms of the right edge
  let frameId = 0;
  let pointer = null;

  const canvas = () => q().dom.byId("throughput-canvas");
  const isOpen = () => observer !== null && canvas() !== null;

  function mount() {
    pointer = null;
    observer = new ResizeObserver(run);
    observer.observe(q().dom.byId("throughput-body"));
    canvas().addEventListener("pointermove", (event) => { pointer = event.offsetX; run(); });
    canvas().addEventListener("pointerleave", () => { pointer = null; run(); });
  }

  function unmount() {
    if (observer) observer.disconnect();
    observer = null;
    cancelAnimationFrame(frameId);
    frameId = 0;
  }

  /** Draw `history`, whose right edge is at `nowMs` (Unix ms of the server). */
  function show(history, nowMs) {
    points = history.filter(([at, rate]) => at > nowMs - SPAN_MS && q().format.isNumber(rate));
    now = nowMs;
    q().dom.attribute(q().dom.byId("throughput-body"), "data-loading", null);
    run();
  }

  function run() {
    if (!frameId && isOpen()) frameId = requestAnimationFrame(paint);
  }

  function paint() {
    frameId = 0;
    if (!isOpen() || !now) return;
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const box = q().dom.byId("throughput-body").getBoundingClientRect();
    const size = [Math.max(1, Math.round(box.width * ratio)), Math.max(1, Math.round(box.height * ratio))];
    const element = canvas();
    if (element.width !== size[0] || element.height !== size[1]) [element.width, element.height] = size;
    const ctx = element.getContext("2d");
    ctx.clearRect(0, 0, ...size);
    const look = Object.fromEntries(["accent", "muted", "grid", "border", "text", "font"].map((name) => [name, q().appearance.token(name)]));
    const plot = { ratio, width: size[0] - AXIS_WIDTH * ratio, height: size[1] - AXIS_HEIGHT * ratio };
    const step = q().heatAxes.niceStep(Math.max(1, ...points.map(([, rate]) => rate)) / 3);
    const most = step * Math.max(1, Math.ceil((1.02 * Math.max(1, ...points.map(([, rate]) => rate))) / step));
    const top = TOP * ratio;
    const scene = {
      plot, look, left: now - SPAN_MS, span: SPAN_MS,
      x: (at) => ((at - now + SPAN_MS) / SPAN_MS) * plot.width, y: (rate) => plot.height - (rate / most) * (plot.height - top),
    };
    rates(ctx, scene, step, most);
    q().heatAxes.times(ctx, scene);
    line(ctx, scene);
    note(ctx, scene);
  }

  function rates(ctx, { plot, look, y }, step, most) {
    ctx.font = `${11 * plot.ratio}px ${look.font}`;
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    ctx.lineWidth = plot.ratio;
    for (let rate = step; rate <= most; rate += step) {
      ctx.strokeStyle = look.grid;
      ctx.beginPath();
      ctx.moveTo(0, y(rate));
      ctx.lineTo(plot.width, y(rate));
      ctx.stroke();
      ctx.fillStyle = look.muted;
      ctx.fillText(q().format.si(rate, step < 1 ? 1 : 0), plot.width + 6 * plot.ratio, y(rate));
    }
  }

  function line(ctx, { plot, look, x, y }) {
    const edge = new Path2D();
    const area = new Path2D();
    let last = null;
    for (const [at, rate] of points) {
      if (last === null || at - last > GAP_MS) {
        if (last !== null) area.lineTo(x(last), plot.height);
        area.moveTo(x(at), plot.height);
        edge.moveTo(x(at), y(rate));
      }
      edge.lineTo(x(at), y(rate));
      area.lineTo(x(at), y(rate));
      last = at;
    }
    if (last === null) return;
    area.lineTo(x(last), plot.height);
    ctx.fillStyle = look.accent;
    ctx.globalAlpha = 0.16;
    ctx.fill(area);
    ctx.globalAlpha = 1;
    ctx.strokeStyle = look.accent;
    ctx.lineWidth = 1.5 * plot.ratio;
    ctx.lineJoin = "round";
    ctx.stroke(edge);
  }

  /** What the pointer is at; without one the mean and the most. */
  function note(ctx, { plot, look, x }) {
    const { format, dom } = q();
    const tell = (words) => dom.text(dom.byId("throughput-note"), words);
    const written = (rate) => format.si(rate, rate < 100 ? 1 : 0);
    if (pointer === null || !points.length) {
      const total = points.reduce((sum, [, rate]) => sum + rate, 0);
      tell(points.length ? `mean ${written(total / points.length)} · most ${written(Math.max(...points.map(([, rate]) => rate)))} ticks/s` : "no report yet");
      return;
    }
    const at = now - SPAN_MS + ((pointer * plot.ratio) / plot.width) * SPAN_MS;
    const [time, rate] = points.reduce((best, point) => (Math.abs(point[0] - at) < Math.abs(best[0] - at) ? point : best));
    ctx.strokeStyle = look.muted;
    ctx.lineWidth = plot.ratio;
    ctx.beginPath();
    ctx.moveTo(x(time), 0);
    ctx.lineTo(x(time), plot.height);
    ctx.stroke();
    tell(`${format.time(time)}: ${written(rate)} ticks/s`);
  }

  return { mount, unmount, show, restyle: run };
})();
