"""The decision table: a test for each cause, and for each pair that is easily mistaken for each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.health import Cause
from core.venues.causes import CLOCK_MS, LATE_MS, LOOP_LAG_S, Signals, decide_cause

CASES: dict[str, tuple[Signals, Cause]] = {
    "our loop was held up": (Signals(loop_lag_s=LOOP_LAG_S, silent_s=6), Cause.LOOP_BLOCKED),
    "we stopped reading": (Signals(link_paused=True, silent_s=6), Cause.LOOP_BLOCKED),
    "the venue dropped us while our loop stood still": (
        Signals(loop_lag_s=70, disconnected=True, close_code=1006, reset=True), Cause.LOOP_BLOCKED),
    "nothing answers at the address": (Signals(not_configured=True, disconnected=True, refused=True), Cause.NOT_CONFIGURED),
    "another session has the data": (Signals(competing_session=True, silent_s=9), Cause.COMPETING_SESSION),
    "the account may not": (Signals(no_permission=True), Cause.NO_PERMISSION),
    "HTTP 451": (Signals(disconnected=True, http_status=451), Cause.NO_PERMISSION),
    "HTTP 403": (Signals(disconnected=True, http_status=403), Cause.NO_PERMISSION),
    "HTTP 429": (Signals(disconnected=True, http_status=429), Cause.RATE_LIMIT),
    "HTTP 418": (Signals(disconnected=True, http_status=418), Cause.RATE_LIMIT),
    "a ban": (Signals(rate_limited=True), Cause.RATE_LIMIT),
    "close code 1008": (Signals(disconnected=True, close_code=1008, age_s=60, lifetime_s=86_400), Cause.RATE_LIMIT),
    "close code 1008 after 24 h": (
        Signals(disconnected=True, close_code=1008, age_s=86_390, lifetime_s=86_400), Cause.SCHEDULED_RESET),
    "an announced shutdown": (
        Signals(disconnected=True, close_code=1001, shutdown_announced=True), Cause.SCHEDULED_RESET),
    "the nightly reset": (Signals(in_reset_window=True, disconnected=True, refused=True), Cause.SCHEDULED_RESET),
    "a farm is down": (Signals(farm_down="usfarm", silent_s=8), Cause.FARM_DOWN),
    "HTTP 503": (Signals(disconnected=True, http_status=503), Cause.VENUE_DOWN),
    "close code 1012": (Signals(disconnected=True, close_code=1012), Cause.VENUE_DOWN),
    "refused while others answer": (
        Signals(disconnected=True, refused=True, other_venues_alive=True), Cause.VENUE_DOWN),
    "refused, others not known": (Signals(disconnected=True, refused=True), Cause.VENUE_DOWN),
    "refused as all others": (Signals(disconnected=True, refused=True, other_venues_alive=False), Cause.NETWORK),
    "reset": (Signals(disconnected=True, reset=True, close_code=1006), Cause.NETWORK),
    "connect timed out": (Signals(disconnected=True, timed_out=True), Cause.NETWORK),
    "name not resolved": (Signals(disconnected=True, unresolved=True), Cause.NETWORK),
    "an id is missing": (Signals(sequence_gap=True), Cause.SEQUENCE_GAP),
    "garbage": (Signals(bad_frames=True), Cause.BAD_FRAMES),
    "our clock is wrong": (Signals(clock_offset_ms=-CLOCK_MS), Cause.CLOCK),
    "-1021": (Signals(timestamp_refused=True), Cause.CLOCK),
    "late by a wrong clock": (
        Signals(late_ms=2_000, clock_offset_ms=2_000, round_trip_ms=10), Cause.CLOCK),
    "outside trading hours": (Signals(silent_s=60, market_open=False, siblings_alive=True), Cause.MARKET_CLOSED),
    "the venue's bars know of no trade": (
        Signals(silent_s=9, bars_say_no_trades=True, siblings_alive=True), Cause.THIN_MARKET),
    "one channel silent": (Signals(silent_s=6, siblings_alive=True, ping_answered=True), Cause.EXCHANGE_LATE),
    "all silent, pings answered": (Signals(silent_s=6, siblings_alive=False, ping_answered=True), Cause.EXCHANGE_LATE),
    "all silent, pings not answered": (Signals(silent_s=6, siblings_alive=False, ping_answered=False), Cause.NETWORK),
    "all venues silent": (Signals(silent_s=6, siblings_alive=False, other_venues_alive=False), Cause.NETWORK),
    "late while requests are quick": (Signals(late_ms=LATE_MS, round_trip_ms=30), Cause.EXCHANGE_LATE),
    "late as requests are": (Signals(late_ms=3_000, round_trip_ms=2_400), Cause.NETWORK),
    "late, nothing measured": (Signals(late_ms=3_000), Cause.UNKNOWN),
    "nothing": (Signals(), Cause.UNKNOWN),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_signals_decide_the_cause(name: str) -> None:
    signals, cause = CASES[name]
    assert decide_cause(signals) is cause


def test_every_cause_can_be_decided() -> None:
    assert {cause for _, cause in CASES.values()} == set(Cause)


@given(
    silent_s=st.floats(0, 1e6), late_ms=st.floats(-1e6, 1e6), code=st.integers(0, 4_999), status=st.integers(0, 599),
    siblings=st.none() | st.booleans(), others=st.none() | st.booleans(), ping=st.none() | st.booleans(),
)  # fmt: skip
def test_a_held_up_loop_is_never_blamed_on_others(
    silent_s: float, late_ms: float, code: int, status: int,
    siblings: bool | None, others: bool | None, ping: bool | None,
) -> None:  # fmt: skip
    signals = Signals(
        loop_lag_s=1.0, silent_s=silent_s, late_ms=late_ms, close_code=code, http_status=status, disconnected=True,
        siblings_alive=siblings, other_venues_alive=others, ping_answered=ping,
    )  # fmt: skip
    assert decide_cause(signals) is Cause.LOOP_BLOCKED
