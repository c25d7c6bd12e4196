/* The Monitoring page: one frame a second, only what changed is written. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.monitoring = (() => {
  const { byId, text, attribute } = window.quintet.dom;
  const format = window.quintet.format;
  const RING = 180;              // seconds that the sparklines show
  const LEVELS = { LIVE: "ok", LATE: "warn", STALE: "bad", DEAD: "bad", CONNECTING: "warn", SYNCING: "warn", RECONNECTING: "bad", BANNED: "bad", STOPPED: "stale" };

  const STORAGE_LEVELS = { writing: "ok", draining: "warn", starting: "warn" };

  /** metric -> its last values, oldest first; kept while the page is elsewhere only as far as frames came */
  const rings = new Map();
  let isMounted = false;
  let last = null;
  let chosen = "dashboard";      // the consumer whose histogram is drawn large
  let slowTimer = 0;

  function mount() {
    isMounted = true;
    tellScheme();
    window.quintet.feed.want("monitoring", ["monitoring"]);
    slowTimer = setInterval(showFigures, 1000);
    if (last) show(last);
  }

  function unmount() {
    isMounted = false;
    clearInterval(slowTimer);
    window.quintet.feed.want("monitoring", []);
  }

  function tellScheme() {
    if (isMounted) window.dash_clientside.set_props("monitoring-scheme", { data: window.quintet.appearance.scheme() });
  }

  // ---- success metrics

  const isWaiting = (metric) => metric.ok === null || metric.ok === undefined;
  const rank = (metric) => (isWaiting(metric) ? 1 : metric.ok ? 2 : 0);

  /** How much of the limit is used, for the order of metrics that hold; limits are written as `≤ 50 ms`, `≥ 95 %`, `0`, `100 %`. */
  function used(metric) {
    const limit = Number((metric.target.replace(/,/g, "").match(/[\d.]+/) || [])[0]);
    if (!format.isNumber(metric.value) || !limit) return 0;
    return metric.target.startsWith("≥") ? limit / Math.max(metric.value, 1e-9) : metric.value / limit;
  }

  function worded(metric) {
    if (!format.isNumber(metric.value)) return "not yet";
    const value = metric.value;
    if (metric.unit === "ms") return format.millis(value);
    if (metric.unit === "s") return format.micros(value * 1e6);
    const decimals = Number.isInteger(value) ? 0 : value >= 100 ? 1 : 2;
    const unit = ["messages", "connections"].includes(metric.unit) ? "" : " " + (metric.unit || "");
    return (format.si(value, decimals) + unit).trim();
  }

  const targetOf = (metric) => metric.target.replace(/(\d),(?=\d{3})/g, "$1\u2009").replace(" messages", "");

  function remember(metrics) {
    for (const metric of metrics) {
      const ring = rings.get(metric.name) || [];
      ring.push(format.isNumber(metric.value) ? metric.value : null);
      if (ring.length > RING) ring.shift();
      rings.set(metric.name, ring);
    }
  }

  function showMetrics(metrics) {
    const ordered = [...metrics].sort((a, b) => rank(a) - rank(b) || used(b) - used(a));
    window.quintet.table.fill(byId("slo-rows"), ordered.map((metric) => {
      const level = isWaiting(metric) ? "stale" : metric.ok ? "ok" : "bad";
      return {
        key: metric.name, title: metric.how,
        cells: [
          { text: isWaiting(metric) ? "…" : metric.ok ? "✓" : "✗", level, class: "mark", title: isWaiting(metric) ? "nothing measured yet" : metric.ok ? "holds" : "does not hold" },
          metric.name, targetOf(metric), { text: worded(metric), level },
          { class: "spark-cell", draw: (cell) => window.quintet.sparkline.line(cell, rings.get(metric.name) || [], metric.name) },
        ],
      };
    }));
    const failing = metrics.filter((m) => m.ok === false).length;
    const held = metrics.filter((m) => m.ok === true).length;
    text(byId("slo-note"), failing ? `${failing} of ${metrics.length} do not hold` : `${held} of ${metrics.length} hold`);
    attribute(byId("slo-note"), "data-level", failing ? "bad" : "ok");
  }

  // ---- tables

  function showConsumers(consumers) {
    const figure = (value, bad) => ({ text: format.si(value), level: bad && value ? "bad" : null });
    window.quintet.table.fill(byId("consumer-rows"), consumers.map((c) => {
      const l = c.latency_us || {};
      return {
        key: c.name, selected: c.name === chosen, level: c.enabled === false ? "stale" : null,
        title: c.last_error ? `Last error: ${c.last_error}` : `${c.policy || ""}: click to see its histogram`,
        run: () => {
          chosen = c.name;
          if (last) show(last);
        },
        cells: [
          c.name + (c.enabled === false ? " (off)" : ""), (c.data_types || []).join(", "), format.si(c.rate_per_s, c.rate_per_s < 100 ? 1 : 0),
          figure(c.delivered), figure(c.dropped, true), figure(c.errors, true),
          { text: format.si(c.queue), title: c.bound ? `bound ${format.count(c.bound)}` : null, level: c.bound && c.queue > c.bound / 2 ? "warn" : null },
          format.micros(l.p50), format.micros(l.p95), format.micros(l.p99), format.micros(l.max),
          { class: "spark-cell", draw: (cell) => window.quintet.sparkline.bars(cell, (c.histogram || {}).counts || [], `${c.name} latency histogram`) },
        ],
      };
    }));
    const rate = consumers.reduce((sum, c) => sum + (c.rate_per_s || 0), 0);
    text(byId("consumer-note"), `${consumers.length} consumers · ${format.si(rate, rate < 100 ? 1 : 0)} messages/s`);
  }

  function showChannels(connections) {
    const rows = connections.flatMap((c) => (c.subscriptions || []).map((s) => ({
      key: `${c.venue} ${s.channel} ${s.symbol || ""}`, title: s.last_cause || c.cause || null,
      cells: [
        s.symbol && !String(s.channel).includes(String(s.symbol).toLowerCase()) ? `${s.channel} ${s.symbol}` : s.channel,
        { text: s.state, level: LEVELS[s.state] || "stale" }, format.age(s.age_ms), format.si(s.rate_per_s, 1),
        { text: format.si(s.gaps), level: s.gaps ? "warn" : null },
      ],
    }))).sort((a, b) => (a.cells[1].text === "LIVE") - (b.cells[1].text === "LIVE"));
    window.quintet.table.fill(byId("channel-rows"), rows);
    const frames = connections.reduce((sum, c) => sum + (c.rate_per_s || 0), 0);
    text(byId("channel-note"), connections.length ? `${connections.map((c) => c.venue).join(", ")} · ${format.si(frames, 1)} frames/s` : "");
  }

  function showCaches(caches) {
    window.quintet.table.fill(byId("cache-rows"), caches.map((c) => ({
      key: c.layer || c.name,
      cells: [
        c.layer || c.name, { text: c.hits + c.misses ? format.percent(c.hit_rate) : "not asked", level: c.hits + c.misses > 20 && c.hit_rate < 0.8 ? "warn" : null },
        format.si(c.hits), format.si(c.misses), format.si(c.entries), format.bytes(c.bytes),
      ],
    })));
  }

  function showIncidents(incidents) {
    window.quintet.table.fill(byId("incident-rows"), incidents.slice(0, 12).map((i) => ({
      key: `${i.component} ${i.start_ms} ${i.cause}`, level: i.end_ms ? null : "bad", title: i.detail || null,
      cells: [
        { text: format.stamp(i.start_ms), title: format.utc(i.start_ms), class: "num" },
        i.end_ms ? format.millis(i.end_ms - i.start_ms) : { text: "open", level: "bad" }, i.component,
        { text: i.cause, title: i.detail ? `${i.cause}: ${i.detail}` : i.cause, class: "cause-cell" },
      ],
    })));
  }

  // ---- storage and process, at most once a second

  function showFigures() {
    if (!last || !isMounted || document.hidden) return;
    const s = last.storage || {};
    const p = last.process || {};
    window.quintet.table.figures(byId("storage-figures"), [
      ["Rows written", format.si(s.rows_written)], ["Batches", format.si(s.batches)],
      ["Rows per batch", format.si(s.rows_per_batch, 1)], ["Writes saved", format.percent(s.writes_saved, 2)],
      ["Queue", format.si(s.queue)], ["Spool on disk", format.bytes(s.spool_bytes), "Rows waiting on disk while Postgres is away", s.spool_bytes ? "warn" : null],
      ["Last error", s.last_error || "none", s.last_error || null, s.last_error ? "warn" : null],
    ]);
    text(byId("storage-state"), s.state || "");
    attribute(byId("storage-state"), "data-level", STORAGE_LEVELS[s.state] || "bad");
    const lags = Object.entries(p.loop_lag_us || {}).map(([name, lag]) => [
      `Loop lag, ${name}`, `${format.micros(lag.p99)} p99`, `p50 ${format.micros(lag.p50)}, max ${format.micros(lag.max)}`, lag.p99 > 50000 ? "warn" : null,
    ]);
    window.quintet.table.figures(byId("process-figures"), [
      ["Memory", format.bytes(p.rss_bytes), "Resident set size"],
      ["CPU", format.isNumber(p.cpu_percent) ? format.fixed(p.cpu_percent, 0) + " %" : format.NONE, `100 % = one core of ${p.cores}`],
      ...lags, ["Threads", format.si(p.threads)], ["Up for", format.millis(p.uptime_ms)],
    ]);
  }

  // ---- figures

  function showWaterfall(stages) {
    const names = stages.map((s) => s.stage);
    const keys = ["p50", "p95", "p99"];
    window.quintet.plots.fill("waterfall", {
      x: keys.map((k) => stages.map((s) => Math.max(1, s[k]))), y: keys.map(() => names),
      customdata: keys.map((k) => stages.map((s) => format.micros(s[k]))),
    }, [0, 1, 2]);
    const words = stages.map((s) => `${s.stage}: ${format.micros(s.p50)} / ${format.micros(s.p95)} / ${format.micros(s.p99)}`);
    text(byId("waterfall-note"), words.join(" · ") || "Nothing measured yet.");
    text(byId("waterfall-total"), "p50 / p95 / p99");
  }

  function showHistogram(consumers) {
    const consumer = consumers.find((c) => c.name === chosen) || consumers[0];
    if (!consumer || !consumer.histogram) return;
    const { edges_us: edges, counts } = consumer.histogram;
    const labels = edges.map((e) => "≤ " + format.micros(e)).concat(edges.length ? ["> " + format.micros(edges[edges.length - 1])] : []);
    window.quintet.plots.fill("histogram", { x: [labels], y: [counts] }, [0]);
    text(byId("histogram-note"), consumer.name);
  }

  // ---- frames

  function show(frame) {
    showMetrics(frame.slo || []);
    showConsumers(frame.consumers || []);
    showChannels(frame.connections || []);
    showCaches(frame.caches || []);
    showIncidents(incidentsOf(frame));
    showWaterfall(frame.waterfall || []);
    showHistogram(frame.consumers || []);
  }

  /* The venues carry their own; the frame may carry those of our other parts too. */
  function incidentsOf(frame) {
    const venues = (frame.connections || []).flatMap((c) => (c.incidents || []).map((i) => ({ component: c.venue, ...i })));
    return [...(frame.incidents || venues)].sort((a, b) => (a.end_ms !== 0) - (b.end_ms !== 0) || b.start_ms - a.start_ms);
  }

  function onFrame(frame) {
    const isFirst = last === null;
    last = frame;
    remember(frame.slo || []);
    if (!isMounted) return;
    show(frame);
    if (isFirst) showFigures();
  }

  function start() {
    window.quintet.feed.on("monitoring", onFrame);
    window.quintet.appearance.onChange((name) => {
      if (name === "theme") tellScheme();
    });
  }

  return { start, mount, unmount };
})();
