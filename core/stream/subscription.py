"""What a consumer holds on to."""

from collections.abc import Callable

from core.stream.consumer import Consumer
from core.stream.messages import Message


class Subscription:
    """A consumer's side of its registration."""

    def __init__(self, consumer: Consumer, unregister: Callable[[str], None]) -> None:
        self._consumer = consumer
        self._unregister = unregister
        self.name = consumer.name

    def drain(self) -> list[Message]:
        """All that waits for a consumer without a handler, oldest first. Any thread; never blocks.

        A lossless consumer gets at most half its bound at a time.
        """
        return self._consumer.take()

    def close(self) -> None:
        """Unregister. Closing twice is no error."""
        self._unregister(self.name)
