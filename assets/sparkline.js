/* Small drawings inside tables: a line of the last minutes, bars of a histogram. SVG in the text's colours. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.sparkline = (() => {
  const NS = "http://www.w3.org/2000/svg";
  const WIDTH = 120;
  const HEIGHT = 18;

  function canvas(cell, kind) {
    let svg = cell.firstElementChild;
    if (!svg || svg.tagName !== "svg") {
      svg = document.createElementNS(NS, "svg");
      svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
      svg.setAttribute("class", kind);
      svg.setAttribute("role", "img");
      svg.append(document.createElementNS(NS, "path"));
      cell.replaceChildren(svg);
    }
    return svg;
  }

  function draw(cell, kind, path, label) {
    const svg = canvas(cell, kind);
    if (svg.dataset.path === path) return;
    svg.dataset.path = path;
    svg.firstElementChild.setAttribute("d", path);
    svg.setAttribute("aria-label", label);
  }

  /** A line through `values`, oldest first; nulls are left out. */
  function line(cell, values, label) {
    const points = values.filter((v) => v !== null);
    if (points.length < 2) {
      draw(cell, "spark", "", label);
      return;
    }
    const low = Math.min(...points);
    const spread = Math.max(...points) - low;
    const step = WIDTH / (values.length - 1);
    let pen = "M";
    const path = values.map((v, i) => {
      if (v === null) {
        pen = "M";
        return "";
      }
      const y = spread ? HEIGHT - 2 - ((v - low) / spread) * (HEIGHT - 4) : HEIGHT / 2;
      const piece = `${pen}${(i * step).toFixed(1)} ${y.toFixed(1)}`;
      pen = "L";
      return piece;
    }).join("");
    draw(cell, "spark", path, label);
  }

  /** A bar for each count; heights by square root, so that rare slow ones are seen beside many fast ones. */
  function bars(cell, counts, label) {
    const top = Math.sqrt(Math.max(1, ...counts));
    const step = WIDTH / Math.max(1, counts.length);
    const path = counts.map((count, i) => {
      if (!count) return "";
      const height = Math.max(1, (Math.sqrt(count) / top) * (HEIGHT - 1));
      return `M${(i * step).toFixed(1)} ${HEIGHT}v${(-height).toFixed(1)}h${(step - 1.5).toFixed(1)}v${height.toFixed(1)}z`;
    }).join("");
    draw(cell, "bars", path, label);
  }

  return { line, bars };
})();
