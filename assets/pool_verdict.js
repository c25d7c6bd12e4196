/* Does the pool keep up? One verdict from a report, its age, and the lag of some seconds ago. Pure. */
"use strict";
window.quintet = window.quintet || {};
window.quintet.poolVerdict = (() => {
  const SILENT_MS = 5000;        // the report comes each second
  const LOST_MS = 5000;          // a worker's status expires after this
  const OLD_MS = 5000;           // an entry unacknowledged for longer is stuck
  const q = () => window.quintet;
  const count = (value) => q().format.si(value);
  const ticks = (number) => `${count(number)} tick${number === 1 ? "" : "s"}`;

  const isLost = (worker, passed = 0) => worker.state === "LOST" || worker.age_ms + passed > LOST_MS;

  /** Takes ticks, or would if the pool were not paused: the workers of the processor that is not chosen stand by. */
  const isAtWork = (pool, worker, passed = 0) => !isLost(worker, passed) && (pool.paused || worker.state !== "PAUSED");

  const waiting = (pool) => (pool.lag || 0) + (pool.pending || 0);

  /** What Quintet does while a server is away, by the server. */
  function away(pool) {
    const spooled = (pool.producer || {}).spooled || 0;
    if (pool.redis && pool.redis !== "ok") {
      return ["Redis is away", `${count(spooled)} new ticks are spooled on disk, nothing is lost, and the workers go on by themselves. `
        + `What to do: see that the server at REDIS_URL runs (${pool.redis}).`];
    }
    return ["Postgres is away", `${ticks(waiting(pool))} wait in the stream: nothing is acknowledged before it is stored, nothing is lost. `
      + `What to do: see that the server at DATABASE_URL runs (${pool.postgres}).`];
  }

  function behind(pool, lagBefore) {
    const change = pool.lag - lagBefore;
    const hint = `${ticks(pool.lag)} are not read yet, ${count(pool.pending)} are in work.`;
    if (change > 0) return { words: `Falling behind by ${count(change)} in 10 s`, level: "bad", hint: `${hint} What to do: more workers, below, or another machine on this Redis.` };
    const left = change < 0 ? ` At this speed that takes ${q().format.millis((pool.lag / -change) * 10000)}.` : "";
    return { words: "Catching up", level: "warn", hint: hint + left };
  }

  /** The states in which the numbers are not of now. `link`: { up }, `silent`: ms since the last report, or none yet. */
  function absent(pool, link, silent, asOf) {
    const { format } = q();
    if (!link.up) return { words: asOf ? `As of ${format.time(asOf)}: the page link is lost` : "The page link is lost", hint: "The pool is not concerned: it goes on without this page." };
    if (silent > SILENT_MS) {
      return { words: `No report of the pool for ${format.millis(silent)}`, hint: "What is shown is as old as that. What to do: if it lasts, look at the server's log." };
    }
    if (!pool) return { words: "Waiting for the first report", hint: "" };
    return null;
  }

  /**
   * { words, level, hint, isStale }. `pool` is the report or null, `silent` its age in ms, `asOf` when it was sent (Unix ms), `passed`
   * the milliseconds since it was heard, `lagBefore` the lag ten seconds ago (undefined: not known yet).
   */
  function of(pool, { link, silent, asOf, passed = 0, lagBefore }) {
    const gone = absent(pool, link, silent, asOf);
    if (gone) return { level: "stale", isStale: true, ...gone };
    if (!pool.enabled) {
      return pool.reason ? { words: "The pool is off", level: "stale", isStale: true, hint: pool.reason }
        : { words: "The pool is starting", level: "warn", isStale: true, hint: pool.cause || "That takes a few seconds." };
    }
    const servers = ["redis", "postgres"].filter((name) => pool[name] && pool[name] !== "ok");
    if (servers.length) {
      const [words, hint] = away(pool);
      return { words, level: "bad", hint, isStale: servers.includes("redis") };
    }
    return { isStale: false, ...judged(pool, passed, lagBefore) };
  }

  function judged(pool, passed, lagBefore) {
    const { format } = q();
    const lost = pool.workers.filter((worker) => isLost(worker, passed));
    if (pool.paused) return { words: "Paused", level: "warn", hint: `${ticks(waiting(pool))} wait in the stream. Nothing is lost: Resume takes them up where they stand.` };
    if (!pool.workers.length) return { words: "The pool is starting", level: "warn", hint: pool.cause || "No worker has reported yet; that takes a few seconds after a start or a switch." };
    if (lost.length) {
      return { words: `${lost.length} of ${pool.workers.length} workers lost`, level: lost.length === pool.workers.length ? "bad" : "warn",
        hint: `${lost.map((worker) => worker.name).join(", ")}: no status for 5 s. The others take over what it had in work; a worker of this machine is started again.` };
    }
    if (pool.cause) return { words: "Held up", level: "warn", hint: pool.cause };
    if (pool.lag > Math.max(500, pool.rate_per_s) && lagBefore !== undefined) return behind(pool, lagBefore);
    if (pool.oldest_unacked_ms > OLD_MS) {
      return { words: `A tick waits ${format.millis(pool.oldest_unacked_ms)} for its acknowledgement`, level: "warn",
        hint: "Another worker claims it and tries again; after five deliveries it goes to the dead letters with its reason." };
    }
    if (!pool.rate_per_s && !pool.lag && !pool.pending) {
      return { words: "Idle: no ticks come", level: "stale", hint: `${count(pool.processed)} stored so far. The market may be closed, or every venue off: see Connections.` };
    }
    const working = pool.workers.filter((worker) => isAtWork(pool, worker, passed)).length;
    return { words: "The pool keeps up", level: "ok", hint: `${count(pool.processed)} ticks stored, each exactly once; ${working} worker${working === 1 ? "" : "s"} at work.` };
  }

  return { of, isLost, isAtWork };
})();
