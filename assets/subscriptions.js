/* The table of all subscriptions: sorted and filtered in the page, its state in the URL; ages go on between frames. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.subscriptions = (() => {
  const { byId, text, attribute, make } = window.quintet.dom;
  const format = window.quintet.format;
  const WORST_FIRST = ["STOPPED", "BANNED", "RECONNECTING", "STALE", "CONNECTING", "SYNCING", "LIVE", "NOT CONFIGURED"];
  /* how a row is ordered by each column; text ascends, figures descend at the first click */
  const ORDER = {
    venue: (s) => s.venue, symbol: (s) => s.symbol || "", channel: (s) => String(s.channel), state: (s) => WORST_FIRST.indexOf(s.state),
    age: (s) => s.age, rate: (s) => s.rate_per_s, messages: (s) => s.messages, gaps: (s) => s.gaps, source: (s) => s.source || "",
    cause: (s) => s.last_cause || "",
  };
  const DESCENDING = ["age", "rate", "messages", "gaps"];
  let view = null;               // { sort, down, query, venue, faults }
  let entries = [];
  let arrived = 0;               // performance.now() of the frame they came with

  function mount(root) {
    const given = new URLSearchParams(location.search);
    const sort = (given.get("sort") || "").replace("-", "");
    view = {
      sort: sort in ORDER ? sort : "", down: (given.get("sort") || "").startsWith("-"), query: given.get("q") || "",
      venue: given.get("venue") || "", faults: given.get("faults") === "1",
    };
    const input = make("input", {
      type: "search", placeholder: "Filter", "aria-label": "Filter subscriptions", autocomplete: "off", spellcheck: "false", maxlength: "60",
    });
    input.value = view.query;
    input.addEventListener("input", () => change({ query: input.value }));
    byId("subscription-search").replaceChildren(input);
    root.querySelector("#subscriptions").addEventListener("click", clicked);
    mark();
  }

  function clicked(event) {
    const head = event.target.closest("th[data-sort]");
    const venue = event.target.closest("[data-venue-filter]");
    if (head) sortBy(head.dataset.sort);
    else if (venue) change({ venue: venue.dataset.venueFilter });
    else if (event.target.closest("#subscription-faults")) change({ faults: !view.faults });
  }

  /** First click: the natural way; second: the other; third: the order by trouble again. */
  function sortBy(key) {
    const natural = DESCENDING.includes(key);
    if (view.sort !== key) change({ sort: key, down: natural });
    else if (view.down === natural) change({ down: !natural });
    else change({ sort: "", down: false });
  }

  function change(part) {
    Object.assign(view, part);
    const url = new URL(location.href);
    const wanted = { sort: view.sort && (view.down ? "-" : "") + view.sort, q: view.query, venue: view.venue, faults: view.faults ? "1" : "" };
    for (const [name, value] of Object.entries(wanted)) {
      if (value) url.searchParams.set(name, value);
      else url.searchParams.delete(name);
    }
    history.replaceState(history.state, "", url);
    mark();
    draw();
  }

  /** Show what is chosen on the controls. */
  function mark() {
    for (const th of byId("subscription-heads").querySelectorAll("th")) {
      attribute(th, "aria-sort", th.dataset.sort !== view.sort ? "none" : view.down ? "descending" : "ascending");
    }
    for (const chip of byId("subscription-filters").querySelectorAll("[data-venue-filter]")) {
      attribute(chip, "aria-pressed", String(chip.dataset.venueFilter === view.venue));
    }
    attribute(byId("subscription-faults"), "aria-pressed", String(view.faults));
  }

  const isFaulty = (s) => s.state !== "LIVE" || s.gaps > 0;

  function isShown(s) {
    if (view.venue && s.venue !== view.venue) return false;
    if (view.faults && !isFaulty(s)) return false;
    const query = view.query.trim().toLowerCase();
    return !query || `${s.venue} ${s.name} ${s.symbol || ""} ${s.channel} ${s.state} ${s.source || ""} ${s.last_cause || ""}`.toLowerCase().includes(query);
  }

  function compare(a, b) {
    if (!view.sort) return (a.state === "LIVE") - (b.state === "LIVE") || a.index - b.index;
    const [x, y] = [ORDER[view.sort](a), ORDER[view.sort](b)];
    const order = typeof x === "string" ? x.localeCompare(y) : (x ?? -Infinity) - (y ?? -Infinity);
    return (view.down ? -order : order) || a.index - b.index;
  }

  /*
   * An age goes on between frames only where it would be true: a channel that is busy has had messages since that this page
   * was not told of. When frames stop coming, all ages go on.
   */
  function aged(s, passed) {
    return format.isNumber(s.age_ms) && (s.age_ms >= 1000 || passed > 2000) ? s.age_ms + passed : s.age_ms;
  }

  /** `ethusdt@depth` as `depth`: the symbol has a column of its own. */
  const bare = ({ channel, symbol }) => (symbol && String(channel).toLowerCase().startsWith(`${symbol.toLowerCase()}@`) ? String(channel).slice(symbol.length + 1) : String(channel));

  function draw() {
    const passed = performance.now() - arrived;
    const shown = entries.filter(isShown).map((s) => ({ ...s, age: aged(s, passed) })).sort(compare);
    const body = byId("subscription-rows");
    if (!shown.length && entries.length) body.dataset.empty = "No subscription matches the filter.";
    window.quintet.table.fill(body, shown.map((s) => {
      const level = s.state === "LIVE" ? null : window.quintet.venueCard.level(s.state);
      return {
        key: s.key, level: level === "bad" ? "bad" : null,
        cells: [
          s.venue, s.symbol || "", { text: bare(s), title: s.channel }, { text: s.state, level: level || "ok" },
          { text: format.age(s.age), level: level === "bad" ? "bad" : null }, format.si(s.rate_per_s, s.rate_per_s < 100 ? 1 : 0), format.si(s.messages),
          { text: format.si(s.gaps), level: s.gaps ? "warn" : null }, { text: s.source || "", class: "source-cell" },
          { text: s.last_cause || "", title: s.last_cause || null, class: "cause-cell" },
        ],
      };
    }));
    const faults = entries.filter((s) => s.state !== "LIVE").length;
    const part = shown.length === entries.length ? `${entries.length}` : `${shown.length} of ${entries.length}`;
    text(byId("subscription-note"), entries.length ? `${part} · ${faults ? `${faults} not LIVE` : "all LIVE"}` : "");
    attribute(byId("subscription-note"), "data-level", faults ? "warn" : null);
  }

  /** Take the subscriptions of a frame that was heard at `heardAt` (performance.now()). */
  function show(connections, heardAt) {
    arrived = heardAt;
    entries = connections.flatMap((c) => (c.subscriptions || []).map((s) => ({
      source: c.delayed ? "DELAYED" : c.source, ...s, venue: c.venue, name: c.title || c.venue, key: `${c.venue} ${s.channel} ${s.symbol || ""}`,
    })));
    entries.forEach((s, index) => { s.index = index; });
    draw();
  }

  return { mount, show, tick: draw };
})();
