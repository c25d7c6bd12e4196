"""Logs without secrets and without floods."""

import logging
import sys

import pytest

from core.base.log import RateLimit, SecretFilter


def record(message: str, *arguments: object, error: bool = False) -> logging.LogRecord:
    exc_info = None
    if error:
        try:
            raise ValueError("could not log in with hunter22")
        except ValueError:
            exc_info = sys.exc_info()
    return logging.LogRecord("test", logging.INFO, __file__, 1, message, arguments, exc_info)


@pytest.mark.parametrize(
    "entry",
    [
        record("password is hunter22"),
        record("password is %s", "hunter22"),
        record("url postgresql://me:%s@host", "hunter22"),
        record("it failed", error=True),
    ],
    ids=["message", "argument", "inside", "traceback"],
)
def test_a_secret_never_reaches_the_log(entry: logging.LogRecord) -> None:
    assert SecretFilter(["hunter22", "x"]).filter(entry)
    text = logging.Formatter("%(message)s").format(entry)
    assert "hunter22" not in text
    assert "•••" in text


def test_an_innocent_line_passes_unchanged() -> None:
    entry = record("%d rows of %s", 5, "eth_1m")
    SecretFilter(["hunter22", "5"]).filter(entry)
    assert entry.getMessage() == "5 rows of eth_1m"


def test_a_repeated_line_passes_once_a_period_and_tells_how_many_were_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("core.base.log.time.monotonic", lambda: now[0])
    limit = RateLimit(60)
    assert [limit.passes("a") for _ in range(4)] == [0, None, None, None]
    assert limit.passes("b") == 0
    now[0] += 60
    assert limit.passes("a") == 3
    assert limit.passes("a") is None


def test_the_first_line_passes_on_a_machine_that_just_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.base.log.time.monotonic", lambda: 0.5)
    assert RateLimit(60).passes("a") == 0
