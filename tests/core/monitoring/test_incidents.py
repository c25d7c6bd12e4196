from core.base.clock import ManualClock
from core.monitoring.incidents import IncidentLog


def test_an_incident_opens_once_and_closes_with_its_end() -> None:
    clock = ManualClock(1_000)
    log = IncidentLog(clock)
    log.open("postgres", "postgres: connection refused")
    clock.advance(5)
    log.open("postgres", "postgres: connection refused")
    assert [(i.start_ms, i.end_ms) for i in log.all()] == [(1_000, 0)]
    log.close("postgres")
    assert [(i.start_ms, i.end_ms) for i in log.all()] == [(1_000, 6_000)]


def test_a_new_cause_closes_the_old_one() -> None:
    log = IncidentLog(ManualClock())
    log.open("postgres", "disk full")
    log.open("postgres", "connection refused")
    assert [(i.cause, i.end_ms > 0) for i in log.all()] == [("connection refused", False), ("disk full", True)]


def test_the_log_is_bounded_and_open_incidents_come_first() -> None:
    log = IncidentLog(ManualClock(), limit=3)
    log.open("redis", "gone")
    for n in range(5):
        log.note("engine loop", f"blocked {n}")
    assert [i.cause for i in log.all()] == ["gone", "blocked 4", "blocked 3", "blocked 2"]
