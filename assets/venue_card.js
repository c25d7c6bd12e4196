/* One venue's card: state and cause, state machine, figures, budgets, farms, accounts, last changes of state. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.venueCard = (() => {
  const { text, attribute, hide, make } = window.quintet.dom;
  const format = window.quintet.format;
  const LEVELS = {
    LIVE: "ok", CONNECTING: "warn", SYNCING: "warn", STALE: "bad", RECONNECTING: "bad", BANNED: "bad", STOPPED: "bad",
    "NOT CONFIGURED": "stale",
  };
  const RING = 120;              // seconds that the line of messages a second shows
  const AMBER = 0.6;
  const RED = 0.8;
  const KEY_VALUES = ["NetLiquidation", "TotalCashValue", "BuyingPower", "UnrealizedPnL"];
  const UP_FARMS = /^(ok|up|live|connected)/i;
  const IDLE_FARMS = /^(inactive|idle|dormant|unknown)/i;

  const level = (state) => LEVELS[state] || "stale";
  const slot = (card, name) => card.querySelector(`[data-slot="${name}"]`);

  // ---- what ticks between frames

  /** A ban is told as a budget of seconds: how many are left. */
  const isBan = (budget) => budget.unit === "s";

  /** `1:05` minutes and seconds, so that one sees it run. */
  function countdown(ms) {
    const seconds = Math.ceil(ms / 1000);
    return `${Math.floor(seconds / 60)}:${format.pad(seconds % 60)}`;
  }

  /** Durations that go on while nothing arrives. `now` is the server's time, `passed` the milliseconds since the frame. */
  function tick(card, venue, now, passed) {
    text(slot(card, "since"), format.isNumber(venue.since) && venue.since > 0 ? `for ${format.age(Math.max(0, now - venue.since))}` : "");
    const ban = (venue.budgets || []).find(isBan);
    const left = ban ? ban.used * 1000 - passed : 0;
    hide(slot(card, "ban"), left <= 0);
    if (left > 0) text(slot(card, "ban"), `free again in ${countdown(left)}`);
  }

  // ---- parts

  function showHead(card, venue) {
    const { state } = venue;
    attribute(card, "data-state", state);
    attribute(card, "data-level", level(state));
    if (venue.title) text(slot(card, "title"), venue.title);
    text(slot(card, "transport"), venue.transport || "");
    const source = state === "NOT CONFIGURED" ? format.NONE : venue.delayed ? "DELAYED" : venue.source || format.NONE;
    const badge = slot(card, "source");
    text(badge, source);
    attribute(badge, "data-source", source);
    attribute(badge, "title", source === format.NONE ? "No number of it is shown" : `Its numbers are ${source}`);
    text(slot(card, "state"), state);
    attribute(slot(card, "since"), "title", venue.since > 0 ? `since ${format.stamp(venue.since)} · ${format.utc(venue.since)}` : null);
    const cause = venue.cause || (state === "LIVE" ? "No fault known." : "");
    text(slot(card, "cause"), cause);
    attribute(slot(card, "cause"), "title", venue.cause || null);
    text(slot(card, "hint"), venue.hint || "");
    attribute(slot(card, "hint"), "title", venue.hint || null);
  }

  function kinds(counts) {
    const known = Object.entries(counts || {}).filter(([, count]) => count);
    return known.length ? known.map(([kind, count]) => `${kind}: ${format.count(count)}`).join(", ") : null;
  }

  function offset(ms) {
    return format.isNumber(ms) ? `${ms > 0 ? "+" : ms < 0 ? "−" : ""}${format.millis(Math.abs(ms))}` : format.NONE;
  }

  function showFigures(card, venue, rates) {
    const items = [
      ["Messages /s", format.si(venue.rate_per_s, venue.rate_per_s < 100 ? 1 : 0), `${format.count(venue.messages)} since the start`],
      ["Messages", format.si(venue.messages)],
      ["Reconnects", format.si(venue.reconnects), "Times that the connection was made anew since the start"],
      ["Malformed", format.si(venue.malformed), kinds(venue.malformed_kinds), venue.malformed ? "warn" : null],
      ["API calls", format.si(venue.api_calls), "Requests since the start"],
      ["Clock offset", offset(venue.clock_offset_ms), "The venue's clock against ours", Math.abs(venue.clock_offset_ms) > 1000 ? "warn" : null],
    ];
    window.quintet.table.figures(slot(card, "figures"), items);
    const line = slot(card, "rate");
    if (!line.firstElementChild) line.replaceChildren(make("div", {}), make("div", { class: "connection-endpoint" }));
    window.quintet.sparkline.line(line.firstElementChild, rates, "Messages a second over the last two minutes");
    attribute(line.firstElementChild, "title", "Messages a second over the last two minutes");
    text(line.lastElementChild, venue.endpoint || "");
    attribute(line.lastElementChild, "title", [venue.endpoint, venue.detail].filter(Boolean).join(" · ") || null);
  }

  /** Rows of `box` by key: `make(key)` builds a row, `write(row, item)` fills it; what is gone is removed. */
  function rows(box, items, build, write) {
    const known = new Map([...box.children].map((child) => [child.dataset.key, child]));
    items.forEach(([key, item], index) => {
      const row = known.get(key) || build(key);
      attribute(row, "data-key", key);
      known.delete(key);
      if (box.children[index] !== row) box.insertBefore(row, box.children[index] || null);
      write(row, item);
    });
    for (const gone of known.values()) gone.remove();
  }

  const emptyRow = () => make("li", { class: "slot-empty" });

  /** A running ban is bad, slots (without a window) may all be taken, and of a rate some must be left. */
  function strain(budget, share) {
    if (isBan(budget)) return budget.used ? "bad" : "ok";
    if (!budget.window) return "ok";
    return share >= RED ? "bad" : share >= AMBER ? "warn" : "ok";
  }

  function showBudgets(card, budgets) {
    const box = slot(card, "budgets");
    const shown = budgets.filter((b) => !isBan(b) || b.used > 0);
    const items = shown.length ? shown.map((b) => [`${b.name} ${b.window || ""}`, b]) : [["", null]];
    rows(box, items, (key) => (key ? make("li", { class: "budget" }, make("span", { class: "budget-name" }),
      make("span", { class: "gauge", role: "meter", "aria-valuemin": "0" }, make("span", { class: "gauge-fill" })),
      make("span", { class: "budget-used num" }), make("span", { class: "budget-window dim" })) : emptyRow()), (row, b) => {
      if (!b) {
        text(row, box.dataset.empty);
        return;
      }
      const share = b.limit > 0 ? b.used / b.limit : 0;
      const [name, gauge, used, window_] = row.children;
      attribute(row, "data-level", strain(b, share));
      attribute(row, "title", [`${b.name}: ${format.percent(share, 0)} used of ${b.limit} ${b.unit || ""}`.trim(), b.detail].filter(Boolean).join(" · "));
      text(name, b.name);
      attribute(gauge, "aria-label", `${b.name}, ${b.unit || ""}`);
      attribute(gauge, "aria-valuenow", b.used);
      attribute(gauge, "aria-valuemax", b.limit);
      gauge.firstElementChild.style.width = `${Math.min(100, share * 100).toFixed(1)}%`;
      text(used, `${format.si(b.used)} / ${format.si(b.limit)}${isBan(b) ? " s" : ""}`);
      text(window_, b.window ? `per ${String(b.window).replace(/^(per )?(1 )?/, "")}` : "");
    });
  }

  function showFarms(card, farms) {
    const box = slot(card, "farms");
    hide(box, !farms.length);
    rows(box, farms.map((f) => [`${f.kind} ${f.farm}`, f]), () => make("li", { class: "farm" }, make("span", { class: "dot" }), make("span", {})), (row, farm) => {
      const well = UP_FARMS.test(farm.state) ? "ok" : IDLE_FARMS.test(farm.state) ? "stale" : "bad";
      attribute(row, "data-level", well);
      text(row.lastElementChild, well === "ok" ? farm.farm : `${farm.farm} ${String(farm.state).toLowerCase()}`);
      attribute(row, "title", `${farm.kind || "data"} farm ${farm.farm}: ${farm.state} since ${format.stamp(farm.since_ms)}`);
    });
  }

  const words = (tag) => String(tag).replace(/([a-z])([A-Z][a-z])/g, "$1 $2").replace(/_/g, " ");

  function showAccounts(card, accounts) {
    const box = slot(card, "accounts");
    hide(box, !accounts.length);
    rows(box, accounts.map((a) => [a.account, a]), () => make("details", { class: "account" }, make("summary", { class: "num" }),
      make("dl", { class: "account-values" }), make("table", { class: "live-table" },
        make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Position"), make("th", { scope: "col", class: "figure" }, "Quantity"),
          make("th", { scope: "col", class: "figure" }, "Average cost"))),
        make("tbody", { "data-empty": "No position." }))), (details, account) => {
      const values = Object.entries(account.values || {});
      const positions = account.positions || [];
      const worth = (account.values || {}).NetLiquidation;
      text(details.children[0], [`Account ${account.account}`, account.kind, format.isNumber(worth) ? `worth ${format.count(worth)}` : "",
        `${positions.length} position${positions.length === 1 ? "" : "s"}`].filter(Boolean).join(" · "));
      const rank = ([tag]) => (KEY_VALUES.includes(tag) ? KEY_VALUES.indexOf(tag) : KEY_VALUES.length);
      window.quintet.table.figures(details.children[1], values.sort((a, b) => rank(a) - rank(b)).slice(0, 8).map(([tag, value]) => [words(tag), format.price(value)]));
      window.quintet.table.fill(details.children[2].tBodies[0], positions.map((p) => ({
        key: p.symbol, cells: [p.symbol, format.size(p.quantity, 0), format.price(p.average_cost)],
      })));
    });
  }

  function showTransitions(card, transitions) {
    const box = slot(card, "transitions");
    const items = transitions.length ? transitions.map((t) => [`${t.at_ms} ${t.state} ${t.cause}`, t]) : [["", null]];
    rows(box, items, (key) => (key ? make("li", { class: "transition" }, make("span", { class: "num dim" }),
      make("span", { class: "transition-state" }), make("span", { class: "transition-cause dim" })) : emptyRow()), (row, t) => {
      if (!t) {
        text(row, box.dataset.empty);
        return;
      }
      const [at, state, cause] = row.children;
      attribute(row, "data-level", level(t.state));
      text(at, format.stamp(t.at_ms));
      attribute(at, "title", format.utc(t.at_ms));
      text(state, t.state);
      text(cause, t.cause || "");
      attribute(row, "title", t.cause || null);
    });
  }

  /** Show one venue's status in its card. `rates` are its last messages a second, oldest first. */
  function show(card, venue, rates, now, passed) {
    attribute(card, "data-loading", null);
    hide(card, false);
    const transitions = venue.transitions || [];
    showHead(card, venue);
    tick(card, venue, now, passed);
    window.quintet.stateMachine.draw(slot(card, "machine"), venue.state, transitions);
    showFigures(card, venue, rates);
    showBudgets(card, venue.budgets || []);
    showFarms(card, venue.farms || []);
    showAccounts(card, venue.accounts || []);
    showTransitions(card, transitions);
  }

  /** A card like `pattern` for a venue that the page did not know when it was built. */
  function create(pattern, venue) {
    const card = pattern.cloneNode(true);
    card.id = `venue-${venue.venue}`;
    card.dataset.venue = venue.venue;
    attribute(card, "aria-label", venue.title || venue.venue);
    for (const box of card.querySelectorAll(":is(dl, ul, ol, div)[data-slot]")) box.replaceChildren();
    text(slot(card, "title"), venue.title || venue.venue);
    return card;
  }

  return { show, tick, create, level, RING };
})();
