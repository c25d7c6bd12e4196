/* The one WebSocket to /feed: kept over page changes, reconnecting for ever. Frames are applied once an animation frame. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.feed = (() => {
  const SILENCE_MS = 1500;       // `status` comes four times a second: longer silence means the link is down
  const CEILING_MS = 8000;
  const PENDING_LIMIT = 400;     // frames kept while the browser does not paint
  const PIXEL_PERIOD_MS = 2000;
  const SESSION_ENDED = 4401;

  /** who wants it -> channels */
  const wishes = new Map();
  /** kind of channel (the part before the colon) -> handlers(frame, name) */
  const handlers = new Map();
  const linkWatchers = new Set();
  const link = { up: false, since: Date.now(), retryAt: 0 };

  let socket = null;
  let attempts = 0;
  let heardAt = -Infinity;
  let asked = "";
  let pending = [];
  let isPosted = false;          // a task that applies the pending frames is on its way
  let isPainting = false;        // frames were applied and are not painted yet
  const task = new MessageChannel();
  const painted = new MessageChannel();
  let paints = [];
  let paintsSentAt = 0;
  const sameMachine = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);

  const nowMs = () => performance.timeOrigin + performance.now();

  function connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(`${scheme}//${location.host}/feed`);
    asked = "";
    socket.onopen = () => request();
    socket.onmessage = (event) => receive(event.data);
    socket.onclose = (event) => {
      socket = null;
      if (event.code === SESSION_ENDED) {
        location.assign("/login?next=" + encodeURIComponent(location.pathname + location.search));
        return;
      }
      setUp(false);
      retry();
    };
  }

  function retry() {
    const ceiling = Math.min(CEILING_MS, 250 * 2 ** Math.min(attempts, 10));
    attempts += 1;
    const wait = 100 + Math.random() * ceiling;
    link.retryAt = Date.now() + wait;
    setTimeout(attempts % 4 === 0 ? checkSession : connect, wait);
  }

  /* A refused handshake does not say why: ask over HTTP whether it is the login that is missing. */
  async function checkSession() {
    try {
      const answer = await fetch("/api/v1/settings", { cache: "no-store" });
      if (answer.status === 401) {
        location.assign("/login?next=" + encodeURIComponent(location.pathname + location.search));
        return;
      }
    } catch {
      /* the server is away: go on trying */
    }
    connect();
  }

  /** Send the channels that are wanted now, unless they were asked for already. */
  function request() {
    if (!socket || socket.readyState !== WebSocket.OPEN) return;
    const channels = document.hidden
      ? ["status"] : [...new Set(["status", ...[...wishes.values()].flat()])].sort();
    const text = JSON.stringify({ op: "subscribe", channels, batch: true });
    if (text !== asked) {
      asked = text;
      socket.send(text);
    }
  }

  function receive(data) {
    heardAt = performance.now();
    attempts = 0;
    setUp(true);
    for (const frame of [].concat(JSON.parse(data))) {
      if (!frame.channel) continue;
      frame.heardAt = heardAt;
      if (!document.hidden) pending.push(frame);
      else if (frame.channel === "status") dispatch(frame);
    }
    if (!pending.length) return;
    if (pending.length > PENDING_LIMIT) restart();
    if (!isPainting && !isPosted) {
      isPosted = true;
      task.port2.postMessage(0);
    }
  }

  /* Too far behind to catch up frame by frame: ask for everything anew. */
  function restart() {
    pending = [];
    if (socket && socket.readyState === WebSocket.OPEN) {
      socket.send(JSON.stringify({ op: "subscribe", channels: ["status"], batch: true }));
      asked = "";
      request();
    }
  }

  /*
   * Apply what came, at most once an animation frame: at once when the last was painted, else right after it is. The charts
   * draw in the animation frame that follows, so what is measured ends with the first task after that.
   */
  function apply() {
    isPosted = false;
    const frames = pending;
    pending = [];
    if (!frames.length) return;
    let received = 0;
    for (const frame of frames) {
      dispatch(frame);
      if (frame.channel.startsWith("series:") && !frame.full && frame.recv_ms > received) received = frame.recv_ms;
    }
    for (const finish of handlers.get("*") || []) finish();
    isPainting = true;
    requestAnimationFrame(() => {
      painted.port1.onmessage = () => {
        isPainting = false;
        if (received && sameMachine) measure(received);
        apply();
      };
      painted.port2.postMessage(0);
    });
  }

  function dispatch(frame) {
    const [kind, name] = frame.channel.split(":");
    for (const handle of handlers.get(kind) || []) handle(frame, name);
  }

  function measure(received) {
    const us = Math.round((nowMs() - received) * 1000);
    if (us >= 0 && us < 60e6 && paints.length < 400) paints.push(us);
    report();
  }

  function report() {
    const now = performance.now();
    if (now - paintsSentAt < PIXEL_PERIOD_MS || !socket || socket.readyState !== WebSocket.OPEN || document.hidden) return;
    paintsSentAt = now;
    socket.send(JSON.stringify({ op: "pixel", us: paints }));
    paints = [];
  }

  function setUp(up) {
    if (link.up === up) return;
    link.up = up;
    link.since = Date.now();
    for (const watcher of linkWatchers) watcher(link);
  }

  /** `owner` wants these channels; an empty list ends its wish. */
  function want(owner, channels) {
    if (channels.length) wishes.set(owner, channels);
    else wishes.delete(owner);
    request();
  }

  /** Call `handler(frame, name)` for channels `kind` or `kind:name`; kind `*`: once after each batch of frames. */
  function on(kind, handler) {
    if (!handlers.has(kind)) handlers.set(kind, []);
    handlers.get(kind).push(handler);
  }

  function start() {
    task.port1.onmessage = apply;
    document.addEventListener("visibilitychange", () => {
      pending = [];
      isPainting = false;
      request();
    });
    setInterval(() => {
      if (link.up && performance.now() - heardAt > SILENCE_MS) {
        setUp(false);
        /* a dead connection may never say so: leave it after a while */
        setTimeout(() => {
          if (!link.up && socket && performance.now() - heardAt > 2 * SILENCE_MS) socket.close();
        }, 2 * SILENCE_MS);
      }
    }, 250);
    connect();
  }

  return { start, want, on, link, onLink: (watcher) => linkWatchers.add(watcher) };
})();
