"""How long a test waits for what has to come.

A deadline in a test is what a calm machine keeps. On a busy one the same takes longer and is not wrong for that, so every
deadline is stretched by PATIENCE; a test that passes does not last longer for it. `QUINTET_TEST_PATIENCE=1` holds the
tests to the times themselves, on a machine with nothing else to do.
"""

import asyncio
import inspect
import os
import time
from collections.abc import Callable
from typing import Any

import pytest

PATIENCE = float(os.environ.get("QUINTET_TEST_PATIENCE", "4"))
PERIOD_S = 0.01


class Deadline:
    """Fails the test when what is waited for has not come in time."""

    def __init__(self, within_s: float) -> None:
        self.began = time.monotonic()
        self._within_s = within_s

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.began

    def check(self, what: str | Callable[[], str]) -> None:
        """`what` was waited for; it may be a function, which is asked when time is up."""
        if self.seconds > self._within_s * PATIENCE:
            told = what if isinstance(what, str) else what()
            pytest.fail(f"not within {self._within_s:g} s ({PATIENCE:g} times over): {told}")


def wait_until(condition: Callable[[], Any], within_s: float = 15.0, what: str | Callable[[], str] = "it") -> Any:
    """The first true value of `condition`; fails the test when there is none in time."""
    deadline = Deadline(within_s)
    while not (value := condition()):
        deadline.check(what)
        time.sleep(PERIOD_S)
    return value


async def until(condition: Callable[[], Any], within_s: float = 5.0, what: str | Callable[[], str] = "it") -> float:
    """Wait until `condition`, which may be a coroutine function, is true; how long it took, in seconds."""
    deadline = Deadline(within_s)
    while True:
        value = condition()
        if await value if inspect.isawaitable(value) else value:
            return deadline.seconds
        deadline.check(what)
        await asyncio.sleep(PERIOD_S)
