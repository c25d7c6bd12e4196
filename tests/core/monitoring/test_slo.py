from typing import Any

from core.monitoring.slo import Inputs, Metric, success_metrics


def consumer(**changes: Any) -> dict[str, Any]:
    return {"delivered": 1_000, "dropped": 0, "errors": 0, "queue": 2, "latency_us": {"p99": 400.0}} | changes


def measure(**changes: Any) -> dict[str, Metric]:
    inputs: dict[str, Any] = {
        "consumers": [consumer()],
        "series": [{"rows": 10, "completeness": 1.0, "reconciled": 5, "differences": 0}],
        "connections": [{"venue": "binance", "subscriptions": [{"channel": "ethusdt@trade"}, {"channel": "btcusdt@trade"}]}],
        "caches": [{"hits": 99, "misses": 1}],
        "storage": {"rows_written": 1_000, "writes_saved": 0.995},
        "process": {"rss_bytes": 200_000_000},
        "pixel_p99_us": 20_000.0,
        "first_candle_ms": 1_500.0,
    }
    return {m.name: m for m in success_metrics(Inputs(**(inputs | changes)))}


def test_a_healthy_system_meets_every_metric() -> None:
    assert {m.name for m in measure().values() if m.ok is not True} == set()


def test_what_was_not_measured_has_neither_value_nor_verdict() -> None:
    metrics = measure(consumers=[], series=[], caches=[], storage={}, process={}, pixel_p99_us=None, first_candle_ms=None)
    for name in ("Source → consumer, p99", "Cache hit rate, history", "Tick → pixel, p99", "First candle after start"):
        assert metrics[name].value is None
        assert metrics[name].ok is None


def test_each_violation_is_told() -> None:
    bad = {
        "Source → consumer, p99": measure(consumers=[consumer(latency_us={"p99": 1_500.0})]),
        "Failed distributions": measure(consumers=[consumer(errors=1)]),
        "Dropped messages": measure(consumers=[consumer(dropped=1)]),
        "Consumer backlog": measure(consumers=[consumer(queue=5_000)]),
        "Memory, main process": measure(process={"rss_bytes": 301_000_000}),
        "Cache hit rate, history": measure(caches=[{"hits": 94, "misses": 6}]),
        "Completeness of the series": measure(series=[{"rows": 9, "completeness": 0.99, "reconciled": 1, "differences": 0}]),
        "Bars equal to the venue's own": measure(
            series=[{"rows": 9, "completeness": 1.0, "reconciled": 9, "differences": 1}]
        ),
        "Database writes saved": measure(storage={"rows_written": 9, "writes_saved": 0.9}),
        "Connections per venue": measure(connections=[{"venue": "binance", "subscriptions": []}] * 2),
        "Tick → pixel, p99": measure(pixel_p99_us=51_000.0),
        "First candle after start": measure(first_candle_ms=3_100.0),
    }
    assert {name: metrics[name].ok for name, metrics in bad.items()} == dict.fromkeys(bad, False)
    assert set(bad) == set(measure())
