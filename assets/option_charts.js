/* The smile and the Greeks of an expiry, as web/figures/options.py lays them out. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.optionCharts = (() => {
  const q = () => window.quintet;
  const SIDES = ["call", "put"];
  /* the Greeks in the order of the panes, each in the unit of the page: volatility points, days, percent of rate */
  const UNITS = { delta: 1, gamma: 1, vega: 1 / 100, theta: 1 / 365, rho: 1 / 100, vanna: 1 / 100 };
  const PANES = Object.keys(UNITS);

  /** A Greek of a row in the page's unit; null where there is none. */
  const greek = (row, name) => (row && q().format.isNumber(row[name]) ? row[name] * UNITS[name] : null);

  function line(price, panes) {
    const isKnown = price !== null;
    return Object.fromEntries(Array.from({ length: panes }, (_, n) => [
      [`shapes[${n}].x0`, isKnown ? price : 0], [`shapes[${n}].x1`, isKnown ? price : 0], [`shapes[${n}].visible`, isKnown],
    ]).flat());
  }

  /** Draw `pairs` ([{ strike, call, put }] by rising strike) with a line at `price`, or null. */
  function show(pairs, price) {
    const { plots, optionChecks } = q();
    const strikes = pairs.map((pair) => pair.strike);
    const volatility = (row) => (row && optionChecks.hasVolatility(row) ? row.volatility * 100 : null);
    plots.fill("option-smile", { x: SIDES.map(() => strikes), y: SIDES.map((side) => pairs.map((pair) => volatility(pair[side]))) }, [0, 1], line(price, 1));
    const curves = PANES.flatMap((name) => SIDES.map((side) => pairs.map((pair) => greek(pair[side], name))));
    plots.fill("option-greeks", { x: curves.map(() => strikes), y: curves }, curves.map((_, n) => n), line(price, PANES.length));
  }

  return { show, greek, UNITS };
})();
