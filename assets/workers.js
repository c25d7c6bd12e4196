/* The Workers page: one frame a second from the `workers` channel; what ages goes on between frames. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.workers = (() => {
  const q = () => window.quintet;
  const byId = (id) => document.getElementById(id);
  const TICK_MS = 500;
  const TREND = 10;              // frames, a second each, over which the lag's trend is judged
  const MOST_CORES = 64;         // drawn one by one
  let isMounted = false;
  let mountedAt = 0;
  let last = null;
  let lags = [];
  let timer = 0;
  let isPausing = false;

  function mount() {
    isMounted = true;
    mountedAt = performance.now();
    last = null;
    lags = [];
    q().throughput.mount();
    q().deadLetters.mount();
    byId("pool-pause").addEventListener("click", pause);
    q().feed.want("workers", ["workers"]);
    timer = setInterval(tick, TICK_MS);
    showVerdict();
  }

  function unmount() {
    isMounted = false;
    clearInterval(timer);
    q().throughput.unmount();
    q().deadLetters.unmount();
    q().feed.want("workers", []);
  }

  /** Milliseconds since the frame was heard. */
  const passed = () => (last ? performance.now() - last.heardAt : 0);
  const serverNow = () => last.sent_ms + passed();

  // ---- verdict and figures

  function showVerdict() {
    const { dom, poolVerdict, feed } = q();
    const verdict = poolVerdict.of(last, {
      link: feed.link, silent: last ? passed() : performance.now() - mountedAt, asOf: last ? last.sent_ms : 0, passed: passed(), lagBefore: lags.length > TREND ? lags[0] : undefined,
    });
    dom.text(byId("pool-verdict"), verdict.words);
    dom.attribute(byId("pool-verdict"), "data-level", verdict.level);
    dom.text(byId("pool-hint"), verdict.hint);
    dom.attribute(byId("pool-hint"), "title", verdict.hint);
    dom.attribute(byId("page-workers"), "data-stale", verdict.isStale ? "true" : null);
  }

  function showFigures(pool) {
    const { format, dom } = q();
    const batch = pool.batch_ms || {};
    const figures = {
      rate: [format.si(pool.rate_per_s, pool.rate_per_s < 100 ? 1 : 0)], p50: [format.millis(batch.p50)], p99: [format.millis(batch.p99), batch.p99 > 10 ? "warn" : null],
      pending: [format.si(pool.pending)], oldest: [pool.pending ? format.age(pool.oldest_unacked_ms) : "none", pool.pending && pool.oldest_unacked_ms > 5000 ? "warn" : null],
      lag: [format.si(pool.lag), pool.lag > Math.max(500, pool.rate_per_s) ? "warn" : null], dead: [format.si(pool.dead_letters), pool.dead_letters ? "warn" : null],
      errors: [format.si(pool.errors), pool.errors ? "warn" : null], duplicates: [format.si(pool.duplicates)],
    };
    for (const [key, [value, level]] of Object.entries(figures)) {
      dom.text(byId("pool-" + key), value);
      dom.attribute(byId("pool-" + key), "data-level", level);
    }
  }

  // ---- controls: what the pool reports, not what was clicked

  const PROCESSOR_WORDS = {
    optimized: "Processes side by side, group commits: for streams that never pause.",
    standard: "One process with threads, Polars batches and pattern detection.",
  };

  function showControls(pool) {
    const { dom, settingChoice } = q();
    const [processor, count, isPaused] = [
      settingChoice.current("workers.processor", pool.processor), settingChoice.current("workers.count", pool.count), settingChoice.current("workers.paused", pool.paused),
    ];
    settingChoice.show("workers.processor", processor);
    settingChoice.show("workers.count", count);
    dom.text(byId("processor-words"), PROCESSOR_WORDS[processor] || "");
    dom.text(byId("count-words"), count === null ? `Auto: 70 % of the cores, at least 5, at most 8: ${pool.wanted} here.` : "Of this machine; other machines add theirs.");
    for (const button of document.querySelectorAll("#pool-controls [data-setting]")) button.disabled = !pool.enabled;
    const button = byId("pool-pause");
    button.disabled = !pool.enabled || isPausing;
    dom.text(button, isPaused ? "Resume" : "Pause");
    dom.attribute(button, "data-paused", String(isPaused));
    dom.text(byId("pause-words"), isPaused ? "Ticks gather in the stream, and wait." : "Ticks are taken up as they come.");
  }

  async function pause() {
    if (!last || isPausing) return;
    isPausing = true;
    byId("pool-pause").disabled = true;
    await q().settingChoice.set("workers.paused", !q().settingChoice.current("workers.paused", last.paused));
    isPausing = false;
    if (isMounted && last) showControls(last);
  }

  // ---- machine and stream

  function showCores(pool) {
    const { dom } = q();
    const { total = 0, performance: fast = null, efficiency: slow = null, kind = "" } = pool.cores || {};
    const box = byId("core-map");
    const shape = [total, fast, slow].join();
    if (box.dataset.shape !== shape) {
      box.dataset.shape = shape;
      const kindOf = (n) => (fast === null ? "any" : n < fast ? "performance" : "efficiency");
      const letter = { performance: "P", efficiency: "E", any: "" };
      box.replaceChildren(...Array.from({ length: Math.min(total, MOST_CORES) }, (_, n) => dom.make("span", { class: "core", "data-core": kindOf(n) }, letter[kindOf(n)])));
    }
    const kinds = fast === null ? "" : `: ${fast} performance, ${slow} efficiency`;
    const words = `${kind ? `${kind}, ` : ""}${total} core${total === 1 ? "" : "s"}${kinds}`;
    dom.text(byId("core-words"), words);
    dom.attribute(box, "aria-label", words);
  }

  function showStandsOn(pool) {
    const { format, table } = q();
    const producer = pool.producer || {};
    const server = (state) => [state === "ok" ? "answers" : "away", state === "ok" ? null : state, state === "ok" ? "ok" : "bad"];
    table.figures(byId("pool-stands-on"), [
      ["Redis", ...server(pool.redis)], ["Postgres", ...server(pool.postgres)],
      ["Stream length", format.si(pool.length), "Entries in ticks:intraday:processed; what is stored is trimmed, what is not never"],
      ["Published", `${format.si(producer.rate_per_s, producer.rate_per_s < 100 ? 1 : 0)} /s`, `${format.count(producer.published)} ticks of all venues since the start`],
      ["Spooled", format.si(producer.spooled), "Ticks that wait on disk while Redis is away", producer.spooled ? "warn" : null],
      ["Dropped", format.si(producer.dropped), "Ticks lost because the spool was full", producer.dropped ? "bad" : null],
      ["Batch size", `${format.si(pool.batch_size)} ticks`, "A batch closes at this many ticks, or after 10 ms"],
    ]);
  }

  // ---- frames

  function show() {
    const pool = last;
    showVerdict();
    showFigures(pool);
    showControls(pool);
    showCores(pool);
    showStandsOn(pool);
    q().workerRows.show(pool, passed(), serverNow());
    q().throughput.show(pool.history || [], serverNow());
    q().deadLetters.show(pool.dead_letters || 0);
  }

  function tick() {
    if (document.hidden) return;
    showVerdict();
    if (!last) return;
    q().workerRows.show(last, passed(), serverNow());
    q().deadLetters.tick();
  }

  function onFrame(frame) {
    last = { workers: [], ...frame };
    q().workerRows.remember(last.workers);
    lags = [...lags.slice(-TREND), last.lag || 0];
    if (isMounted) show();
  }

  function start() {
    q().feed.on("workers", onFrame);
    q().appearance.onChange(() => { if (isMounted) q().throughput.restyle(); });
  }

  return { start, mount, unmount };
})();
