/* The chain of an expiry as a table: calls, strike, puts. Each option carries the age of its tick. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.optionChain = (() => {
  const q = () => window.quintet;
  const byId = (id) => document.getElementById(id);
  const OLD_MS = 60000;          // a tick older than this is not of now
  const NEAR = 10;               // strikes shown on either side of the money
  /* the columns of either side, left to right */
  const CALLS = ["age", "rho", "theta", "vega", "gamma", "delta", "bid", "ask", "price", "volatility"];
  const PUTS = ["volatility", "price", "bid", "ask", "delta", "gamma", "vega", "theta", "rho", "age"];
  const GREEKS = ["delta", "gamma", "vega", "theta", "rho"];
  /* state of a volatility -> [short, what it means]; the states of core.workers.options.implied_volatility */
  const STATES = {
    FOUND: ["", "implied by the price"],
    GIVEN: ["", "given with the tick, not implied from its price"],
    ZERO: ["zero", "the price is the intrinsic value: any volatility near 0 gives it"],
    BELOW_INTRINSIC: ["< intrinsic", "the price is less than the discounted intrinsic value: it is old, or an arbitrage"],
    ABOVE_BOUND: ["> bound", "the price is not below the underlying (a put: the strike): no volatility is large enough"],
    EXPIRED: ["expired", "no time is left"],
    INVALID: ["invalid", "price, underlying or time makes no sense"],
    NO_UNDERLYING_PRICE: ["no underlying", "the tick brought no underlying_price"],
    NO_TERMS: ["no terms", "the symbol tells no day of expiry, strike or right"],
  };

  const stateOf = (row) => STATES[row.volatility_state] || [String(row.volatility_state || "unknown").toLowerCase(), "a state that this page does not know"];

  /** So many decimals that the largest of `values` has `digits` significant ones. */
  function decimalsFor(values, digits = 3) {
    const most = Math.max(0, ...values.filter((v) => q().format.isNumber(v)).map(Math.abs));
    return most > 0 ? Math.min(8, Math.max(0, digits - 1 - Math.floor(Math.log10(most)))) : 0;
  }

  const inOrder = (names, cells) => names.map((name) => cells[name] ?? "");

  /** Gammas below a thousandth are told in thousandths, millionths…: 0.0000110 as 11.0 × 10⁻⁶. */
  function scaleOf(values) {
    const most = Math.max(0, ...values.filter((v) => q().format.isNumber(v)).map(Math.abs));
    return most > 0 && most < 1e-3 ? 10 ** (3 * Math.floor(Math.log10(most) / 3)) : 1;
  }

  const power = (scale) => `⁻${[...String(Math.round(-Math.log10(scale)))].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("")}`;

  /** The decimals that prices come with, six at most. */
  function priceDecimals(rows) {
    const texts = rows.flatMap((row) => [row.price, row.bid, row.ask]).filter((v) => q().format.isNumber(v)).map((v) => String(Number(v.toFixed(6))));
    return Math.max(0, ...texts.map((text) => (text.split(".")[1] || "").length));
  }

  function volatilityCell(row) {
    const [short, meaning] = stateOf(row);
    const level = { ZERO: "warn", BELOW_INTRINSIC: "bad", ABOVE_BOUND: "bad", EXPIRED: "stale", INVALID: "bad", NO_UNDERLYING_PRICE: "bad", NO_TERMS: "bad" }[row.volatility_state];
    const text = short || q().format.fixed(row.volatility * 100, 2);
    return { text, title: `${row.symbol}: ${meaning}`, level };
  }

  function side(row, decimals, passed) {
    const { format, optionCharts } = q();
    if (!row) return {};
    const age = row.age_ms + passed;
    const old = age > OLD_MS ? "stale" : null;
    const cell = (text, title) => ({ text, title, level: old });
    const greek = (name) => {
      const value = optionCharts.greek(row, name);
      return cell(value === null ? format.NONE : format.fixed(name === "gamma" ? value / decimals.scale : value, decimals[name]));
    };
    const volatility = volatilityCell(row);
    return Object.fromEntries([
      ["age", { ...cell(format.age(age), `${row.symbol}: tick of ${format.stamp(row.ts_ms)} · ${format.utc(row.ts_ms)}`), class: "chain-age" }],
      ...GREEKS.map((name) => [name, greek(name)]), ...["bid", "ask"].map((name) => [name, cell(format.fixed(row[name], decimals.price))]),
      ["price", cell(format.fixed(row.price, decimals.price), row.symbol)], ["volatility", { ...volatility, level: volatility.level || old }],
    ]);
  }

  /** The pairs within `NEAR` strikes of the money, or all. */
  function near(pairs, price, isAll) {
    if (isAll || price === null || pairs.length <= 2 * NEAR + 1) return pairs;
    const middle = pairs.reduce((best, pair, index) => (Math.abs(pair.strike - price) < Math.abs(pairs[best].strike - price) ? index : best), 0);
    const first = Math.max(0, Math.min(middle - NEAR, pairs.length - 2 * NEAR - 1));
    return pairs.slice(first, first + 2 * NEAR + 1);
  }

  /* Where the table is wider than the page, it opens on the strikes, with a side to either hand. */
  function centre(box) {
    const strike = box.querySelector("tbody .strike");
    if (!strike || box.dataset.centred || box.scrollWidth <= box.clientWidth) return;
    box.dataset.centred = "true";
    box.scrollLeft = (box.scrollWidth - box.clientWidth) / 2;
  }

  /** Show `pairs` ([{ strike, call, put }]); `passed`: ms since they were answered. */
  function show(pairs, price, isAll, passed) {
    const { format, table, dom, optionCharts } = q();
    const shown = near(pairs, price, isAll);
    const rows = shown.flatMap(({ call, put }) => [call, put]).filter(Boolean);
    const decimals = { price: priceDecimals(rows), scale: 1 };
    for (const name of GREEKS) {
      const values = rows.map((row) => optionCharts.greek(row, name));
      if (name === "gamma") decimals.scale = scaleOf(values);
      decimals[name] = decimalsFor(name === "gamma" ? values.map((value) => value / decimals.scale) : values);
    }
    for (const unit of document.querySelectorAll("#chain .chain-gamma .unit")) dom.text(unit, decimals.scale < 1 ? ` ×10${power(decimals.scale)}` : "");
    const middle = price === null ? null : shown.reduce((best, pair) => (!best || Math.abs(pair.strike - price) < Math.abs(best.strike - price) ? pair : best), null);
    const strikes = decimalsOf(shown.map((pair) => pair.strike));
    table.fill(byId("chain-rows"), shown.map((pair) => ({
      key: pair.strike, selected: pair === middle, title: null,
      cells: [
        ...inOrder(CALLS, side(pair.call, decimals, passed)), { text: format.fixed(pair.strike, strikes), class: "strike", title: pair === middle ? "nearest to the underlying's price" : null },
        ...inOrder(PUTS, side(pair.put, decimals, passed)),
      ],
    })));
    for (const tr of byId("chain-rows").children) {
      const strike = Number(tr.dataset.key);
      dom.attribute(tr, "data-money", price === null ? null : strike < price ? "call" : strike > price ? "put" : null);
    }
    dom.text(byId("chain-note"), shown.length < pairs.length ? `${shown.length} of ${pairs.length} strikes` : `${pairs.length} strike${pairs.length === 1 ? "" : "s"}`);
    dom.text(byId("chain-states"), explained(pairs));
    const hasQuotes = rows.some((row) => format.isNumber(row.bid) || format.isNumber(row.ask));
    dom.attribute(byId("chain"), "data-quotes", hasQuotes ? null : "none");
    for (const td of document.querySelectorAll("#chain .chain-sides [colspan]")) dom.attribute(td, "colspan", CALLS.length - (hasQuotes ? 0 : 2));
    centre(byId("chain-rows").closest(".table-scroll"));
  }

  const decimalsOf = (values) => Math.max(0, ...values.map((value) => (String(value).split(".")[1] || "").length));

  /** Why some options have no volatility, in words. */
  function explained(pairs) {
    const counts = new Map();
    for (const row of pairs.flatMap(({ call, put }) => [call, put]).filter(Boolean)) {
      if (stateOf(row)[0]) counts.set(row.volatility_state, (counts.get(row.volatility_state) || 0) + 1);
    }
    return [...counts].map(([state, count]) => `${count} ${stateOf({ volatility_state: state })[0]}: ${stateOf({ volatility_state: state })[1]}`).join(" · ");
  }

  return { show, explained, near, decimalsFor, OLD_MS };
})();
