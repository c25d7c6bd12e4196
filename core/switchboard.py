"""The toggles of the settings page: what can be switched, what it does, and carrying it out."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from core.base.errors import QuintetError


class LockedToggle(QuintetError):
    """This toggle cannot be changed just now; the message says why."""


class Toggle(msgspec.Struct, frozen=True):
    """One switch. `locked` is why it cannot be changed, or empty."""

    key: str
    label: str
    group: str
    why: str
    default: bool = True
    locked: str = ""


PROCESSORS = (
    Toggle(
        "processor.gap_backfill",
        "Gap back-fill",
        "Processors",
        "Asks the venue for trades missed during a disconnection. Off: the gap stays, and its bars are marked partial.",
    ),
    Toggle(
        "processor.bar_reconciliation",
        "Bar reconciliation",
        "Processors",
        "Compares each closed bar with the venue's own, replaces it where they differ. Off: bars stay as built from trades.",
    ),
    Toggle(
        "processor.order_book",
        "Order book",
        "Processors",
        "Keeps the full order book from the venue's differences. Off: the ladder is withheld, and no snapshot is requested.",
    ),
)

_CONSUMERS = {
    "storage": ("Storage", "Writes trades and closed bars to Postgres. Off: charts go on, nothing is kept on disk.", ""),
    "liquidity": ("Liquidity history", "Keeps ten minutes of trades for the heat maps. Off: they show the book only.", ""),
    "dashboard": ("Dashboard", "Feeds the pages of every viewer.", "The pages that you are looking at live on it."),
}


class Switchboard:
    """Owns the values of all toggles. Reads are lock-free; `apply` carries a value out and may come from any thread."""

    def __init__(self, set_consumer: Callable[[str, bool], None]) -> None:
        self._set_consumer = set_consumer
        self._lock = threading.Lock()
        #: key -> toggle
        self._toggles: dict[str, Toggle] = {t.key: t for t in PROCESSORS}
        #: key -> value in force, where it is not the default
        self._values: dict[str, bool] = {}

    def knows_consumer(self, name: str) -> bool:
        return f"consumer.{name}" in self._toggles

    def add_consumer(self, name: str) -> None:
        """Make a consumer switchable; a stored value is carried out at once."""
        label, why, locked = _CONSUMERS.get(
            name, (name, "A consumer of the stream. Off: it gets nothing and costs nothing.", "")
        )
        key = f"consumer.{name}"
        self._toggles[key] = Toggle(key, label, "Consumers", why, True, locked)
        if not self.value(key):
            self._set_consumer(name, False)

    def value(self, key: str) -> bool:
        """The value in force. Raises KeyError for an unknown key."""
        return self._values.get(key, self._toggles[key].default)

    def is_enabled(self, processor: str) -> bool:
        """Whether the processor of that name is on."""
        return self.value(f"processor.{processor}")

    def check(self, key: str, value: object) -> None:
        """Raises KeyError (unknown), TypeError (not a boolean) or LockedToggle."""
        toggle = self._toggles[key]
        if not isinstance(value, bool):
            raise TypeError(f"{key} must be true or false, was {value!r}")
        if toggle.locked:
            raise LockedToggle(f"{key} is locked: {toggle.locked}")

    def apply(self, values: Mapping[str, object]) -> None:
        """Take over stored values; keys of parts that are not there (yet) wait for them."""
        with self._lock:
            for key, value in values.items():
                if not isinstance(value, bool) or self._values.get(key) == value:
                    continue
                toggle = self._toggles.get(key)
                if toggle is not None and toggle.locked:
                    continue
                self._values[key] = value
                if toggle is not None and key.startswith("consumer."):
                    self._set_consumer(key.removeprefix("consumer."), value)

    def all(self) -> list[dict[str, Any]]:
        """Every toggle with its value, for the page and the API."""
        return [msgspec.structs.asdict(t) | {"value": self.value(t.key)} for t in self._toggles.values()]
