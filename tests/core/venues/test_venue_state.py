"""The state machine of a venue."""

import pytest

from core.base.clock import ManualClock
from core.domain.health import LinkState
from core.venues.venue_state import VenueFacts, VenueState, decide

LIVE = LinkState.LIVE


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (VenueFacts(LinkState.CONNECTING), (LinkState.CONNECTING, "")),
        (VenueFacts(LinkState.RECONNECTING, "connection refused"), (LinkState.RECONNECTING, "connection refused")),
        (VenueFacts(LinkState.BANNED, "banned (418)"), (LinkState.BANNED, "banned (418)")),
        (VenueFacts(LinkState.SYNCING, "connected"), (LinkState.SYNCING, "connected")),
        (VenueFacts(LIVE, syncing="fetching history"), (LinkState.SYNCING, "fetching history")),
        (VenueFacts(LIVE), (LIVE, "")),
        (VenueFacts(LIVE, silent="channel silent"), (LinkState.STALE, "channel silent")),
        (VenueFacts(LIVE, banned="rate limited (429)"), (LinkState.BANNED, "rate limited (429)")),
        (
            VenueFacts(LIVE, banned="429", silent="x", syncing="y", stopped="replay ended"),
            (LinkState.STOPPED, "replay ended"),
        ),
        (
            VenueFacts(LinkState.CONNECTING, not_configured="no TWS answers"),
            (LinkState.NOT_CONFIGURED, "no TWS answers"),
        ),
        (VenueFacts(LIVE, stopped="stopped", not_configured="no TWS answers"), (LinkState.STOPPED, "stopped")),
        # an expected outage explains a lost connection and silence, but makes nothing of a venue that is well
        (
            VenueFacts(LinkState.RECONNECTING, "connection refused", expected="expected outage until 00:45"),
            (LinkState.RECONNECTING, "expected outage until 00:45"),
        ),
        (VenueFacts(LIVE, silent="1100", expected="expected outage"), (LinkState.STALE, "expected outage")),
        (VenueFacts(LIVE, expected="expected outage"), (LIVE, "")),
        # a lost connection says more than a ban of requests or a silence
        (VenueFacts(LinkState.RECONNECTING, "lost", banned="429", silent="x"), (LinkState.RECONNECTING, "lost")),
    ],
)
def test_what_stops_data_decides(facts: VenueFacts, expected: tuple[LinkState, str]) -> None:
    assert decide(facts) == expected


def test_each_change_has_its_time_and_cause() -> None:
    clock = ManualClock()
    state = VenueState(clock)
    start = clock.now_ms()
    assert state.update(VenueFacts(LIVE)) is True
    clock.advance(5)
    assert state.update(VenueFacts(LinkState.RECONNECTING, "connection lost (code 1006)")) is True
    assert state.since_ms == start + 5_000
    clock.advance(1)
    assert state.update(VenueFacts(LinkState.RECONNECTING, "connection refused")) is False
    assert (state.since_ms, state.cause) == (start + 5_000, "connection refused")
    assert [(t.state, t.cause) for t in state.transitions] == [
        (LIVE, ""),
        (LinkState.RECONNECTING, "connection lost (code 1006)"),
        (LinkState.RECONNECTING, "connection refused"),
    ]
