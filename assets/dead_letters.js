/* Dead letters of the worker pool: asked from the API when their number changes, replayed one by one or all. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.deadLetters = (() => {
  const q = () => window.quintet;
  const byId = (id) => document.getElementById(id);
  const LIMIT = 100;
  const PERIOD_MS = 2000;        // least time between two questions
  const OLD_MS = 10000;          // an answer is asked anew after this: others come and go while their number stays
  const SYMBOL_FIELDS = ["symbol", "instrument"];
  let isMounted = false;
  let total = 0;                 // as the pool reports it
  let shown = "";                // the number for which `entries` were asked
  let askedAt = -Infinity;
  let isAsking = false;
  let trouble = "";              // why they cannot be shown just now
  let entries = [];
  let wanted = null;             // what the dialog asks about

  function mount() {
    isMounted = true;
    shown = "";
    byId("replay-all").addEventListener("click", () => open("all"));
    byId("replay-confirm").addEventListener("click", confirm);
    draw();
  }

  function unmount() {
    isMounted = false;
  }

  /** The pool reports `count` dead letters. */
  function show(count) {
    total = count;
    tick();
    note();
  }

  /** Ask when the number has changed since, the last answer was none, or is old; at most every two seconds. */
  function tick() {
    const age = performance.now() - askedAt;
    const isDue = shown !== String(total) ? age > PERIOD_MS : total > 0 && age > OLD_MS;
    if (isMounted && !isAsking && isDue) ask();
  }

  async function ask() {
    isAsking = true;
    askedAt = performance.now();
    const asked = String(total);
    try {
      const answer = await fetch(`/api/v1/workers/dead?limit=${LIMIT}`, { cache: "no-store", headers: { accept: "application/json" } });
      const body = await answer.json();
      trouble = answer.ok ? "" : body.error;
      if (answer.ok) {
        entries = body.entries;
        shown = entries.length < LIMIT ? String(entries.length) : asked;
      }
    } catch {
      trouble = "the server does not answer";
    }
    isAsking = false;
    if (isMounted) draw();
  }

  // ---- table

  /* The entry as it was: one field `d` holds all of them as JSON. */
  function fieldsOf(entry) {
    const { d, ...flat } = entry.fields || {};
    if (d === undefined) return flat;
    try {
      const inner = JSON.parse(d);
      return typeof inner === "object" && inner !== null ? { ...flat, ...inner } : { ...flat, d };
    } catch {
      return { ...flat, d };
    }
  }

  const worded = (value) => (typeof value === "string" ? value : JSON.stringify(value));

  function drawFields(cell, fields) {
    const names = Object.keys(fields);
    const text = names.map((name) => `${name} ${worded(fields[name])}`).join(" · ");
    if (cell.dataset.text === text) return;
    cell.dataset.text = text;
    const { make } = q().dom;
    cell.replaceChildren(make("details", { class: "dead-fields" }, make("summary", {}, make("code", {}, text || "none")),
      make("dl", {}, ...names.map((name) => make("div", {}, make("dt", {}, name), make("dd", {}, worded(fields[name])))))));
  }

  function drawButton(cell, entry) {
    if (cell.firstElementChild) return;
    const button = q().dom.make("button", { class: "chip", "aria-label": `Replay ${entry.id}` }, "Replay");
    button.addEventListener("click", () => open(entry.id));
    cell.append(button);
  }

  function draw() {
    const { format, table } = q();
    table.fill(byId("dead-rows"), entries.map((entry) => {
      const fields = fieldsOf(entry);
      const symbol = SYMBOL_FIELDS.map((name) => fields[name]).find((value) => value !== undefined);
      return {
        key: entry.id,
        cells: [
          { text: entry.reason, title: entry.reason, class: "dead-reason" }, symbol === undefined ? format.NONE : worded(symbol), format.si(entry.deliveries),
          { text: format.stamp(entry.first_ms), title: format.utc(entry.first_ms) }, { text: format.stamp(entry.last_ms), title: format.utc(entry.last_ms) },
          { class: "dead-cell", draw: (cell) => drawFields(cell, fields) }, { text: entry.id, class: "num" },
          { class: "dead-button", draw: (cell) => drawButton(cell, entry) },
        ],
      };
    }));
    note();
  }

  function note() {
    const { dom, format } = q();
    const part = entries.length < total && entries.length ? `newest ${entries.length} of ${format.count(total)}` : format.count(total);
    dom.text(byId("dead-note"), trouble ? `cannot be shown: ${trouble}` : part);
    dom.attribute(byId("dead-note"), "data-level", trouble ? "bad" : total ? "warn" : null);
    dom.hide(byId("replay-all"), !total);
  }

  // ---- replay

  function open(id) {
    const entry = entries.find((one) => one.id === id);
    wanted = id;
    const what = id === "all" ? `Put all ${q().format.count(total)} dead letters back onto the stream?`
      : `Put entry ${id} back onto the stream? It was given up because: ${entry ? entry.reason : "unknown"}.`;
    q().dom.text(byId("replay-what"), what);
    byId("replay-dialog").showModal();
  }

  async function confirm() {
    const button = byId("replay-confirm");
    button.disabled = true;
    const [words, level] = await replay(wanted);
    button.disabled = false;
    const dialog = byId("replay-dialog");
    if (dialog) dialog.close();
    q().dom.toast(words, level);
    shown = "";
    askedAt = -Infinity;
    tick();
  }

  async function replay(id) {
    try {
      const answer = await fetch("/api/v1/workers/dead/replay", {
        method: "POST", headers: { "content-type": "application/json", accept: "application/json" }, body: JSON.stringify({ id }),
      });
      const body = await answer.json();
      if (!answer.ok) return [`Not replayed: ${body.error}`, "bad"];
      if (!body.replayed) return ["Nothing was replayed: the entry is gone already", "warn"];
      return [`${q().format.count(body.replayed)} put back onto the stream`, "ok"];
    } catch {
      return ["Not replayed: the server does not answer", "bad"];
    }
  }

  return { mount, unmount, show, tick };
})();
