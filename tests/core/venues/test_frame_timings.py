from core.base.clock import ManualClock
from core.domain.market import Quote, Trade
from core.venues.frame_timings import SAMPLE, FrameTimings


def test_one_frame_in_eight_is_sampled() -> None:
    timings = FrameTimings(ManualClock())
    assert [timings.is_sampled() for _ in range(2 * SAMPLE)].count(True) == 2


def test_the_three_stages_add_up_to_a_trades_way() -> None:
    clock = ManualClock(1_000_000)
    timings = FrameTimings(clock)
    recv_ns = clock.monotonic_ns()
    clock.advance(0.002)
    parsed_ns = clock.monotonic_ns()
    clock.advance(0.003)
    trade = Trade("ETHUSDT", 1, 1.0, 1.0, 1_000_000 - 40, False, recv_ns)
    timings.record(trade, recv_ns, parsed_ns, offset_ms=10.0)
    stages = {stage["stage"]: stage["max"] for stage in timings.stages()}
    assert stages == {"venue → receive": 50_000.0, "receive → parsed": 2_000.0, "parsed → published": 3_000.0}


def test_without_a_known_offset_or_a_time_of_its_own_a_frame_says_nothing_of_the_way() -> None:
    clock = ManualClock()
    timings = FrameTimings(clock)
    timings.record(Trade("ETHUSDT", 1, 1.0, 1.0, clock.now_ms(), False), 0, 0, offset_ms=None)
    timings.record(Quote("ETHUSDT", 1.0, 1.0, 2.0, 1.0, 1), 0, 0, offset_ms=0.0)
    assert [stage["stage"] for stage in timings.stages()] == ["receive → parsed", "parsed → published"]
