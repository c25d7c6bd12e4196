/* Plotly figures that Dash draws empty in the theme's colours: the numbers are put into their traces here. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.plots = (() => {
  /** the data of a drawn figure -> what was put into it; Dash gives a figure new data when the theme changes */
  const filled = new WeakMap();

  /**
   * Put `update` into `traces` of the figure, and `layout` beside it; nothing happens where they are there already, or Plotly is not yet.
   * Returns whether the figure has them now.
   */
  function fill(id, update, traces, layout = {}) {
    const graph = document.querySelector(`#${CSS.escape(id)} .js-plotly-plot`);
    if (!graph || !window.Plotly || !graph.data || graph.data.length < traces.length) return false;
    const mark = JSON.stringify([update, layout]);
    if (filled.get(graph.data) !== mark) {
      filled.set(graph.data, mark);
      window.Plotly.update(graph, update, layout, traces);
      filled.set(graph.data, mark);
    }
    return true;
  }

  return { fill };
})();
