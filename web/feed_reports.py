"""The reports of `/feed`: what the top bar and the pages of the system's parts show. Called off the loop."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from core.domain.health import Cause
from core.system import System
from web.feed_frames import CONSUMER


def status(system: System) -> dict[str, Any]:
    """What every page shows, 4/s. `incident` is the newest open one, or null; latency is that of the dashboard's mailbox.

    A venue that nobody configured is no incident: its dot and the Connections page tell what can be done.
    """
    open_incidents = [
        incident
        for incident in system.incidents()
        if not incident["end_ms"] and incident.get("kind") != Cause.NOT_CONFIGURED
    ]
    return {
        "source": system.source,
        "source_detail": system.source_detail,
        "series": system.stream.series_summary(),
        "venues": [
            {key: connection[key] for key in ("venue", "state", "since", "cause")}
            | {key: connection.get(key, "") for key in ("title", "source", "hint")}
            for connection in system.connections()
        ],
        "tickers": system.tickers(),
        "latency_p99_us": system.stream.latency_p99_us(CONSUMER),
        "incident": max(open_incidents, key=lambda incident: incident["start_ms"], default=None),
    }


def waterfall(system: System, consumers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Where the time goes between the venue and the screen: stage, p50, p95, p99, max in µs, in order."""
    found = [(stage["stage"], stage) for stage in system.stages()]
    found += [("receive → consumer", entry["latency_us"]) for entry in consumers if entry["name"] == CONSUMER]
    pixel = system.pixel_latency()
    if pixel["count"]:
        found.append(("receive → pixel", pixel))
    return [{"stage": stage} | {key: figures[key] for key in ("p50", "p95", "p99", "max")} for stage, figures in found]


def monitoring(system: System) -> dict[str, Any]:
    """What the Monitoring page shows, 1/s."""
    consumers = system.stream.consumers()
    return {
        "slo": system.slo(),
        "consumers": consumers,
        "caches": system.caches(),
        "storage": system.storage(),
        "process": system.process(),
        "connections": system.connections(),
        "waterfall": waterfall(system, consumers),
        "incidents": system.incidents()[:50],
    }


def connections(system: System) -> dict[str, Any]:
    """Each venue, and what sharing its connection saves: what the Connections page shows, 1/s."""
    return {"connections": system.connections(), "statistics": system.statistics()}


def books(system: System) -> dict[str, Any]:
    """Integrity of every book, and each symbol with its freshness and source: what the order-book page shows, 1/s."""
    return {"books": system.books(), "symbols": system.stream.symbols()}


def workers(system: System) -> dict[str, Any]:
    """The pool and each of its workers: what the Workers page shows, 1/s."""
    return system.workers_status()


BUILDERS: Mapping[str, Callable[[System], dict[str, Any]]] = {
    "status": status,
    "monitoring": monitoring,
    "connections": connections,
    "books": books,
    "workers": workers,
}
