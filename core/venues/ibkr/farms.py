"""The state of IB's data farms, each by its name: what one farm says changes nothing for another."""

import re

import msgspec

from core.base.clock import Clock

UP, DOWN, IDLE = "OK", "DOWN", "IDLE"

#: code -> (what the farm is for, its state). 2107 and 2108 are no faults: the farm wakes up when it is asked something
CODES: dict[int, tuple[str, str]] = {
    2103: ("market data", DOWN),
    2104: ("market data", UP),
    2108: ("market data", IDLE),
    2105: ("history", DOWN),
    2106: ("history", UP),
    2107: ("history", IDLE),
    2157: ("contracts", DOWN),
    2158: ("contracts", UP),
}
#: how the farms that serve US stocks begin; `eufarmnj` or `cashfarm` are somebody else's
_OURS = {"market data": "usfarm", "history": "ushmds", "contracts": "secdef"}
#: `…connection is OK:usfarm`, `…available upon demand.ushmds`
_NAME = re.compile(r"(?::\s*|demand\.)([\w.\-]+)\s*$")


class FarmChange(msgspec.Struct, frozen=True):
    """What a farm message changed. `is_ours`: whether US stocks come from it."""

    farm: str
    kind: str
    state: str
    was: str
    is_ours: bool


class Farm(msgspec.Struct):
    kind: str
    state: str
    since_ms: int


class Farms:
    """Farm name -> state, from the codes 2103 … 2108, 2157, 2158; the name stands at the end of the text."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._farms: dict[str, Farm] = {}

    def notice(self, code: int, text: str) -> FarmChange | None:
        """A farm's message; None when it is no such code, has no name, or says nothing new."""
        if code not in CODES or (found := _NAME.search(text)) is None:
            return None
        name, (kind, state) = found.group(1), CODES[code]
        known = self._farms.get(name)
        if known is not None and known.state == state:
            return None
        self._farms[name] = Farm(kind, state, self._clock.now_ms())
        was = known.state if known is not None else ""
        return FarmChange(name, kind, state, was, name.lower().startswith(_OURS[kind]))

    def down(self, kind: str) -> str:
        """The name of a farm that serves us and is down, or an empty text."""
        down = (
            n for n, f in self._farms.items() if f.kind == kind and f.state == DOWN and n.lower().startswith(_OURS[kind])
        )
        return next(down, "")

    def clear(self) -> None:
        """The connection is gone: nothing is known."""
        self._farms.clear()

    def status(self) -> list[dict[str, object]]:
        """Any thread."""
        return [
            {"farm": name, "kind": farm.kind, "state": farm.state, "since_ms": farm.since_ms}
            for name, farm in self._farms.copy().items()
        ]
