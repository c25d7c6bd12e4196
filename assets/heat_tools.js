/* Buttons, wheel, drag and keys of the heat map. What is chosen is told to the page, which keeps it in its address. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.heatTools = (() => {
  const { byId, attribute } = window.quintet.dom;
  const STEP = 1.25;
  const PAN = 0.1;
  const SPANS = [2, 5, 10];
  let changed = () => {};
  let drag = null;               // the pointer's height when it was last seen, CSS pixels

  const map = () => window.quintet.heatmap;

  /** Span, range and centring as the address of the page has them. */
  function read(parameters) {
    const span = Number(parameters.get("span"));
    const bps = Number(parameters.get("range"));
    return { span: SPANS.includes(span) ? span : 10, bps: bps > 0 && bps < 1000 ? bps : 0, auto: parameters.get("centre") !== "off" };
  }

  /** The same, written; what is as usual is left out. */
  function write(parameters) {
    const { span, bps, auto } = map().view;
    const set = (name, value, isUsual) => (isUsual ? parameters.delete(name) : parameters.set(name, value));
    set("span", span, span === 10);
    set("range", String(Math.round(bps * 10) / 10), !bps);
    set("centre", "off", auto);
  }

  function shown() {
    const { span, auto } = map().view;
    for (const button of byId("heat").querySelectorAll('[data-heat="span"]')) {
      attribute(button, "aria-pressed", String(Number(button.dataset.value) === span));
    }
    attribute(byId("heat-centre"), "aria-pressed", String(auto));
    changed();
  }

  const actions = {
    in: () => map().zoom(1 / STEP),
    out: () => map().zoom(STEP),
    centre: () => map().setAuto(!map().view.auto),
    span: (button) => map().setSpan(Number(button.dataset.value)),
  };

  function clicked(event) {
    const button = event.target.closest("[data-heat]");
    if (!button) return;
    actions[button.dataset.heat](button);
    shown();
  }

  function wheeled(event) {
    if (event.ctrlKey || !event.deltaY) return;
    event.preventDefault();
    map().zoom(event.deltaY > 0 ? STEP : 1 / STEP);
    shown();
  }

  const KEYS = {
    "+": () => map().zoom(1 / STEP), "=": () => map().zoom(1 / STEP), "-": () => map().zoom(STEP),
    ArrowUp: () => map().pan(PAN), ArrowDown: () => map().pan(-PAN), Home: () => map().setAuto(true),
  };

  function pressed(event) {
    if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    KEYS[event.key]();
    shown();
  }

  function moved(event) {
    map().point({ x: event.offsetX, y: event.offsetY });
    if (drag === null) return;
    if (event.offsetY !== drag) map().pan((event.offsetY - drag) / event.currentTarget.clientHeight);
    drag = event.offsetY;
  }

  /* A finger that moves up or down scrolls the page; only a mouse or a pen drags prices. */
  function grabbed(event) {
    if (event.pointerType === "touch" || event.button !== 0) return;
    drag = event.offsetY;
    event.currentTarget.setPointerCapture(event.pointerId);
  }

  function released() {
    if (drag !== null) shown();
    drag = null;
  }

  function left() {
    released();
    map().point(null);
  }

  function mount(onChange) {
    changed = () => {};
    const canvas = byId("heat-canvas");
    byId("heat").addEventListener("click", clicked);
    canvas.addEventListener("wheel", wheeled, { passive: false });
    canvas.addEventListener("keydown", pressed);
    canvas.addEventListener("pointerdown", grabbed);
    canvas.addEventListener("pointermove", moved);
    canvas.addEventListener("pointerup", released);
    canvas.addEventListener("pointerleave", left);
    shown();
    changed = onChange;
  }

  return { mount, read, write };
})();
