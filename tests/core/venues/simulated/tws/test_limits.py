"""The venue's limits."""

from core.venues.simulated.tws.limits import TOLERATED_RATE, HistoryPacing, MessageRate


def test_a_client_at_the_named_rate_is_never_told_off() -> None:
    rate = MessageRate()
    assert all(rate.count(i / 50) for i in range(1_000))


def test_two_seconds_of_requests_read_at_once_are_tolerated() -> None:
    rate = MessageRate()
    assert all(rate.count(1.0) for _ in range(90))


def test_a_flood_is_told_off_and_then_cut() -> None:
    rate = MessageRate()
    verdicts = [rate.count(1.0) for _ in range(3 * (TOLERATED_RATE + 1))]
    assert verdicts.count(False) == 3
    assert rate.is_over


def test_a_single_breach_does_not_cut() -> None:
    rate = MessageRate()
    assert not all(rate.count(1.0) for _ in range(TOLERATED_RATE + 1))
    assert not rate.is_over


def test_sixty_historical_requests_fit_into_ten_minutes() -> None:
    pacing = HistoryPacing()
    assert all(pacing.admit((i,), float(i)) for i in range(60))
    assert not pacing.admit(("next",), 60.0)
    assert not pacing.admit(("next",), 599.9)
    assert pacing.admit(("next",), 600.0)
    assert pacing.used(600.0) == 60


def test_an_identical_request_waits_fifteen_seconds() -> None:
    pacing = HistoryPacing()
    assert pacing.admit(("AAPL", "5 secs"), 0.0)
    assert not pacing.admit(("AAPL", "5 secs"), 14.9)
    assert pacing.admit(("AAPL", "1 min"), 14.9)
    assert pacing.admit(("AAPL", "5 secs"), 15.0)
    assert pacing.used(15.0) == 3
