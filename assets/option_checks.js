/* What can be told of a volatility surface from the numbers alone: is there one, and does it contradict itself? Pure. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.optionChecks = (() => {
  const YEAR_MS = 365 * 86400000;
  const KNOWN = ["FOUND", "GIVEN"];
  const ROUNDING = 1e-9;

  const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
  const hasVolatility = (row) => KNOWN.includes(row.volatility_state) && isNumber(row.volatility) && row.volatility > 0;

  /** Rows of one expiry as [{ strike, call, put }] by rising strike; of two options of one strike the newer tick counts. */
  function byStrike(rows) {
    const strikes = new Map();
    for (const row of rows) {
      if (!isNumber(row.strike)) continue;
      const pair = strikes.get(row.strike) || { strike: row.strike, call: null, put: null };
      const side = row.right === "C" ? "call" : "put";
      if (!pair[side] || pair[side].ts_ms <= row.ts_ms) pair[side] = row;
      strikes.set(row.strike, pair);
    }
    return [...strikes.values()].sort((a, b) => a.strike - b.strike);
  }

  /** The underlying's price in the newest tick; null where none has one. */
  function underlyingPrice(rows) {
    const newest = rows.filter((row) => isNumber(row.underlying_price)).sort((a, b) => b.ts_ms - a.ts_ms)[0];
    return newest ? newest.underlying_price : null;
  }

  /** The strike nearest to `price` of those that have a volatility. */
  function nearest(pairs, price) {
    if (price === null) return null;
    const known = pairs.filter((pair) => [pair.call, pair.put].some((row) => row && hasVolatility(row)));
    return known.reduce((best, pair) => (!best || Math.abs(pair.strike - price) < Math.abs(best.strike - price) ? pair : best), null);
  }

  /** Implied volatility at the money, a share; null where it is not known. */
  function atTheMoney(pairs, price) {
    const pair = nearest(pairs, price);
    const known = pair ? [pair.call, pair.put].filter((row) => row && hasVolatility(row)).map((row) => row.volatility) : [];
    return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
  }

  /** Median of put minus call volatility at the same strike; null without a pair. */
  function parityGap(pairs) {
    const gaps = pairs.filter(({ call, put }) => call && put && hasVolatility(call) && hasVolatility(put))
      .map(({ call, put }) => put.volatility - call.volatility).sort((a, b) => a - b);
    if (!gaps.length) return null;
    const middle = gaps.length >> 1;
    return gaps.length % 2 ? gaps[middle] : (gaps[middle - 1] + gaps[middle]) / 2;
  }

  /** Strikes at which a call costs more than the line between its neighbours: a butterfly that pays to be held. Null below three calls. */
  function butterflies(pairs) {
    const calls = pairs.map((pair) => pair.call).filter((row) => row && isNumber(row.price));
    if (calls.length < 3) return null;
    return calls.slice(1, -1).filter((row, index) => {
      const [low, high] = [calls[index], calls[index + 2]];
      const weight = (high.strike - row.strike) / (high.strike - low.strike);
      const line = weight * low.price + (1 - weight) * high.price;
      return row.price > line + ROUNDING * Math.max(1, row.strike);
    }).length;
  }

  /** The instant of an expiry given as a day (its end, UTC), a month (its end) or a time; NaN for anything else. */
  function expiryMs(expiry) {
    const [, year, month, day] = /^(\d{4})-(\d{2})(?:-(\d{2}))?$/.exec(expiry) || [];
    if (!year) return Date.parse(expiry);
    return day ? Date.UTC(year, month - 1, Number(day) + 1) : Date.UTC(year, month, 1);
  }

  /** Expiries whose total variance at the money is below that of the one before. `terms`: [{ expiry, atm, at (Unix ms) }] by date. Null below two. */
  function calendar(terms) {
    const variances = terms.map(({ expiry, atm, at }) => (atm === null ? NaN : atm * atm * ((expiryMs(expiry) - at) / YEAR_MS))).filter((v) => v > 0);
    if (variances.length < 2) return null;
    return variances.slice(1).filter((variance, index) => variance < variances[index] * (1 - ROUNDING)).length;
  }

  return { byStrike, underlyingPrice, nearest, atTheMoney, parityGap, butterflies, calendar, expiryMs, hasVolatility };
})();
