"""What Interactive Brokers allows, counted ahead of its limits."""

import asyncio
from collections import deque
from typing import Any

from core.base.clock import Clock

#: IB's own limits, shown beside ours (interactivebrokers.github.io/tws-api: "Requests", "Historical Data Limitations")
VENUE_MESSAGES_PER_S = 50
_HISTORY_WINDOW_S = 600.0
#: an identical request for history within this time is a pacing violation; so is the sixth of one contract in two seconds
_IDENTICAL_S = 15.0
_SAME_CONTRACT_S, _SAME_CONTRACT = 2.0, 5
#: how long nothing is asked after a violation; doubled by each that follows it
_HOLD_S, _MOST_HOLD_S = 2.0, 120.0


class RollingBudget:
    """At most `limit` in any `window_s` seconds."""

    def __init__(self, clock: Clock, limit: int, window_s: float) -> None:
        self._clock = clock
        self.limit = limit
        self._window_ns = round(window_s * 1e9)
        #: when each was spent, oldest first (monotonic ns)
        self._spent: deque[int] = deque(maxlen=limit)
        #: how often something had to wait
        self.waits = 0

    @property
    def used(self) -> int:
        """How many count now. Any thread."""
        since_ns = self._clock.monotonic_ns() - self._window_ns
        return sum(1 for at_ns in self._spent.copy() if at_ns > since_ns)

    def wait_s(self, reserve: int = 0) -> float:
        """Seconds until one more may be spent, `reserve` of the limit being left to others; 0 when it may be now."""
        allowed = max(1, self.limit - reserve)
        if len(self._spent) < allowed:
            return 0.0
        return max(0.0, (self._spent[-allowed] + self._window_ns - self._clock.monotonic_ns()) / 1e9)

    def take(self) -> None:
        self._spent.append(self._clock.monotonic_ns())

    async def spend(self) -> None:
        """Wait until one more is allowed, and count it."""
        while (wait_s := self.wait_s()) > 0:
            self.waits += 1
            await asyncio.sleep(wait_s)
        self.take()


class HistoryBudget:
    """Requests for the past: so many in ten minutes, none twice within 15 s, few of one contract at a time."""

    def __init__(self, clock: Clock, limit: int) -> None:
        self._clock = clock
        self._budget = RollingBudget(clock, limit, _HISTORY_WINDOW_S)
        #: request -> when it was last made (monotonic ns), oldest first; only the last 15 s matter
        self._made: dict[tuple[Any, ...], int] = {}
        #: contract -> its own short window
        self._contracts: dict[str, RollingBudget] = {}
        #: nothing before this (monotonic ns): the venue told us of a pacing violation
        self._held_ns = 0
        self._violations = 0

    @property
    def used(self) -> int:
        return self._budget.used

    @property
    def limit(self) -> int:
        return self._budget.limit

    def wait_s(self, contract: str, request: tuple[Any, ...], reserve: int = 0) -> float:
        """Seconds until this very request may be made, 0 when it may be now."""
        now_ns = self._clock.monotonic_ns()
        made_ns = self._made.get((contract, *request))
        identical_s = 0.0 if made_ns is None else _IDENTICAL_S - (now_ns - made_ns) / 1e9
        held_s = (self._held_ns - now_ns) / 1e9
        return max(0.0, identical_s, held_s, self._budget.wait_s(reserve), self._of(contract).wait_s())

    def take(self, contract: str, request: tuple[Any, ...]) -> None:
        now_ns = self._clock.monotonic_ns()
        self._made = {key: at for key, at in self._made.items() if now_ns - at < _IDENTICAL_S * 1e9}
        self._made[(contract, *request)] = now_ns
        self._budget.take()
        self._of(contract).take()

    async def spend(self, contract: str, request: tuple[Any, ...], reserve: int = 0) -> None:
        """Wait until the request is allowed, and count it."""
        while (wait_s := self.wait_s(contract, request, reserve)) > 0:  # noqa: ASYNC110 - the answer is a time
            await asyncio.sleep(wait_s)
        self.take(contract, request)

    def violated(self) -> None:
        """The venue says that we asked too much: nothing for a while, each time longer."""
        self._held_ns = self._clock.monotonic_ns() + round(min(_HOLD_S * 2**self._violations, _MOST_HOLD_S) * 1e9)
        self._violations = min(self._violations + 1, 16)

    def answered(self) -> None:
        self._violations = 0

    def _of(self, contract: str) -> RollingBudget:
        return self._contracts.setdefault(contract, RollingBudget(self._clock, _SAME_CONTRACT, _SAME_CONTRACT_S))


class DepthSlots:
    """Who has one of the few market depth subscriptions; first come, first served."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held: list[str] = []

    @property
    def used(self) -> int:
        return len(self._held)

    def take(self, symbol: str) -> bool:
        """False: all slots are taken by others."""
        if symbol not in self._held:
            if len(self._held) >= self.limit:
                return False
            self._held.append(symbol)
        return True

    def release(self, symbol: str) -> None:
        if symbol in self._held:
            self._held.remove(symbol)

    def refusal(self) -> str:
        """Why there is none left, in a sentence."""
        return f"{self.used} of {self.limit} depth slots in use ({', '.join(self._held)}): more need quote boosters"
