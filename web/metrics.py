"""`/metrics`: the system's snapshots as Prometheus text. Names follow the Prometheus conventions: base units, `_total`."""

from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from core.domain.health import Freshness, LinkState
from core.system import System
from web.feed import Feed

_QUANTILES = {"p50": "0.5", "p95": "0.95", "p99": "0.99"}


class Metrics(Collector):
    """Reads everything at the moment of the scrape; keeps nothing."""

    def __init__(self, system: System, feed: Feed) -> None:
        self._system = system
        self._feed = feed
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        yield from self._series()
        yield from self._consumers()
        yield from self._connections()
        yield from self._caches()
        yield from _flat("quintet_storage", self._system.storage(), _STORAGE, "Storage")
        yield from _flat("quintet_feed", self._feed.stats(), _FEED, "Live feed to the browsers")
        yield from self._parts()

    def _series(self) -> Iterator[Metric]:
        series = self._system.stream.series_summary()
        yield _gauge("quintet_series_rows", "Rows in memory", ["series"], [((s["name"],), s["rows"]) for s in series])
        ages = [((s["name"],), s["age_ms"] / 1e3) for s in series if s["age_ms"] is not None]
        yield _gauge("quintet_series_age_seconds", "Time since the last update", ["series"], ages)
        complete = [((s["name"],), s["completeness"]) for s in series if s["completeness"] is not None]
        yield _gauge("quintet_series_completeness_ratio", "Share of rows that are there", ["series"], complete)
        states = [((s["name"], state), s["state"] == state) for s in series for state in Freshness]
        yield _gauge("quintet_series_state", "1 for the state the series is in", ["series", "state"], states)
        for name in ("reconciled", "differences", "late", "filled"):
            values = [((s["name"],), s.get(name, 0)) for s in series]
            yield _counter(f"quintet_series_{name}", f"Bars or trades counted as {name}", ["series"], values)

    def _consumers(self) -> Iterator[Metric]:
        consumers = self._system.stream.consumers()
        for name in ("delivered", "dropped", "errors"):
            values = [((c["name"],), c[name]) for c in consumers]
            yield _counter(f"quintet_consumer_{name}", f"Messages or batches: {name}", ["consumer"], values)
        yield _gauge(
            "quintet_consumer_queue", "Messages waiting", ["consumer"], [((c["name"],), c["queue"]) for c in consumers]
        )
        latency = [
            ((c["name"], quantile), c["latency_us"][key] / 1e6)
            for c in consumers
            for key, quantile in _QUANTILES.items()
            if c["latency_us"].get(key) is not None
        ]
        yield _gauge("quintet_consumer_latency_seconds", "From socket to consumer", ["consumer", "quantile"], latency)

    def _connections(self) -> Iterator[Metric]:
        connections = self._system.connections()
        states = [((c["venue"], state), c["state"] == state) for c in connections for state in LinkState]
        yield _gauge("quintet_connection_state", "1 for the state the venue is in", ["venue", "state"], states)
        for name in ("messages", "reconnects", "malformed"):
            values = [((c["venue"],), c.get(name, 0)) for c in connections]
            yield _counter(f"quintet_connection_{name}", f"Connection: {name}", ["venue"], values)
        waiting = [((c["venue"],), c["backlog"]) for c in connections]
        yield _gauge("quintet_connection_backlog", "Read and not handed on yet", ["venue"], waiting)
        gaps = [
            ((c["venue"], s["channel"], s.get("symbol", "")), s["gaps"]) for c in connections for s in c["subscriptions"]
        ]
        yield _counter("quintet_subscription_gaps", "Gaps found", ["venue", "channel", "symbol"], gaps)

    def _caches(self) -> Iterator[Metric]:
        caches = self._system.caches()
        for name in ("hits", "misses"):
            yield _counter(f"quintet_cache_{name}", f"Cache {name}", ["layer"], [((c["layer"],), c[name]) for c in caches])
        for name in ("entries", "bytes"):
            yield _gauge(f"quintet_cache_{name}", f"Cache {name}", ["layer"], [((c["layer"],), c[name]) for c in caches])

    def _parts(self) -> Iterator[Metric]:
        parts = [((part,), state == "ok") for part, state in self._system.components().items()]
        yield _gauge("quintet_component_up", "1 while the part is well", ["component"], parts)
        source = [((str(self._system.source),), 1)]
        yield _gauge("quintet_market_info", "Where the market data comes from", ["source"], source)
        figures = {name: value for name, value in self._system.process().items() if isinstance(value, (int, float))}
        for name, value in figures.items():
            yield _gauge(f"quintet_process_{name}", f"Process: {name}", [], [((), value)])


#: field of a snapshot -> whether it only ever rises
_STORAGE = {
    "rows_written": True,
    "batches": True,
    "duplicates": True,
    "rejected": True,
    "queue": False,
    "spool_bytes": False,
}
_FEED = {
    "opened": True, "refused": True, "stalled": True, "frames": True, "bytes": True, "conflated": True, "bad_messages": True,
    "clients": False,
}  # fmt: skip

_Values = Iterable[tuple[tuple[str, ...], Any]]


def _flat(prefix: str, snapshot: dict[str, Any], fields: dict[str, bool], what: str) -> Iterator[Metric]:
    for name, rises in fields.items():
        if isinstance(snapshot.get(name), (int, float)):
            make = _counter if rises else _gauge
            yield make(f"{prefix}_{name}", f"{what}: {name}", [], [((), snapshot[name])])


def _gauge(name: str, what: str, labels: list[str], values: _Values) -> Metric:
    family = GaugeMetricFamily(name, what, labels=labels)
    for key, value in values:
        family.add_metric(list(key), float(value))
    return family


def _counter(name: str, what: str, labels: list[str], values: _Values) -> Metric:
    family = CounterMetricFamily(name, what, labels=labels)
    for key, value in values:
        family.add_metric(list(key), float(value))
    return family
