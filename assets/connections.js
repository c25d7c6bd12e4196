/* The Connections page: one frame a second from the `connections` channel; what ages goes on between frames. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.connections = (() => {
  const TICK_MS = 500;
  /* this script is loaded before those whose parts it uses */
  const q = () => window.quintet;
  const byId = (id) => document.getElementById(id);
  /** venue -> its last messages a second, oldest first */
  const rates = new Map();
  let isMounted = false;
  let last = null;
  let timer = 0;

  function mount(root) {
    isMounted = true;
    q().subscriptions.mount(root);
    q().incidents.mount(root);
    q().feed.want("connections", ["connections"]);
    timer = setInterval(tick, TICK_MS);
    if (last) show();
  }

  function unmount() {
    isMounted = false;
    clearInterval(timer);
    q().feed.want("connections", []);
  }

  /** Milliseconds since the frame was heard. */
  const passed = () => performance.now() - last.heardAt;

  /** The server's time now. */
  const serverNow = () => last.sent_ms + passed();

  // ---- verdict and sharing

  const isConfigured = (c) => c.state !== "NOT CONFIGURED";
  const nameOf = (c) => c.title || c.venue;

  function verdict(connections) {
    const used = connections.filter(isConfigured);
    if (!connections.length) return ["The venues are being started", "stale"];
    const unsound = used.filter((c) => c.state !== "LIVE");
    if (!q().feed.link.up) return [`As of ${q().format.time(last.sent_ms)}: the page link is lost`, "stale"];
    if (!used.length) return ["No venue is configured", "stale"];
    if (!unsound.length) return [used.length === 1 ? `${nameOf(used[0])} is sound` : `All ${used.length} venues are sound`, "ok"];
    const grave = unsound.some((c) => q().venueCard.level(c.state) === "bad");
    return [unsound.map((c) => `${nameOf(c)} is ${c.state}`).join(", "), grave ? "bad" : "warn"];
  }

  function showVerdict(connections) {
    const [words, level] = verdict(connections);
    q().dom.text(byId("connections-verdict"), words);
    q().dom.attribute(byId("connections-verdict"), "data-level", level);
  }

  const sum = (list, key) => list.reduce((total, item) => total + (item[key] || 0), 0);

  function showSharing(connections, statistics) {
    const { format, dom } = q();
    const { cache = {}, memory = {} } = statistics;
    const open = statistics.connections ?? connections.filter((c) => c.state === "LIVE").length;
    const subscriptions = statistics.subscriptions ?? connections.reduce((n, c) => n + (c.subscriptions || []).length, 0);
    const calls = statistics.api_calls ?? (connections.some((c) => format.isNumber(c.api_calls)) ? sum(connections, "api_calls") : undefined);
    const updates = statistics.updates_per_s ?? sum(connections, "rate_per_s");
    const asked = (cache.hits || 0) + (cache.misses || 0);
    const figures = {
      connections: format.si(open), subscriptions: format.si(subscriptions), subscribers: format.si(statistics.subscribers), calls: format.si(calls),
      updates: format.si(updates, updates < 100 ? 1 : 0), cache: asked ? format.percent(cache.hit_rate) : cache.hits === undefined ? format.NONE : "not asked",
      memory: format.bytes(memory.bytes),
    };
    for (const [key, value] of Object.entries(figures)) dom.text(byId("sharing-" + key), value);
    const subscribers = format.isNumber(statistics.subscribers) ? `, ${format.count(statistics.subscribers)} subscribers` : "";
    dom.text(byId("sharing-sentence"), `1 connection a venue, ${format.count(subscriptions)} subscriptions${subscribers}: one listener more costs no venue a call.`);
  }

  // ---- cards

  function showCards(connections, now) {
    const box = byId("connection-cards");
    const cards = new Map([...box.children].map((card) => [card.dataset.venue, card]));
    for (const venue of connections) {
      let card = cards.get(venue.venue);
      if (!card) {
        card = q().venueCard.create(box.firstElementChild, venue);
        box.append(card);
      }
      cards.delete(venue.venue);
      q().venueCard.show(card, venue, rates.get(venue.venue) || [], now, passed());
    }
    if (!connections.length) return;
    for (const absent of cards.values()) q().dom.hide(absent, true);
  }

  function remember(connections) {
    for (const { venue, rate_per_s: rate } of connections) {
      const ring = rates.get(venue) || new Array(q().venueCard.RING).fill(null);
      ring.push(q().format.isNumber(rate) ? rate : null);
      ring.shift();
      rates.set(venue, ring);
    }
  }

  // ---- frames

  function show() {
    const connections = last.connections || [];
    const now = serverNow();
    showVerdict(connections);
    showSharing(connections, last.statistics || {});
    showCards(connections, now);
    inTurn([() => q().subscriptions.show(connections, last.heardAt), () => q().incidents.show(connections, serverNow())]);
  }

  /** Each part in an animation frame of its own, so that no frame is late for all of them together. */
  function inTurn(parts) {
    if (!parts.length) return;
    requestAnimationFrame(() => {
      if (!isMounted) return;
      parts[0]();
      inTurn(parts.slice(1));
    });
  }

  function tick() {
    if (!last || document.hidden) return;
    const now = serverNow();
    showVerdict(last.connections || []);
    for (const venue of last.connections || []) {
      const card = byId("venue-" + venue.venue);
      if (card) q().venueCard.tick(card, venue, now, passed());
    }
    q().subscriptions.tick();
  }

  function onFrame(frame) {
    last = frame;
    remember(frame.connections || []);
    if (isMounted) show();
  }

  const start = () => q().feed.on("connections", onFrame);

  return { start, mount, unmount };
})();
