/* A venue's states as a chain with its branches; the present one is lit, those of the last changes are marked. SVG. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.stateMachine = (() => {
  const { text, attribute, make } = window.quintet.dom;
  const NS = "http://www.w3.org/2000/svg";
  const HEIGHT = 22;
  /* state -> [x, y, width]: the chain above, what breaks it below the state it leads back to, what is out of service apart */
  const NODES = {
    CONNECTING: [1, 4, 96], SYNCING: [121, 4, 74], LIVE: [219, 4, 58],
    RECONNECTING: [1, 46, 104], BANNED: [125, 46, 66], STALE: [219, 46, 58],
    "NOT CONFIGURED": [299, 4, 110], STOPPED: [299, 46, 110],
  };
  const EDGES = ["M98 15H118", "M196 15H216", "M48 45V29", "M158 45V29", "M158 27V43", "M248 27V43", "M248 45V29"];

  function shape(tag, attributes, ...children) {
    const element = document.createElementNS(NS, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  function node([state, [x, y, width]]) {
    return shape("g", { class: "machine-node", "data-node": state },
      shape("title", {}),
      shape("rect", { x, y, width, height: HEIGHT, rx: 5 }),
      shape("text", { x: x + width / 2, y: y + 15, "text-anchor": "middle" }, state));
  }

  /* Markers are drawn as small paths: a marker's id would have to be unique on the page. */
  function arrow(path) {
    const [, x1, y1, way, end] = path.match(/M(\d+) (\d+)([HV])(\d+)/);
    const tip = way === "H" ? `M${end - 4} ${y1 - 3}L${end} ${y1}L${end - 4} ${Number(y1) + 3}`
      : `M${x1 - 3} ${Number(end) + (end > y1 ? -4 : 4)}L${x1} ${end}L${Number(x1) + 3} ${Number(end) + (end > y1 ? -4 : 4)}`;
    return shape("path", { class: "machine-edge", d: path + tip });
  }

  function build(box) {
    const svg = shape("svg", { viewBox: "0 0 410 72", role: "img" },
      ...EDGES.map(arrow), shape("path", { class: "machine-divider", d: "M288 4V68" }), ...Object.entries(NODES).map(node));
    box.replaceChildren(svg, make("span", { class: "sr-only" }));
    return svg;
  }

  /** Light `state` in `box`; `transitions` are the last changes, newest first. */
  function draw(box, state, transitions) {
    const svg = box.querySelector("svg") || build(box);
    attribute(svg, "aria-label", `State machine: ${state}`);
    for (const group of svg.querySelectorAll(".machine-node")) {
      const name = group.dataset.node;
      const visits = transitions.filter((t) => t.state === name);
      attribute(group, "data-lit", name === state ? "true" : null);
      attribute(group, "data-visited", visits.length ? "true" : null);
      const last = visits.length ? `, last at ${window.quintet.format.stamp(visits[0].at_ms)}` : "";
      text(group.firstElementChild, `${name}: ${visits.length} of the last ${transitions.length} changes${last}`);
    }
  }

  return { draw };
})();
