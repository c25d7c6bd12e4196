"""What one read of a socket brought, handed on in portions, so that those who get it have their turns in between."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any


class Turns:
    """Lets `per_turn` messages pass in one turn of the loop; what is over waits, in order, for the next turns.

    After a stall of the loop a single read can bring tens of thousands of messages: published all at once, they would
    overflow every bounded consumer before any of them could take the first.

    While something waits, or between `pause()` and `resume()`, the owner must not read: `read(False)` tells it to stop,
    `read(True)` to go on. So what waits is never more than what was read before the owner stopped.

    The owner may hand a message on itself, at the price of one `left`, while there is any; then, and after each read, it
    calls `spent()`. Everything else goes through `put`.
    """

    def __init__(
        self,
        hand_on: Callable[..., None],
        read: Callable[[bool], None],
        per_turn: int,
        after: Callable[[], None] = lambda: None,
    ) -> None:
        """`hand_on(*message)`. `after()` is called at the end of each turn in which something that waited was handed on."""
        self._hand_on = hand_on
        self._read = read
        self._after = after
        self._per_turn = per_turn
        #: messages that may pass now: 0 while something waits
        self.left = per_turn
        self._waiting: deque[tuple[Any, ...]] = deque()
        self._loop = asyncio.get_running_loop()
        self._is_due = self.is_paused = False
        self.is_reading = True

    def __len__(self) -> int:
        """Messages that wait."""
        return len(self._waiting)

    def put(self, *message: Any) -> None:
        """Hand it on now if this turn has room, else later."""
        if self.left:
            self.left -= 1
            self._hand_on(*message)
        else:
            self._waiting.append(message)
            self._tell()
        self.spent()

    def spent(self) -> None:
        """Something passed in this turn: there will be another."""
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._turn)

    def pause(self) -> None:
        """Hand on nothing until `resume`: what comes waits."""
        self.is_paused, self.left = True, 0
        self._tell()

    def resume(self) -> None:
        self.is_paused = False
        self.spent()
        self._tell()

    def flush(self) -> None:
        """Hand on all that waits, now."""
        while self._waiting:
            self._hand_on(*self._waiting.popleft())
        self._tell()

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
        self._tell()

    def _turn(self) -> None:
        self._is_due = False
        if self.is_paused:
            return
        waiting, hand_on = self._waiting, self._hand_on
        if not waiting:
            self.left = self._per_turn
            return
        for _ in range(min(len(waiting), self._per_turn)):
            hand_on(*waiting.popleft())
        self.spent()
        self._tell()
        self._after()

    def _tell(self) -> None:
        may_read = not (self._waiting or self.is_paused)
        if may_read != self.is_reading:
            self.is_reading = may_read
            self._read(may_read)
