"""Silence of one channel."""

import pytest

from core.domain.health import LinkState
from core.venues.channel import Channel

S = 1_000_000_000


def live_channel(period_s: float = 0.1, silence_s: float = 5.0) -> tuple[Channel, int]:
    channel = Channel("ethusdt@trade", "ETHUSDT", silence_s)
    now = S
    channel.connected(now)
    for _ in range(20):
        now += round(period_s * S)
        channel.received(now)
    return channel, now


def test_the_first_message_is_the_proof_and_only_the_first() -> None:
    channel = Channel("ethusdt@trade", "ETHUSDT", 5.0)
    assert channel.state is LinkState.CONNECTING
    channel.connected(S)
    assert channel.state is LinkState.SYNCING
    assert channel.received(2 * S) is True
    assert channel.state is LinkState.LIVE
    assert channel.received(3 * S) is False


def test_a_fast_channel_may_be_silent_for_the_given_time() -> None:
    channel, now = live_channel()
    assert channel.silent_for_s(now + 5 * S) is None
    assert channel.silent_for_s(now + 5 * S + S // 10) == pytest.approx(5.1)


def test_a_channel_that_is_slow_by_habit_may_be_silent_for_three_of_its_gaps() -> None:
    channel, now = live_channel(period_s=4.0)
    assert channel.silent_for_s(now + 11 * S) is None
    assert channel.silent_for_s(now + 13 * S) == pytest.approx(13)


def test_a_channel_that_never_spoke_is_silent_since_the_connection() -> None:
    channel = Channel("ethusdt@trade", "ETHUSDT", 5.0)
    channel.connected(S)
    assert channel.silent_for_s(5 * S) is None
    assert channel.silent_for_s(7 * S) == pytest.approx(6)


def test_without_a_connection_nothing_is_expected() -> None:
    channel, now = live_channel()
    channel.disconnected("connection lost (code 1006)")
    assert channel.silent_for_s(now + 100 * S) is None
    assert channel.cause == "connection lost (code 1006)"


def test_after_a_fault_the_answer_has_the_same_time_again() -> None:
    channel, now = live_channel()
    now += 6 * S
    channel.fault("channel silent", now)
    assert (channel.state, channel.resubscribed) == (LinkState.STALE, True)
    assert channel.silent_for_s(now + 4 * S) is None
    assert channel.silent_for_s(now + 6 * S) is not None
    assert channel.received(now + 7 * S) is True
    assert (channel.state, channel.resubscribed) == (LinkState.LIVE, False)


def test_silence_of_our_own_doing_is_not_held_against_it() -> None:
    channel, now = live_channel()
    channel.paused(now + 60 * S)
    assert channel.silent_for_s(now + 61 * S) is None
    assert channel.silent_for_s(now + 66 * S) is not None


def test_the_rate_is_per_second() -> None:
    channel, now = live_channel()
    channel.measure_rate(now)
    for i in range(30):
        channel.received(now + i)
    channel.measure_rate(now + 2 * S)
    assert channel.status(now + 2 * S)["rate_per_s"] == 15.0
