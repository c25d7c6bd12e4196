from core.base.clock import ManualClock
from core.monitoring.process import ProcessMonitor


def test_the_snapshot_measures_this_process_and_is_renewed_after_a_second() -> None:
    clock = ManualClock()
    monitor = ProcessMonitor(clock)
    first = monitor.snapshot()
    assert first["rss_bytes"] > 1_000_000  # type: ignore[operator]
    assert first["threads"] >= 1  # type: ignore[operator]
    ballast = bytearray(64_000_000)
    ballast[::4096] = b"x" * len(ballast[::4096])
    assert monitor.snapshot()["rss_bytes"] == first["rss_bytes"]
    clock.advance(1)
    assert monitor.snapshot()["rss_bytes"] > first["rss_bytes"]  # type: ignore[operator]


def test_loop_lag_is_kept_per_loop() -> None:
    monitor = ProcessMonitor(ManualClock())
    monitor.loop("web").record(2_000_000)
    assert monitor.loop("web") is monitor.loop("web")
    lag = monitor.snapshot()["loop_lag_us"]
    assert lag["web"]["max"] == 2_000.0  # type: ignore[index]
