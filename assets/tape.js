/* The last trades: newest on top, written into fixed slots once a frame. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.tape = (() => {
  const { byId, text, attribute } = window.quintet.dom;
  const format = window.quintet.format;
  const RATE_MS = 10000;
  let slots = [];
  let symbol = "";
  let decimals = 2;
  let trades = [];               // newest first
  let arrivals = [];             // [when, how many] of the last ten seconds
  let dirty = false;

  function mount() {
    const root = byId("tape");
    symbol = root.dataset.symbol;
    decimals = Number(root.dataset.decimals);
    slots = [...byId("tape-rows").children].map((row) => ({ row, cells: [...row.children] }));
    trades = [];
    arrivals = [];
  }

  const isOpen = () => slots.length > 0 && slots[0].row.isConnected;

  function onTrades(frame, name) {
    if (!isOpen() || name !== symbol) return;
    attribute(byId("tape-rows"), "data-loading", null);
    const newest = frame.rows.slice(-slots.length).reverse();
    if (frame.full) {
      trades = newest;
    } else {
      trades = newest.concat(trades).slice(0, slots.length + 1);
      arrivals.push([frame.heardAt, frame.rows.length]);
    }
    dirty = true;
  }

  /* An aggressor who sells hits the bid: then the buyer was the maker. */
  const direction = (trade) => (trade[4] ? "down" : "up");

  function draw() {
    if (!dirty || !isOpen()) return;
    dirty = false;
    slots.forEach(({ row, cells }, index) => {
      const trade = trades[index];
      if (!trade) return;
      text(cells[0], format.time(trade[1]));
      text(cells[1], (direction(trade) === "up" ? "▲ " : "▼ ") + format.price(trade[2], decimals));
      text(cells[2], format.size(trade[3], 4));
      attribute(row, "data-direction", direction(trade));
      attribute(row, "title", `trade ${trade[0]} · ${format.utc(trade[1])}`);
    });
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
