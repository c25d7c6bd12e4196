"""Patterns of several feeds, found once, kept in memory and in Postgres."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
import pytest

from core.base.clock import ManualClock
from core.storage.pattern_store import PatternStore
from core.workers.patterns.detection import Bar
from core.workers.patterns.pattern_watch import PatternWatch

NOON_MS = 1_723_118_400_000
DAY_MS = 86_400_000


def bars(count: int, first: int = 0) -> list[Bar]:
    """Quiet minutes; every 25th breaks out on eight times the volume."""
    out = []
    for n in range(first, first + count):
        is_loud = n % 25 == 24
        price = 100.0 + n // 25 * 5 + n % 3 * 0.1
        close = price + (4.0 if is_loud else 0.05)
        out.append(Bar(NOON_MS + n * 60_000, price, max(price, close) + 0.1, price - 0.1, close, 80.0 if is_loud else 10.0))
    return out


@pytest.fixture
def watch(dsn: str) -> Iterator[Callable[..., PatternWatch]]:
    made: list[PatternWatch] = []

    def start(url: str = dsn, history: Callable[[str], Sequence[Bar]] = lambda symbol: [], days: int = 0) -> PatternWatch:
        made.append(PatternWatch(PatternStore(url), ManualClock(NOON_MS), history, days))
        made[-1].start()
        return made[-1]

    yield start
    for each in made:
        each.stop(5)


def test_found_patterns_are_told_newest_first_and_stored_once(
    watch: Callable[..., PatternWatch], dsn: str, until: Callable[..., None]
) -> None:
    watching = watch()
    offered = [("ETHUSDT", bar) for bar in bars(60)]
    for start in range(0, 60, 7):
        watching.offer(offered[start : start + 7])
        watching.offer(offered[start : start + 7])  # another feed brings the same minutes
    until(lambda: watching.stats()["bars"] == 120 and not watching.stats()["waiting"])
    recent = watching.recent(1_000)
    assert [p["ts_ms"] for p in recent] == sorted((p["ts_ms"] for p in recent), reverse=True)
    breakouts = [p for p in recent if p["kind"] == "breakout"]
    assert [(p["name"], p["ts_ms"]) for p in breakouts] == [("Breakout up", NOON_MS + n * 60_000) for n in (49, 24)]
    assert "8.0 times their mean volume" in breakouts[0]["reason"]
    stats = watching.stats()
    assert stats["stored"] == stats["found"] == len(recent)
    assert watching.recent(5, "BTCUSDT") == []

    store = PatternStore(dsn)
    kept = store.newest(1_000, "ETHUSDT")
    assert {(p["ts_ms"], p["name"], p["reason"]) for p in kept} == {(p["ts_ms"], p["name"], p["reason"]) for p in recent}
    assert store.newest(3) == kept[:3]
    assert watching.newest(3) == kept[:3]
    assert store.newest(3, "BTCUSDT") == []
    store.close()


def test_minutes_before_the_first_come_from_history(watch: Callable[..., PatternWatch], until: Callable[..., None]) -> None:
    asked: list[str] = []

    def history(symbol: str) -> list[Bar]:
        asked.append(symbol)
        return bars(49)

    watching = watch(history=history)
    watching.offer([("ETHUSDT", bars(1, 49)[0])])
    until(lambda: watching.stats()["found"])
    assert "Breakout up" in {p["name"] for p in watching.recent(100) if p["ts_ms"] == NOON_MS + 49 * 60_000}
    watching.offer([("ETHUSDT", bars(1, 50)[0])])
    until(lambda: watching.stats()["bars"] == 51)
    assert asked == ["ETHUSDT"]


def test_patterns_found_while_postgres_is_away_are_stored_later(
    watch: Callable[..., PatternWatch], dsn: str, until: Callable[..., None]
) -> None:
    watching = watch()
    with psycopg.connect(dsn.replace("/pipeline_", "/postgres?x=").split("?x=")[0] + "?" + dsn.split("?", 1)[1]) as admin:
        admin.autocommit = True
        name = dsn.rpartition("/")[2].split("?")[0]
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        watching.offer([("ETHUSDT", bar) for bar in bars(60)])
        until(lambda: watching.stats()["last_error"])
        assert watching.stats()["waiting"] == watching.stats()["found"] > 0
        assert watching.newest(10) == watching.recent(10) != [], "pages have them all the same"
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
    until(lambda: watching.stats()["waiting"] == 0)
    assert watching.stats()["stored"] == watching.stats()["found"]


def test_old_patterns_are_dropped(watch: Callable[..., PatternWatch], dsn: str, until: Callable[..., None]) -> None:
    store = PatternStore(dsn)
    row = ("ETHUSDT", NOON_MS - 3 * DAY_MS, "gap", "Gap up", 1, 0.5, 100.0, "opened higher")
    assert store.add([row, (*row[:1], NOON_MS - DAY_MS, *row[2:])]) == 2
    assert store.add([row]) == 0
    watching = watch(days=2)
    watching.offer([("ETHUSDT", bars(1)[0])])
    until(lambda: [p["ts_ms"] for p in store.newest(10) if p["kind"] == "gap"] == [NOON_MS - DAY_MS])
    store.close()


def test_a_minute_that_cannot_be_understood_costs_only_itself(
    watch: Callable[..., PatternWatch], until: Callable[..., None]
) -> None:
    watching = watch()
    broken: Any = Bar("noon", 1.0, 1.0, 1.0, 1.0, 1.0)  # type: ignore[arg-type]
    watching.offer([("BAD", broken), *(("ETHUSDT", bar) for bar in bars(60))])
    until(lambda: watching.stats()["last_error"])
    watching.offer([("ETHUSDT", bars(1, 60)[0])])
    until(lambda: watching.stats()["bars"] >= 60)
