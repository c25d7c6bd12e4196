/* Writing into the page: only what changed, and no layout read in between. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.dom = (() => {
  const byId = (id) => document.getElementById(id);

  /** Set an element's text if it differs. */
  function text(element, value) {
    if (element && element.textContent !== value) element.textContent = value;
  }

  /** Set an attribute if it differs; null removes it. */
  function attribute(element, name, value) {
    if (!element) return;
    if (value === null || value === undefined) {
      if (element.hasAttribute(name)) element.removeAttribute(name);
    } else if (element.getAttribute(name) !== String(value)) {
      element.setAttribute(name, String(value));
    }
  }

  function toggle(element, name, on) {
    if (element && element.classList.contains(name) !== on) element.classList.toggle(name, on);
  }

  function hide(element, hidden) {
    if (element && element.hidden !== hidden) element.hidden = hidden;
  }

  /** A new element: `make("td", { class: "num", title: "…" }, "text" or elements…)`. */
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }

  /** Show for 150 ms which way a value went (the only motion there is). */
  const flashing = new WeakMap();
  function flash(element, direction) {
    if (!element || !direction) return;
    clearTimeout(flashing.get(element));
    attribute(element, "data-flash", direction > 0 ? "up" : "down");
    flashing.set(element, setTimeout(() => element.removeAttribute("data-flash"), 150));
  }

  /** A short message for an event; goes by itself. `level` is ok, warn or bad. */
  function toast(message, level = "ok") {
    const box = byId("toasts");
    if (!box) return;
    const item = make("div", { class: "toast", "data-level": level }, message);
    box.append(item);
    while (box.children.length > 4) box.firstElementChild.remove();
    setTimeout(() => item.remove(), 6000);
  }

  return { byId, text, attribute, toggle, hide, make, flash, toast };
})();
