/* The time line of incidents: a lane a venue, a bar an incident. Bars stand at their times on a film that is moved once a second. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.incidents = (() => {
  const { byId, text, attribute, hide, make } = window.quintet.dom;
  const format = window.quintet.format;
  const ROWS = 3;                // incidents of a lane side by side before they cover each other
  const TICKS = { "1h": 600e3, "6h": 3600e3, "24h": 4 * 3600e3 };
  const NEAREST = 0.012;         // share of the range below which two bars would touch, for the choice of a row
  const LISTED = 100;
  let range = "1h";
  let span = TICKS["1h"] * 6;
  let epoch = 0;                 // the server's time at the left of a film that is not moved
  let incidents = [];            // of all venues, newest first, with key, venue, title
  let lanes = new Map();         // venue -> { film, bars: Map(key -> button) }
  let axis = null;
  let ticksAt = "";
  let chosen = "";
  let now = 0;

  function mount(root) {
    range = byId("incidents").dataset.range;
    lanes = new Map();
    axis = null;
    ticksAt = chosen = "";
    incidents = [];
    epoch = 0;
    root.querySelector("#timeline-ranges").addEventListener("click", (event) => {
      const button = event.target.closest("[data-range]");
      if (button) setRange(button.dataset.range);
    });
    byId("timeline").addEventListener("keydown", moved);
    readRange();
  }

  function readRange() {
    for (const button of byId("timeline-ranges").children) {
      attribute(button, "aria-checked", String(button.dataset.range === range));
      if (button.dataset.range === range) span = Number(button.dataset.ms);
    }
  }

  function setRange(name) {
    range = name;
    const url = new URL(location.href);
    url.searchParams.set("range", name);
    history.replaceState(history.state, "", url);
    readRange();
    for (const lane of lanes.values()) {
      lane.film.replaceChildren();
      lane.bars.clear();
    }
    ticksAt = "";
    draw();
  }

  /* a venue that nobody configured is open for as long as nobody does; that is no alarm */
  const isAlarm = (i) => !i.end_ms && i.kind !== "not configured";
  const endOf = (i) => i.end_ms || now;
  const isInRange = (i) => endOf(i) >= now - span;
  const shown = () => incidents.filter(isInRange);
  const place = (ms) => `${(((ms - epoch) / span) * 100).toFixed(4)}%`;
  const lasted = (i) => (i.end_ms && i.end_ms === i.start_ms ? "a moment" : format.age(endOf(i) - i.start_ms));
  const worded = (i) => `${i.venue}, ${i.kind}: ${i.cause}, since ${format.stamp(i.start_ms)}, ${i.end_ms ? lasted(i) : "still open"}`;

  // ---- lanes

  function lane(venue) {
    let known = lanes.get(venue);
    if (!known) {
      const film = make("div", { class: "lane-film" });
      const box = make("div", { class: "lane", "data-venue": venue }, make("span", { class: "lane-name" }, venue), make("div", { class: "lane-track" }, film));
      known = { film, bars: new Map() };
      lanes.set(venue, known);
      byId("timeline").insertBefore(box, axis ? axis.parentElement.parentElement : null);
    }
    return known;
  }

  /** Rows within a lane, so that bars of the same time stand one below the other. */
  function stacked(list) {
    const ends = new Array(ROWS).fill(-Infinity);
    const rows = new Map();
    for (const incident of [...list].sort((a, b) => a.start_ms - b.start_ms)) {
      const free = ends.findIndex((end) => end <= incident.start_ms);
      const row = free >= 0 ? free : ends.indexOf(Math.min(...ends));
      ends[row] = Math.max(endOf(incident), incident.start_ms + span * NEAREST);
      rows.set(incident.key, row);
    }
    return rows;
  }

  function bar(incident) {
    const button = make("button", { class: "bar", tabindex: "-1", "data-key": incident.key });
    const choose = () => select(incident.key);
    button.addEventListener("click", choose);
    button.addEventListener("focus", choose);
    return button;
  }

  function drawLane(venue, list) {
    const { film, bars } = lane(venue);
    const rows = stacked(list);
    const gone = new Map(bars);
    for (const incident of list) {
      let button = bars.get(incident.key);
      if (!button) {
        button = bar(incident);
        button.style.left = place(incident.start_ms);
        bars.set(incident.key, button);
        film.append(button);
      }
      gone.delete(incident.key);
      const mark = [incident.cause, incident.kind, incident.end_ms, rows.get(incident.key), incident.key === chosen].join("|");
      if (incident.end_ms && button.dataset.mark === mark) continue;
      button.dataset.mark = mark;
      const width = `${(((endOf(incident) - incident.start_ms) / span) * 100).toFixed(3)}%`;
      if (button.style.width !== width) button.style.width = width;
      attribute(button, "data-kind", incident.kind);
      attribute(button, "data-row", rows.get(incident.key));
      attribute(button, "data-open", incident.end_ms ? null : "true");
      attribute(button, "aria-pressed", String(incident.key === chosen));
      attribute(button, "aria-label", worded(incident));
      attribute(button, "title", `${incident.cause} (${incident.kind})`);
    }
    for (const [key, button] of gone) {
      button.remove();
      bars.delete(key);
    }
    film.style.transform = shift();
  }

  const shift = () => `translateX(${(((epoch + span - now) / span) * 100).toFixed(4)}%)`;

  function drawAxis() {
    if (!axis) {
      axis = make("div", { class: "lane-film" });
      byId("timeline").append(make("div", { class: "lane lane-axis", "aria-hidden": "true" }, make("span", { class: "lane-name" }), make("div", { class: "lane-track" }, axis)));
    }
    const step = TICKS[range];
    const zone = new Date(now).getTimezoneOffset() * 60e3;
    const first = Math.ceil((now - span - zone) / step) * step + zone;
    const mark = `${range} ${first}`;
    if (mark !== ticksAt) {
      ticksAt = mark;
      const times = Array.from({ length: Math.floor((now + step - first) / step) }, (_, i) => first + i * step);
      axis.replaceChildren(...times.map((ms) => {
        const tick = make("span", { class: "tick num" }, format.time(ms).slice(0, 5));
        tick.style.left = place(ms);
        return tick;
      }));
    }
    axis.style.transform = shift();
  }

  // ---- keyboard: one bar is in the tab order, arrows go on from it

  function moved(event) {
    const step = { ArrowLeft: 1, ArrowRight: -1, Home: Infinity, End: -Infinity }[event.key];
    const list = shown();
    if (!step || !list.length) return;
    event.preventDefault();
    const at = list.findIndex((i) => i.key === chosen);
    const next = list[Math.max(0, Math.min(list.length - 1, at + step))];
    const button = lanes.get(next.venue).bars.get(next.key);
    if (button) button.focus();
  }

  function select(key) {
    if (chosen === key) return;
    chosen = key;
    draw();
  }

  // ---- words

  function answer(kind) {
    const item = byId("timeline-legend").querySelector(`[data-legend="${CSS.escape(kind)}"]`);
    return item ? item.dataset.answer : "";
  }

  /** The one that was chosen; until then the newest open one, else the newest. */
  const detailed = (list) => list.find((i) => i.key === chosen) || list.find(isAlarm) || list[0];

  function drawDetails(list) {
    const box = byId("incident-details");
    const incident = detailed(list);
    const facts = !incident ? [] : [
      ["Venue", incident.title], ["Start", `${format.stamp(incident.start_ms)}`], ["End", incident.end_ms ? format.stamp(incident.end_ms) : "still open"],
      ["Lasted", lasted(incident)], ["Detail", incident.detail || "none"], ["Quintet", answer(incident.kind)],
    ];
    const mark = incident ? JSON.stringify([incident.key, incident.cause, incident.kind, facts]) : "none";
    if (box.dataset.mark === mark) return;
    box.dataset.mark = mark;
    attribute(box, "data-open", incident && isAlarm(incident) ? "true" : null);
    if (!incident) {
      box.replaceChildren(make("p", { class: "dim" }, "No incident in this time. What goes wrong will stand here by its cause, with what Quintet does about it."));
      return;
    }
    box.replaceChildren(
      make("p", { class: "incident-cause" }, make("span", { class: "swatch", "data-kind": incident.kind }), incident.cause),
      make("dl", {}, ...[["Kind", incident.kind], ...facts].map(([term, value]) => make("div", {}, make("dt", {}, term),
        make("dd", { class: term === "Detail" || term === "Quintet" ? "" : "num", title: term === "Start" ? format.utc(incident.start_ms) : null }, value)))));
  }

  function drawLegend(list) {
    const present = new Set(list.map((i) => i.kind));
    for (const item of byId("timeline-legend").children) hide(item, !present.has(item.dataset.legend));
  }

  function kindCell(kind) {
    return (td) => {
      if (td.dataset.kindShown === kind) return;
      td.dataset.kindShown = kind;
      td.replaceChildren(make("span", { class: "swatch", "data-kind": kind }), kind);
    };
  }

  function drawList(list) {
    window.quintet.table.fill(byId("connection-incidents"), list.slice(0, LISTED).map((i) => ({
      key: i.key, level: isAlarm(i) ? "bad" : null, title: i.detail || null, selected: i.key === chosen, run: () => select(i.key),
      cells: [
        { text: format.stamp(i.start_ms), title: format.utc(i.start_ms), class: "num" },
        { text: i.end_ms ? lasted(i) : `open ${lasted(i)}`, level: isAlarm(i) ? "bad" : null }, i.venue, { draw: kindCell(i.kind), class: "kind-cell" },
        { text: i.cause, title: i.cause, class: "cause-cell" },
      ],
    })));
    const open = list.filter((i) => !i.end_ms).length;
    const words = list.length ? `${list.length} in ${range.replace("h", " h")} · ${open ? `${open} open` : "none open"}` : "";
    for (const id of ["timeline-note", "incident-list-note"]) {
      text(byId(id), id === "timeline-note" || list.length <= LISTED ? words : `the newest ${LISTED} of ${list.length}`);
      attribute(byId(id), "data-level", list.some(isAlarm) ? "bad" : null);
    }
  }

  function draw() {
    if (!epoch) return;
    const list = shown();
    drawAxis();
    for (const venue of lanes.keys()) drawLane(venue, list.filter((i) => i.venue === venue));
    const inOrder = detailed(list);
    for (const { bars } of lanes.values()) {
      for (const [key, button] of bars) attribute(button, "tabindex", inOrder && key === inOrder.key ? "0" : "-1");
    }
    drawLegend(list);
    drawDetails(list);
    drawList(list);
  }

  // ---- frames

  /** Take the incidents of all venues; `at` is the server's time. */
  function show(connections, at) {
    attribute(byId("incidents"), "data-loading", null);
    now = at;
    epoch = epoch || at;
    for (const { venue } of connections) lane(venue);
    for (const [venue, { film }] of lanes) hide(film.closest(".lane"), !connections.some((c) => c.venue === venue));
    incidents = connections.flatMap((c) => {
      const seen = new Map();
      /* from the oldest on: the count of those with the same start stays when newer ones come */
      return [...(c.incidents || [])].reverse().map((i) => {
        const count = seen.get(i.start_ms) || 0;
        seen.set(i.start_ms, count + 1);
        return { ...i, kind: i.kind || "unknown", venue: c.venue, title: c.title || c.venue, key: `${c.venue} ${i.start_ms} ${count}` };
      });
    }).sort((a, b) => b.start_ms - a.start_ms);
    draw();
  }

  return { mount, show };
})();
