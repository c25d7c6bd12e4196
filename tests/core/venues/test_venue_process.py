"""The simulated venue's process, owned."""

import os
import signal
import urllib.request
from pathlib import Path

import pytest

from core.base.errors import FatalError
from core.venues.venue_process import VenueProcess
from tests.patience import wait_until


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v3/ping", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_a_killed_venue_comes_back_on_its_port_and_ends_with_its_owner() -> None:
    venue = VenueProcess([], restart=True)
    port = venue.start().port
    try:
        first = venue.pid
        assert first is not None
        assert answers(port)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: venue.restarts and answers(port))
        assert venue.pid != first
    finally:
        venue.stop()
    assert not answers(port)
    venue.stop()


def test_a_replay_that_cannot_start_says_so(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.jsonl"
    nonsense.write_text("not a frame\n")
    with pytest.raises(FatalError, match="the replay did not start"):
        VenueProcess(["--replay", str(nonsense)], restart=False).start()
