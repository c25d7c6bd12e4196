"""The toggles of the settings page: what can be switched, what it does, and carrying it out."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from core.base.codec import to_json
from core.base.errors import QuintetError
from core.base.settings import ScannerConfig


class LockedToggle(QuintetError):
    """This toggle cannot be changed just now; the message says why."""


class Toggle(msgspec.Struct, frozen=True):
    """One switch, or a choice: `choices` are then its values. `locked` is why it cannot be changed, or empty."""

    key: str
    label: str
    group: str
    why: str
    default: object = True
    locked: str = ""
    choices: tuple[object, ...] = ()

    def takes(self, value: object) -> bool:
        """Whether `value` can be one of this toggle, JSON type and all: 1 is not true."""
        sides = self.choices or (True, False)
        return any(type(value) is type(side) and value == side for side in sides)

    @property
    def sides(self) -> str:
        """What it takes, in words."""
        return f"one of {to_json(self.choices).decode()}" if self.choices else "true or false"


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
    "workers": ("Tick producer", "Puts every trade on the Redis stream of the workers. Off: they get no ticks of ours.", ""),
    "dashboard": ("Dashboard", "Feeds the pages of every viewer.", "The pages that you are looking at live on it."),
}


#: keys of the worker pool's toggles
PROCESSOR, COUNT, PAUSED = "workers.processor", "workers.count", "workers.paused"
OPTIMIZED, STANDARD = "optimized", "standard"
MOST_WORKERS = 8


def worker_toggles(config: ScannerConfig) -> tuple[Toggle, ...]:
    """The switches of the worker pool; `configs/scanner.json` has their defaults."""
    return (
        Toggle(
            PROCESSOR,
            "Processor",
            "Workers",
            "Who takes ticks from the Redis stream: the pool of processes, or the threaded pipeline in the app. "
            "Either goes on where the other stops: nothing is lost, nothing stored twice.",
            OPTIMIZED if config.use_optimized_stream_processor else STANDARD,
            choices=(OPTIMIZED, STANDARD),
        ),
        Toggle(
            COUNT,
            "Number of workers",
            "Workers",
            "How many workers the pool runs on each machine. Auto: 70 % of the cores, 5 to 8.",
            config.optimized_processor_workers,
            choices=(None, *range(1, MOST_WORKERS + 1)),
        ),
        Toggle(
            PAUSED,
            "Pause the workers",
            "Workers",
            "On: nobody takes ticks; they wait on the Redis stream, then on disk.",
            False,
        ),
    )


class Switchboard:
    """Owns the values of all toggles. Reads are lock-free; `apply` carries a value out and may come from any thread."""

    def __init__(self, set_consumer: Callable[[str, bool], None]) -> None:
        self._set_consumer = set_consumer
        self._lock = threading.Lock()
        #: key -> toggle
        self._toggles: dict[str, Toggle] = {t.key: t for t in PROCESSORS}
        #: key -> what carries a change out, for those that nobody asks for their value
        self._carry: dict[str, Callable[[Any], None]] = {}
        #: key -> value in force, where it is not the default
        self._values: dict[str, object] = {}
        #: how often somebody changed a value here
        self.changes = 0

    def add(self, toggle: Toggle, carry_out: Callable[[Any], None]) -> None:
        """Make something switchable; a stored value is carried out at once."""
        with self._lock:
            stored = self._values.get(toggle.key, toggle.default)
            if toggle.locked or not toggle.takes(stored):
                stored = toggle.default
                self._values.pop(toggle.key, None)
            self._carry[toggle.key] = carry_out
            self._toggles[toggle.key] = toggle
        if stored != toggle.default:
            carry_out(stored)

    def knows_consumer(self, name: str) -> bool:
        return f"consumer.{name}" in self._toggles

    def add_consumer(self, name: str) -> None:
        """Make a consumer switchable; a stored value is carried out at once."""
        label, why, locked = _CONSUMERS.get(
            name, (name, "A consumer of the stream. Off: it gets nothing and costs nothing.", "")
        )
        toggle = Toggle(f"consumer.{name}", label, "Consumers", why, True, locked)
        self.add(toggle, lambda on: self._set_consumer(name, on))

    def value(self, key: str) -> Any:
        """The value in force. Raises KeyError for an unknown key."""
        return self._values.get(key, self._toggles[key].default)

    def is_enabled(self, processor: str) -> bool:
        """Whether the processor of that name is on."""
        return bool(self.value(f"processor.{processor}"))

    def check(self, key: str, value: object) -> None:
        """Raises KeyError (unknown), TypeError (not a value of this toggle) or LockedToggle."""
        toggle = self._toggles[key]
        if not toggle.takes(value):
            raise TypeError(f"{key} must be {toggle.sides}, was {value!r}")
        if toggle.locked:
            raise LockedToggle(f"{key} is locked: {toggle.locked}")

    def apply(self, values: Mapping[str, object]) -> None:
        """Take over what was decided here; keys of parts that are not there (yet) wait for them."""
        with self._lock:
            self.changes += 1
            self._take(values)

    def follow(self, values: Mapping[str, object], changes: int) -> None:
        """Take over what is stored, read when there were so many `changes`: after another one it may be older than that."""
        with self._lock:
            if changes == self.changes:
                self._take(values)

    def _take(self, values: Mapping[str, object]) -> None:
        for key, value in values.items():
            toggle = self._toggles.get(key)
            if toggle is None:
                self._values[key] = value
            elif not toggle.locked and toggle.takes(value) and self._values.get(key, toggle.default) != value:
                self._values[key] = value
                if (carry_out := self._carry.get(key)) is not None:
                    carry_out(value)

    def all(self) -> list[dict[str, Any]]:
        """Every toggle with its value, for the page and the API."""
        return [msgspec.structs.asdict(t) | {"value": self.value(t.key)} for t in list(self._toggles.values())]
