"""Who listens to which symbol: what a venue is asked depends on the symbols, never on how many listen. Pure."""


class Sharing:
    """Consumers by symbol. Any thread may read the counts; changes come from one."""

    def __init__(self) -> None:
        self._consumers: dict[str, set[str]] = {}

    def join(self, symbol: str, consumer: str) -> bool:
        """True when `consumer` is the symbol's first."""
        listeners = self._consumers.setdefault(symbol, set())
        is_first = not listeners
        listeners.add(consumer)
        return is_first

    def leave(self, symbol: str, consumer: str) -> bool:
        """True when nobody listens to the symbol any more, and `consumer` was the last who did."""
        listeners = self._consumers.get(symbol)
        if listeners is None or consumer not in listeners:
            return False
        listeners.discard(consumer)
        if listeners:
            return False
        del self._consumers[symbol]
        return True

    def listeners(self, symbol: str) -> int:
        return len(self._consumers.get(symbol, ()))

    @property
    def subscribers(self) -> int:
        """Different consumers, of whatever symbols."""
        return len({name for listeners in self._consumers.copy().values() for name in tuple(listeners)})

    @property
    def registrations(self) -> int:
        """Consumers counted once for each of their symbols."""
        return sum(len(listeners) for listeners in self._consumers.copy().values())
