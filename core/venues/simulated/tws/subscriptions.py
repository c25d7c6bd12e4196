"""Who gets which data: the subscriptions of all clients, found by client and id, and by symbol."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from core.venues.simulated.tws.client import Client
from core.venues.simulated.tws.history import BarSize
from core.venues.simulated.tws.market import Rows

#: the cancel messages name an id within one of these
FAMILIES = ("mktdata", "ticks", "depth", "bars", "history")


@dataclass(slots=True)
class Subscription:
    """One client's wish for data of one symbol. `channel` is of `faults.CHANNELS`; the rest is what that channel needs."""

    client: Client
    family: str
    channel: str
    req_id: int
    symbol: str
    tick_type: str = ""
    rows: int = 0
    is_smart: bool = False
    what: str = "TRADES"
    size: BarSize | None = None
    format_date: int = 1
    rt_volume: bool = False
    is_snapshot: bool = False
    is_delayed: bool = False
    #: the book as the client has it
    bids: Rows = ()
    asks: Rows = ()
    #: a message that waits for the next one to go before it
    held: bytes = b""
    #: values last sent, by tick type
    sent: dict[int, int] = field(default_factory=dict)


class Subscriptions:
    """All subscriptions."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[Client, str, int], Subscription] = {}
        self._asked: Counter[tuple[str, str]] = Counter()

    def __iter__(self) -> Iterator[Subscription]:
        return iter(list(self._by_key.values()))

    def add(self, subscription: Subscription) -> None:
        self._by_key[subscription.client, subscription.family, subscription.req_id] = subscription
        self._asked[subscription.channel, subscription.symbol] += 1

    def find(self, client: Client, family: str, req_id: int) -> Subscription | None:
        return self._by_key.get((client, family, req_id))

    def remove(self, client: Client, family: str, req_id: int) -> Subscription | None:
        return self._by_key.pop((client, family, req_id), None)

    def forget(self, client: Client) -> None:
        """Drop all of a client that is gone."""
        self._by_key = {key: s for key, s in self._by_key.items() if key[0] is not client}

    def clear(self) -> None:
        self._by_key.clear()

    def of(self, symbol: str) -> list[Subscription]:
        return [s for s in self._by_key.values() if s.symbol == symbol]

    def count(self, client: Client, family: str) -> int:
        return sum(1 for owner, named, _ in self._by_key if owner is client and named == family)

    def stats(self) -> dict[str, object]:
        """Active by channel and symbol, and how many were ever asked for."""
        active: dict[str, Counter[str]] = {}
        for subscription in self._by_key.values():
            active.setdefault(subscription.channel, Counter())[subscription.symbol] += 1
        asked: dict[str, dict[str, int]] = {}
        for (channel, symbol), count in self._asked.items():
            asked.setdefault(channel, {})[symbol] = count
        return {
            "subscriptions": {channel: dict(symbols) for channel, symbols in active.items()},
            "subscription_requests": asked,
            "subscription_requests_total": self._asked.total(),
        }
