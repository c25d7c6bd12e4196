/* The last trades, newest on top: the oldest row is written anew and moved up, the others are left alone. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.tape = (() => {
  const { byId, text, attribute, make } = window.quintet.dom;
  const format = window.quintet.format;
  const RATE_MS = 10000;
  let box = null;
  let symbol = "";
  let decimals = 2;
  let sizeDecimals = 4;
  let size = 0;
  let waiting = [];              // trades not shown yet, oldest first
  let arrivals = [];             // [when, how many] of the last ten seconds

  function mount() {
    const root = byId("tape");
    symbol = root.dataset.symbol;
    decimals = Number(root.dataset.decimals);
    sizeDecimals = Number(root.dataset.sizeDecimals || 4);
    box = byId("tape-rows");
    size = Number(box.dataset.rows);
    waiting = [];
    arrivals = [];
    clear();
  }

  function clear() {
    const cells = () => ["num dim", "num tape-price", "num"].map((names) => make("span", { class: names }));
    box.replaceChildren(...Array.from({ length: size }, () => make("div", { class: "tape-row" }, ...cells())));
  }

  const isOpen = () => box !== null && box.isConnected;

  function onTrades(frame, name) {
    if (!isOpen() || name !== symbol) return;
    attribute(box, "data-loading", null);
    if (frame.full) {
      clear();
      waiting = frame.rows.slice(-size);
    } else {
      waiting = waiting.concat(frame.rows).slice(-size);
      arrivals.push([frame.heardAt, frame.rows.length]);
    }
  }

  function write(row, trade) {
    const [time, price, quantity] = row.children;
    /* an aggressor who sells hits the bid: then the buyer was the maker */
    const direction = trade[4] ? "down" : "up";
    text(time, format.time(trade[1]));
    text(price, (direction === "up" ? "▲ " : "▼ ") + format.price(trade[2], decimals));
    text(quantity, format.size(trade[3], sizeDecimals));
    attribute(row, "data-direction", direction);
    attribute(row, "title", `trade ${trade[0]} · ${format.utc(trade[1])}`);
  }

  function draw() {
    if (!waiting.length || !isOpen()) return;
    for (const trade of waiting) {
      const row = box.lastElementChild;
      write(row, trade);
      box.prepend(row);
    }
    waiting = [];
    const now = performance.now();
    while (arrivals.length && now - arrivals[0][0] > RATE_MS) arrivals.shift();
    const total = arrivals.reduce((sum, [, n]) => sum + n, 0);
    const span = arrivals.length ? Math.max(1000, now - arrivals[0][0]) : RATE_MS;
    text(byId("tape-rate"), format.fixed(total / (span / 1000), 1) + " /s");
  }

  function start() {
    window.quintet.feed.on("trades", onTrades);
    window.quintet.feed.on("*", draw);
  }

  return { mount, start };
})();
