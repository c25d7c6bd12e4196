"""The typical lateness of frames."""

from core.venues.lateness import Lateness


def test_the_median_is_told_and_forgotten() -> None:
    lateness = Lateness()
    for late_ms in (10.0, 9_000.0, 12.0):
        lateness.add(late_ms)
    assert lateness.take() == 12.0
    assert lateness.take() is None


def test_two_frames_tell_nothing_yet_but_are_not_lost() -> None:
    lateness = Lateness()
    lateness.add(1.0)
    lateness.add(2.0)
    assert lateness.take() is None
    lateness.add(3.0)
    assert lateness.take() == 2.0


def test_a_flood_is_bounded_by_the_first_frames() -> None:
    lateness = Lateness()
    for late_ms in range(100_000):
        lateness.add(float(late_ms))
    assert lateness.take() == 31.5
