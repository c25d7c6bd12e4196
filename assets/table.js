/* Tables whose rows are kept by key: a cell is written only when its text or its mark changed. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.table = (() => {
  const { text, attribute, make } = window.quintet.dom;

  /**
   * Show `rows` in a tbody. A row is { key, title?, level?, cells: [...], run? }; a cell is a text, or
   * { text, title?, level?, class? }, or { draw(td), class? } for what is drawn.
   */
  function fill(body, rows) {
    if (!body) return;
    const heads = [...body.parentElement.querySelectorAll("thead th")];
    if (!rows.length) {
      if (body.dataset.shown !== "empty") {
        body.dataset.shown = "empty";
        body.replaceChildren(make("tr", {}, make("td", { colspan: heads.length, class: "table-empty" }, body.dataset.empty || "")));
      }
      return;
    }
    if (body.dataset.shown !== "rows") {
      body.dataset.shown = "rows";
      body.replaceChildren();
    }
    const known = new Map([...body.children].map((tr) => [tr.dataset.key, tr]));
    rows.forEach((row, index) => {
      const key = String(row.key);
      const tr = known.get(key) || create(row, heads);
      known.delete(key);
      if (body.children[index] !== tr) body.insertBefore(tr, body.children[index] || null);
      write(tr, row);
    });
    for (const gone of known.values()) gone.remove();
  }

  function create(row, heads) {
    const cells = row.cells.map((cell, index) => {
      const classes = [heads[index] ? heads[index].className : "", cell && cell.class ? cell.class : ""].join(" ").trim();
      return make("td", { class: classes || null, "data-label": heads[index] ? heads[index].textContent : null });
    });
    const tr = make("tr", { "data-key": row.key }, ...cells);
    if (row.run) {
      tr.tabIndex = 0;
      tr.classList.add("clickable");
      tr.addEventListener("click", row.run);
      tr.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && event.target === tr) row.run();
      });
    }
    return tr;
  }

  function write(tr, row) {
    attribute(tr, "title", row.title);
    attribute(tr, "data-level", row.level);
    attribute(tr, "aria-selected", row.selected === undefined ? null : row.selected);
    row.cells.forEach((cell, index) => {
      const td = tr.children[index];
      if (cell && cell.draw) {
        cell.draw(td);
        return;
      }
      const plain = typeof cell === "object" && cell !== null ? cell : { text: cell };
      text(td, plain.text === undefined || plain.text === null ? "" : String(plain.text));
      attribute(td, "title", plain.title);
      attribute(td, "data-level", plain.level);
    });
  }

  /** Show [term, value, title?, level?] figures in a definition list. */
  function figures(list, items) {
    if (!list) return;
    attribute(list, "data-loading", null);
    const known = new Map([...list.children].map((item) => [item.dataset.key, item]));
    for (const [term, value, title, level] of items) {
      let item = known.get(term);
      if (!item) {
        item = make("div", { "data-key": term }, make("dt", {}, term), make("dd", { class: "num" }));
        list.append(item);
      }
      text(item.lastElementChild, value);
      attribute(item, "title", title);
      attribute(item.lastElementChild, "data-level", level);
    }
  }

  return { fill, figures };
})();
