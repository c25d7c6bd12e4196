"""Incidents."""

from core.base.clock import ManualClock
from core.domain.health import Cause
from core.venues.incident_log import IncidentLog


def test_an_incident_lasts_from_open_to_close() -> None:
    clock = ManualClock()
    log, start = IncidentLog("binance", clock), clock.now_ms()
    log.open("link", "connection lost (code 1006)")
    assert log.is_open("link")
    assert log.snapshot()[0].end_ms == 0
    clock.advance(2)
    log.close("link")
    (incident,) = log.snapshot()
    assert (incident.component, incident.cause) == ("binance", "connection lost (code 1006)")
    assert (incident.start_ms, incident.end_ms) == (start, start + 2_000)
    log.close("link")
    assert len(log.snapshot()) == 1


def test_opening_again_changes_the_words_and_keeps_the_start() -> None:
    clock = ManualClock()
    log, start = IncidentLog("binance", clock), clock.now_ms()
    log.open("gap", "trade gap of 3 ids")
    clock.advance(1)
    log.open("gap", "trade gap of 9 ids")
    log.close("gap", "trade gap of 9 ids filled in 0.4 s")
    (incident,) = log.snapshot()
    assert (incident.cause, incident.start_ms) == ("trade gap of 9 ids filled in 0.4 s", start)


def test_only_the_newest_two_hundred_are_kept_newest_first() -> None:
    log = IncidentLog("binance", ManualClock())
    log.open("old", "opened before all others")
    for number in range(250):
        log.note(f"incident {number}")
    causes = [incident.cause for incident in log.snapshot()]
    assert len(causes) == 200
    assert causes[0] == "incident 249"
    log.close("old")
    log.open("old", "again")
    assert log.snapshot()[0].cause == "again"


def test_an_incident_keeps_its_kind_until_a_better_one_is_known() -> None:
    log = IncidentLog("binance", ManualClock())
    log.open("link", "connection lost", kind=Cause.NETWORK)
    log.open("link", "connection lost, again")
    assert log.snapshot()[0].kind is Cause.NETWORK
    log.open("link", "", "then: connection refused", Cause.VENUE_DOWN)
    log.close("link")
    (incident,) = log.snapshot()
    assert (incident.kind, incident.cause, incident.detail) == (
        Cause.VENUE_DOWN, "connection lost, again", "then: connection refused",
    )  # fmt: skip
    log.note("announced", kind=Cause.SCHEDULED_RESET)
    assert log.snapshot()[0].kind is Cause.SCHEDULED_RESET
