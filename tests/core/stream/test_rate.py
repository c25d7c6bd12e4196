"""Events per second."""

from core.stream.rate import RateMeter

S = 1_000_000_000


def test_the_rate_is_of_the_last_second_and_fades_when_nothing_comes() -> None:
    meter = RateMeter()
    meter.add(100, 5 * S + 900_000_000)
    assert meter.per_s(5 * S + 950_000_000) == 100
    assert meter.per_s(6 * S + 250_000_000) == 75
    meter.add(50, 6 * S + 500_000_000)
    assert meter.per_s(6 * S + 500_000_000) == 100
    assert meter.per_s(7 * S + 500_000_000) == 25
    assert meter.per_s(9 * S) == 0


def test_an_old_second_does_not_count_when_messages_come_again() -> None:
    meter = RateMeter()
    meter.add(100, 5 * S)
    meter.add(10, 8 * S)
    assert meter.per_s(8 * S) == 10
