/* A row for each worker of the pool; ages go on between reports, and a worker whose status expired is LOST. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.workerRows = (() => {
  const q = () => window.quintet;
  const byId = (id) => document.getElementById(id);
  const RING = 120;              // seconds that the sparklines show
  const LEVELS = { READING: "ok", WORKING: "ok", STORING: "ok", DRAINING: "warn", PAUSED: "warn", LOST: "bad" };
  const CORES = { performance: "P", efficiency: "E", any: "any" };
  /** worker -> its last rates, oldest first */
  const rates = new Map();

  function remember(workers) {
    for (const { name, rate_per_s: rate } of workers) {
      const ring = rates.get(name) || new Array(RING).fill(null);
      ring.push(q().format.isNumber(rate) ? rate : null);
      ring.shift();
      rates.set(name, ring);
    }
    for (const name of rates.keys()) if (!workers.some((worker) => worker.name === name)) rates.delete(name);
  }

  const decimals = (rate) => (rate < 100 ? 1 : 0);

  function row(worker, passed, now) {
    const { format, poolVerdict, sparkline } = q();
    const state = poolVerdict.isLost(worker, passed) ? "LOST" : worker.state;
    const level = LEVELS[state] || "stale";
    const batch = worker.batch_ms || {};
    const slow = (ms) => ({ text: format.millis(ms), level: ms > 10 ? "warn" : null });
    const shards = worker.shards || [];
    const owns = shards.length ? `owner of shards ${shards.join(", ")}` : "owns no shard just now";
    const faults = worker.late || worker.refused ? `. In this process came after newer ones: ${format.si(worker.late)} entries; could not be used: ${format.si(worker.refused)} ticks or states` : "";
    return {
      key: worker.name, level: level === "bad" ? "bad" : null, title: `${worker.host}, slot ${worker.slot}, process ${worker.pid}`,
      cells: [
        worker.name, { text: state, level }, format.si(worker.batch), format.si(worker.rate_per_s, decimals(worker.rate_per_s)),
        { class: "spark-cell", draw: (cell) => sparkline.line(cell, rates.get(worker.name) || [], `${worker.name}, ticks a second`) },
        slow(batch.p50), slow(batch.p99), format.si(worker.processed), { text: format.si(worker.errors), level: worker.errors ? "warn" : null },
        { text: worker.last_error || "none", title: worker.last_error || null, class: "cause-cell" },
        { text: CORES[worker.core_kind] || worker.core_kind || format.NONE, title: worker.core_kind ? `${worker.core_kind} core` : null },
        { text: shards.length ? ranges(shards) : "none", title: owns + faults, level: worker.refused ? "warn" : null, class: "shards-cell" },
        { text: format.age(Math.max(0, now - passed - worker.age_ms - worker.since_ms)), title: `since ${format.stamp(worker.since_ms)}` },
        { text: format.age(worker.age_ms + passed), level: level === "bad" ? "bad" : null },
      ],
    };
  }

  /** `0–3, 7` for 0, 1, 2, 3, 7. */
  function ranges(numbers) {
    const runs = [];
    for (const number of [...numbers].sort((a, b) => a - b)) {
      const run = runs[runs.length - 1];
      if (run && number === run[1] + 1) run[1] = number;
      else runs.push([number, number]);
    }
    return runs.map(([first, last]) => (first === last ? `${first}` : last === first + 1 ? `${first}, ${last}` : `${first}–${last}`)).join(", ");
  }

  /** Show the pool's workers. `passed`: ms since the report was heard; `now`: the server's time, Unix ms. */
  function show(pool, passed, now) {
    const { dom, table, poolVerdict } = q();
    table.fill(byId("worker-rows"), pool.workers.map((worker) => row(worker, passed, now)));
    const lost = pool.workers.filter((worker) => poolVerdict.isLost(worker, passed)).length;
    const hosts = new Set(pool.workers.map((worker) => worker.host)).size;
    const working = pool.workers.filter((worker) => poolVerdict.isAtWork(pool, worker, passed)).length;
    const standingBy = pool.workers.length - lost - working;
    const words = [
      pool.paused ? `${working} paused` : pool.processor === "optimized" && hosts < 2 ? `${working} of ${pool.wanted} at work` : `${working} at work`, standingBy ? `${standingBy} stand by` : "",
      hosts > 1 ? `on ${hosts} machines` : "", lost ? `${lost} lost` : "",
    ];
    dom.text(byId("worker-note"), pool.enabled ? words.filter(Boolean).join(" · ") : "");
    dom.attribute(byId("worker-note"), "data-level", lost ? "bad" : null);
  }

  return { show, remember, ranges };
})();
