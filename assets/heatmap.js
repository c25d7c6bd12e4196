/* The liquidity heat map: which part of the pictures is shown, and what is drawn over it, once an animation frame while seen. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.heatmap = (() => {
  const { byId, text, attribute } = window.quintet.dom;
  const format = window.quintet.format;
  const AXIS_HEIGHT = 18;
  const DELAY_MS = 900;          // a column is a period old when it is made, and then has to get here: nothing appears late
  const WIDEST_BPS = 60;
  const FEWEST_BINS = 24;        // on each side of the centre, where the range chooses itself
  const MARGIN = 1.35;           // of the widest move of the best prices, likewise
  const STRAY = 0.25;            // of half the range, before the centre follows
  const RESCALE_MS = 10000;
  const HURRIED_MS = 1500;       // when the best prices have left what is shown
  const OUTDATED_MS = 4000;      // a column older than this tells no price of now
  const prefersStill = window.matchMedia("(prefers-reduced-motion: reduce)");

  let model = null;
  let pictures = null;           // { sizes, marks, place (what they show), stale }
  let instrument = null;
  let canvas = null;
  let ctx = null;
  let observers = [];
  let frameId = 0;
  let paintedAt = 0;
  let painted = 0;
  let isSeen = true;
  let axisWidth = 60;            // CSS pixels: as wide as the prices of the symbol
  let plot = { width: 40, height: 40, ratio: 1 };
  /** span (minutes), bps (half the range of prices; 0: it chooses itself), auto (follow the mid), centre (price) */
  const view = { span: 10, bps: 0, auto: true, centre: NaN };
  let range = 10;                // half the range in force, bp
  let isGliding = false;
  let offsets = [];              // server's clock less ours, of the last frames
  let holes = [];
  let prices = null;
  let scale = { low: 1, high: 2 };
  let scaledAt = 0;
  let look = {};
  let hatch = null;
  let pointer = null;            // device pixels

  const isOpen = () => canvas !== null && canvas.isConnected;

  // ---- the page comes and goes

  function mount(options) {
    canvas = byId("heat-canvas");
    ctx = canvas.getContext("2d", { alpha: false });
    model = window.quintet.heatModel.create();
    const { sizes, marks } = window.quintet.heatLayers;
    pictures = { sizes: sizes(), marks: marks(), place: null, stale: true };
    Object.assign(view, options, { centre: NaN });
    pointer = null;
    const resize = new ResizeObserver(measure);
    resize.observe(byId("heat-body"));
    const seen = new IntersectionObserver((entries) => {
      isSeen = entries[entries.length - 1].isIntersecting;
      run();
    });
    seen.observe(canvas);
    observers = [resize, seen];
    restyle();
    measure();
  }

  function unmount() {
    for (const observer of observers) observer.disconnect();
    cancelAnimationFrame(frameId);
    frameId = 0;
    canvas = ctx = model = pictures = null;
  }

  /** Show another symbol: { symbol, unit, decimals, sizeDecimals }. */
  function show(chosen) {
    instrument = chosen;
    model.clear();
    pictures.place = null;
    prices = null;
    offsets = [];
    holes = [];
    view.centre = NaN;
    attribute(byId("heat-body"), "data-loading", "true");
    for (const id of ["heat-readout", "heat-low", "heat-high"]) text(byId(id), "");
    run();
  }

  function measure() {
    if (!isOpen()) return;
    const box = byId("heat-body").getBoundingClientRect();
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    canvas.width = Math.max(1, Math.round(box.width * ratio));
    canvas.height = Math.max(1, Math.round(box.height * ratio));
    plot = {
      ratio, width: Math.max(40, canvas.width - Math.round(axisWidth * ratio)),
      height: Math.max(40, canvas.height - Math.round(AXIS_HEIGHT * ratio)),
    };
    pictures.stale = true;
    run();
  }

  function restyle() {
    if (!isOpen()) return;
    const { appearance, heatColours } = window.quintet;
    const names = ["bg", "panel", "raised", "border", "text", "muted", "up", "down", "warn", "font"];
    look = Object.fromEntries(names.map((name) => [name, appearance.token(name)]));
    look.ramp = heatColours.ramp(appearance.scheme());
    look.unknown = heatColours.pixelOf(look.raised);
    hatch = makeHatch(look.warn);
    drawLegend();
    pictures.stale = true;
  }

  function makeHatch(colour) {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const pen = tile.getContext("2d");
    pen.strokeStyle = colour;
    pen.globalAlpha = 0.5;
    pen.beginPath();
    for (const shift of [-8, 0, 8]) {
      pen.moveTo(shift, 8);
      pen.lineTo(shift + 8, 0);
    }
    pen.stroke();
    return ctx.createPattern(tile, "repeat");
  }

  function drawLegend() {
    const bar = byId("heat-legend");
    bar.width = look.ramp.length;
    bar.height = 1;
    const pen = bar.getContext("2d");
    const image = pen.createImageData(bar.width, 1);
    new Uint32Array(image.data.buffer).set(look.ramp);
    pen.putImageData(image, 0, 0);
  }

  // ---- frames of the feed

  function onHeat(frame, name) {
    if (!isOpen() || !instrument || name !== instrument.symbol) return;
    /* the largest difference is that of the frame which was least delayed */
    offsets.push(frame.sent_ms - frame.heardAt);
    if (offsets.length > 40) offsets.shift();
    let before = model.newest;
    const added = model.apply(frame);
    attribute(byId("heat-body"), "data-loading", null);
    if (added === null) pictures.stale = true;
    if (!pictures.stale && pictures.place) {
      for (const column of added) {
        pictures.sizes.add(model, column, before);
        pictures.marks.add(model, column);
        before = column.slot;
      }
    }
    holes = model.holes();
    prices = model.prices();
    if (prices) adapt(added === null);
    run();
  }

  /* Colours and range follow the market, but seldom: whoever looks should not have to learn them anew. */
  function adapt(isNew) {
    const now = performance.now();
    const mid = (prices.bid + prices.ask) / 2;
    const wanted = Math.max((FEWEST_BINS * model.bin) / mid, (MARGIN * Math.max(prices.high - mid, mid - prices.low)) / mid) * 1e4;
    if (!isNew && now - scaledAt < (wanted > MARGIN * range && !view.bps ? HURRIED_MS : RESCALE_MS)) return;
    scaledAt = now;
    const next = model.scale();
    if (isNew || Math.abs(next.low - scale.low) > 4 || Math.abs(next.high - scale.high) > 4) {
      scale = next;
      pictures.stale = true;
    }
    const wide = window.quintet.heatAxes.widthOf(ctx, { plot, look }, format.price(mid, instrument.decimals)) + 13;
    if (Math.abs(wide - axisWidth) > 3) {
      axisWidth = wide;
      measure();
    }
    if (isNew || wanted > range || wanted < 0.6 * range) chooseRange(view.bps || wanted);
    text(byId("heat-low"), format.size(model.size(scale.low), Math.min(2, instrument.sizeDecimals)));
    text(byId("heat-high"), `${format.size(model.size(scale.high), Math.min(2, instrument.sizeDecimals))} ${instrument.unit}`);
  }

  function chooseRange(bps) {
    range = Math.min(WIDEST_BPS, Math.max((6 * model.bin * 1e4) / ((prices.bid + prices.ask) / 2), bps));
  }

  // ---- what is shown

  const serverNow = () => performance.now() + Math.max(...offsets);
  const perPixel = () => (2 * view.centre * range) / 1e4 / plot.height;
  const topPrice = () => view.centre * (1 + range / 1e4);
  const rightEdge = () => (prefersStill.matches ? (model.newest + 1) * model.period : serverNow() - DELAY_MS);

  /* Follow the mid: glide there once it has left the middle, or jump where motion is not wanted. */
  function follow(elapsed) {
    const mid = (prices.bid + prices.ask) / 2;
    if (!Number.isFinite(view.centre)) view.centre = mid;
    const away = mid - view.centre;
    if (view.auto && Math.abs(away) > STRAY * ((mid * range) / 1e4)) isGliding = true;
    if (!view.auto || Math.abs(away) < 2 * perPixel()) isGliding = false;
    if (isGliding) view.centre = prefersStill.matches ? mid : view.centre + away * Math.min(1, elapsed / 300);
  }

  /* The pictures are twice as high as the plot: which row of them is on top. Painted anew only when that does not do. */
  function settle() {
    const { place } = pictures;
    /* a glide changes the price of a pixel by nothing that one could see: it is kept as long as the range is */
    const fits = place !== null && place.range === range && place.height === 2 * plot.height && !pictures.stale;
    const row = fits ? Math.round((place.top - topPrice()) / place.perPixel) : -1;
    if (row >= 0 && row <= plot.height) return row;
    const step = perPixel();
    pictures.place = { range, perPixel: step, height: 2 * plot.height, top: topPrice() + (plot.height / 2) * step };
    pictures.sizes.rebuild(model, pictures.place, { ramp: look.ramp, unknown: look.unknown, low: scale.low, high: scale.high });
    pictures.marks.rebuild(model, pictures.place, {
      perMs: plot.width / (view.span * 60000), ratio: plot.ratio, width: plot.width, largest: model.largestTrade(),
      colours: { bid: look.up, ask: look.down, up: look.up, down: look.down, edge: look.bg },
    });
    pictures.stale = false;
    return Math.round((pictures.place.top - topPrice()) / step);
  }

  function paint(now) {
    frameId = 0;
    if (!isOpen() || !isSeen) return;
    const elapsed = Math.min(200, now - paintedAt);
    paintedAt = now;
    ctx.fillStyle = look.panel;
    ctx.fillRect(0, 0, canvas.width, canvas.height);
    ctx.fillStyle = look.bg;
    ctx.fillRect(0, 0, plot.width, plot.height);
    if (model.newest >= 0) draw(elapsed);
    painted += 1;
    run();
  }

  function draw(elapsed) {
    const axes = window.quintet.heatAxes;
    const right = rightEdge();
    const span = view.span * 60000;
    const scene = { plot, look, left: right - span, span, decimals: instrument.decimals };
    if (prices) {
      follow(elapsed);
      const row = settle();
      const { place } = pictures;
      const isNow = newest() !== null && right + DELAY_MS - (model.newest + 1) * model.period < OUTDATED_MS;
      const mid = isNow ? (prices.bid + prices.ask) / 2 : null;
      Object.assign(scene, { perPixel: place.perPixel, top: place.top - row * place.perPixel, mid });
      drawPictures(scene, right, row);
      axes.prices(ctx, scene);
    }
    axes.holes(ctx, scene, holes, hatch);
    axes.beginning(ctx, scene, model.oldest * model.period);
    axes.times(ctx, scene);
    if (pointer && prices) drawPointer(scene);
  }

  function drawPictures(scene, right, row) {
    const { left, span } = scene;
    /* beyond the newest column nothing is known, and the rings hold older ones there */
    const known = Math.min(plot.width, (((model.newest + 1) * model.period - left) * plot.width) / span);
    if (known <= 0) return;
    ctx.save();
    ctx.beginPath();
    ctx.rect(0, 0, Math.min(plot.width, known + 9 * plot.ratio), plot.height);
    ctx.clip();
    const to = Math.min(right / model.period, model.newest + 1);
    pictures.sizes.blit(ctx, left / model.period, to, { width: known, height: plot.height }, row);
    pictures.marks.blit(ctx, left, { width: plot.width, height: plot.height }, row);
    ctx.restore();
  }

  function drawPointer(scene) {
    const price = scene.top - pointer.y * scene.perPixel;
    const at = scene.left + (pointer.x * scene.span) / plot.width;
    window.quintet.heatAxes.crosshair(ctx, scene, { x: pointer.x, y: pointer.y, price });
    text(byId("heat-readout"), `${format.time(at)}  ${format.price(price, instrument.decimals)}  ${reading(model.at(at), price)}`);
  }

  function reading(column, price) {
    if (!column) return "not recorded";
    if (column.hole !== null) return "withheld: " + column.hole;
    const code = model.codeAt(column, price);
    const trade = column.trades.find((t) => Math.floor(t[0] / model.bin) === Math.floor(price / model.bin));
    const words = trade ? `  ${trade[2] ? "sold" : "bought"} ${format.size(trade[1], instrument.sizeDecimals)}` : "";
    return (code === null ? "not known" : `about ${format.size(model.size(code), Math.min(3, instrument.sizeDecimals))} ${instrument.unit}`) + words;
  }

  function run() {
    if (!frameId && isOpen() && isSeen) frameId = requestAnimationFrame(paint);
  }

  // ---- what tools do

  /** Show more (factor above 1) or fewer prices; returns half the range in bp. */
  function zoom(factor) {
    if (!prices) return view.bps;
    chooseRange(range * factor);
    view.bps = range;
    return range;
  }

  /** Move up by a share of the view; ends auto-centring. */
  function pan(share) {
    if (!Number.isFinite(view.centre)) return;
    view.auto = false;
    view.centre += share * 2 * ((view.centre * range) / 1e4);
  }

  /** Follow the mid, or not; following starts at once. */
  function setAuto(on) {
    view.auto = on;
    isGliding = on;
  }

  function setSpan(minutes) {
    view.span = minutes;
    if (pictures) pictures.stale = true;
  }

  /** Where the pointer is over the plot, CSS pixels; null when it is not. */
  function point(position) {
    pointer = position && position.x * plot.ratio < plot.width && position.y * plot.ratio < plot.height
      ? { x: Math.max(0, position.x * plot.ratio), y: Math.max(0, position.y * plot.ratio) } : null;
    if (!pointer) text(byId("heat-readout"), "");
  }

  /** The newest column with a book, for the depth chart: { model, column }, or null. */
  function newest() {
    const column = model && model.newest >= 0 ? model.bySlot(model.newest) : null;
    return column && column.hole === null ? { model, column } : null;
  }

  return {
    mount, unmount, show, restyle, zoom, pan, setAuto, setSpan, point, newest, view,
    /** for measuring: pictures painted, and columns held */
    counts: () => ({ painted, columns: model && model.newest >= 0 ? model.newest - model.oldest + 1 : 0 }),
    start: () => window.quintet.feed.on("heat", onHeat),
  };
})();
