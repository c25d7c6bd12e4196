"""The success metrics of the design, measured on the running system: target, value now, and whether it holds."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec


class Metric(msgspec.Struct, frozen=True):
    """One success metric. `value` None = nothing measured yet (then `ok` is None too); `how` says how it is measured."""

    name: str
    target: str
    value: float | None
    unit: str
    ok: bool | None
    how: str


class Inputs(msgspec.Struct, frozen=True):
    """What the metrics are computed from: the snapshots that the API shows."""

    consumers: Sequence[Mapping[str, Any]]
    series: Sequence[Mapping[str, Any]]
    connections: Sequence[Mapping[str, Any]]
    caches: Sequence[Mapping[str, Any]]
    storage: Mapping[str, Any]
    process: Mapping[str, Any]
    #: p99 of tick → pixel as browsers reported it, microseconds; None without a browser
    pixel_p99_us: float | None
    #: from the start of the process to the first candle, ms; None until it is there
    first_candle_ms: float | None


def _metric(name: str, target: str, value: float | None, unit: str, ok: bool, how: str) -> Metric:
    return Metric(name, target, None if value is None else round(value, 4), unit, None if value is None else ok, how)


def success_metrics(seen: Inputs) -> list[Metric]:
    """All metrics, in the order of the design's budget table."""
    busy = [c for c in seen.consumers if c["delivered"]]
    p99_ms = max((c["latency_us"]["p99"] / 1e3 for c in busy if c["latency_us"]["p99"]), default=None)
    delivered = sum(c["delivered"] for c in seen.consumers)
    errors = sum(c["errors"] for c in seen.consumers)
    dropped = sum(c["dropped"] for c in seen.consumers)
    backlog = max((c["queue"] for c in busy), default=None)
    rss_mb = seen.process["rss_bytes"] / 1e6 if seen.process else None
    asked = sum(c["hits"] + c["misses"] for c in seen.caches)
    hit_rate = 100 * sum(c["hits"] for c in seen.caches) / asked if asked else None
    filled = [s for s in seen.series if s["rows"]]
    complete = 100 * min(s["completeness"] for s in filled) if filled else None
    compared = sum(s["reconciled"] + s["differences"] for s in seen.series)
    differing = sum(s["differences"] for s in seen.series)
    saved = 100 * seen.storage["writes_saved"] if seen.storage.get("rows_written") else None
    venues = [c["venue"] for c in seen.connections]
    channels = [(c["venue"], s["channel"]) for c in seen.connections for s in c["subscriptions"]]
    single = len(set(venues)) == len(venues) and len(set(channels)) == len(channels)
    return [
        _metric(
            "Source → consumer, p99", "≤ 1 ms", p99_ms, "ms", (p99_ms or 0) <= 1, "Frame read to hand-over, worst consumer"
        ),
        _metric(
            "Consumer backlog",
            "≤ 1,000 messages",
            backlog,
            "messages",
            (backlog or 0) <= 1000,
            "Longest mailbox at this moment",
        ),
        _metric(
            "Failed distributions",
            "0",
            100 * errors / delivered if delivered else None,
            "%",
            errors == 0,
            "Handler errors per delivered message",
        ),
        _metric(
            "Dropped messages",
            "0",
            dropped if delivered else None,
            "messages",
            dropped == 0,
            "Messages lost to full bounded mailboxes",
        ),
        _metric("Memory, main process", "≤ 300 MB", rss_mb, "MB", (rss_mb or 0) <= 300, "Resident set size of the process"),
        _metric(
            "Cache hit rate, history",
            "≥ 95 %",
            hit_rate,
            "%",
            (hit_rate or 0) >= 95,
            "Hits of all requests to the history caches",
        ),
        _metric(
            "Completeness of the series",
            "100 %",
            complete,
            "%",
            (complete or 0) >= 100,
            "Whole rows of rows due, worst series",
        ),
        _metric(
            "Bars equal to the venue's own",
            "100 %",
            100 * (1 - differing / compared) if compared else None,
            "%",
            differing == 0,
            "Bars built from trades against the venue's closed bars",
        ),
        _metric("Database writes saved", "≥ 98 %", saved, "%", (saved or 0) >= 98, "1 − statements ÷ rows written"),
        _metric(
            "Connections per venue",
            "1",
            max((venues.count(v) for v in venues), default=None),
            "connections",
            single,
            "One connection per venue, one subscription per channel",
        ),
        _metric(
            "Tick → pixel, p99",
            "≤ 50 ms",
            seen.pixel_p99_us / 1e3 if seen.pixel_p99_us is not None else None,
            "ms",
            (seen.pixel_p99_us or 0) <= 50_000,
            "From the frame's read to the painted chart, as browsers tell",
        ),
        _metric(
            "First candle after start",
            "≤ 3 s",
            seen.first_candle_ms / 1e3 if seen.first_candle_ms is not None else None,
            "s",
            (seen.first_candle_ms or 0) <= 3_000,
            "From the start of the process to the first published bar",
        ),
    ]
