"""Faults that can be asked of the simulated TWS, and which data they let through.

Pure but for the clock's monotonic time (seconds) that comes in as an argument.
"""

from typing import Literal

import msgspec

Kind = Literal[
    "drop", "half_open", "silence", "delay", "burst", "garbage", "farm_down", "farm_up", "farm_idle", "hmds_down", "hmds_up",
    "connectivity_lost", "restored_lost", "restored_kept", "broken_2110", "client_id_in_use", "pacing", "no_data",
    "depth_reset", "depth_mode", "delayed", "no_permission", "competing_session", "refuse", "reset", "bust", "clock_skew",
    "duplicate", "gap", "reorder", "pause", "closed", "clear",
]  # fmt: skip
Garbage = Literal[
    "truncated", "unknown_message", "not_a_number", "nan_price", "negative_price", "time_1970", "time_2100", "bad_utf8",
    "empty", "endless",
]  # fmt: skip
FarmState = Literal["broken", "OK", "inactive"]
#: kinds of subscriptions
CHANNELS = ("mktdata", "trades", "quotes", "midpoint", "depth", "bars", "history")
_GROUPS = {"tick_by_tick": ("trades", "quotes", "midpoint"), "": CHANNELS}
MARKET_FARM, HISTORY_FARM, DEFINITION_FARM = "usfarm", "ushmds", "secdefil"
_FOR_EVER_S = 1e9


class FaultRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `POST /sim/fault`. `symbol` "" and `channel` "" mean all; `channel` may be `tick_by_tick`.

    `seconds` 0 means until `clear` (refuse, reset: 5 s). `code` 0 is the venue's usual one. `hold_id`: a client cut off by
    half_open keeps its id in use. `starve`: after restored_kept no data follows.
    """

    kind: Kind
    symbol: str = ""
    channel: str = ""
    farm: str = ""
    n: int = 1
    ms: int = 0
    seconds: float = 0.0
    code: int = 0
    payload: Garbage = "truncated"
    mode: Literal["shifting", "update_only"] = "shifting"
    starve: bool = False
    hold_id: bool = False


class Faults:
    """The faults now in force."""

    def __init__(self) -> None:
        self.update_only = False
        self._reset()

    def _reset(self) -> None:
        self._silent_until: dict[tuple[str, str], float] = {}
        self._ticks: dict[tuple[str, str], int] = {}
        self._next: dict[str, int] = {}
        self._farms_down: set[str] = set()
        self._refused: dict[tuple[str, str], int] = {}
        self.skew_ms = 0
        self.delay_s = 0.0
        self.is_cut = self.is_starving = self.is_competing = self.is_delayed = False
        self.is_paused = self.is_closed = False

    def clear(self) -> None:
        """End every fault but the manner of depth."""
        self._reset()

    def apply(self, wanted: FaultRequest, now_s: float) -> None:
        """Put a lasting fault in force; what acts at once on clients is not this class's part."""
        match wanted.kind:
            case "silence":
                for channel in _GROUPS.get(wanted.channel, (wanted.channel,)):
                    self._silent_until[channel, wanted.symbol] = now_s + (wanted.seconds or _FOR_EVER_S)
            case "gap" | "duplicate" | "reorder":
                self._ticks[wanted.kind, wanted.symbol] = max(wanted.n, 0)
            case "client_id_in_use" | "pacing" | "no_data":
                self._next[wanted.kind] = max(wanted.n, 0)
            case "farm_down" | "hmds_down":
                self._farms_down.add(farm_of(wanted))
            case "farm_up" | "hmds_up":
                self._farms_down.discard(farm_of(wanted))
            case "no_permission":
                for channel in _GROUPS.get(wanted.channel, (wanted.channel,)):
                    self._refused[channel, wanted.symbol] = wanted.code
            case _:
                self._switch(wanted)

    def _switch(self, wanted: FaultRequest) -> None:
        match wanted.kind:
            case "connectivity_lost" | "broken_2110":
                self.is_cut = True
            case "restored_lost" | "restored_kept":
                self.is_cut, self.is_starving = False, wanted.starve
            case "depth_mode":
                self.update_only = wanted.mode == "update_only"
            case "delayed":
                self.is_delayed = True
            case "competing_session":
                self.is_competing = True
            case "clock_skew":
                self.skew_ms = wanted.ms
            case "delay":
                self.delay_s = wanted.ms / 1000
            case "pause":
                self.is_paused = True
            case "closed":
                self.is_closed = True

    def flows(self, channel: str, symbol: str, now_s: float) -> bool:
        """Whether data of a subscription reach the client."""
        if self.is_cut or self.is_starving or (self.is_competing and channel != "history"):
            return False
        if (HISTORY_FARM if channel == "history" else MARKET_FARM) in self._farms_down:
            return False
        return not any(now_s < self._silent_until.get((channel, name), 0.0) for name in (symbol, ""))

    def farm_is_down(self, farm: str) -> bool:
        return farm in self._farms_down

    def refusal(self, channel: str, symbol: str) -> int | None:
        """The code with which a subscription is refused (0: the usual one); None: it is not."""
        for key in ((channel, symbol), (channel, "")):
            if key in self._refused:
                return self._refused[key]
        return None

    def takes(self, kind: Literal["client_id_in_use", "pacing", "no_data"]) -> bool:
        """Whether the next connect or request is hit; counts it."""
        left = self._next.get(kind, 0)
        self._next[kind] = max(left - 1, 0)
        return left > 0

    def hits_tick(self, kind: Literal["gap", "duplicate", "reorder"], symbol: str) -> bool:
        """Whether the next tick-by-tick trade is hit; counts it."""
        for key in ((kind, symbol), (kind, "")):
            left = self._ticks.get(key, 0)
            if left > 0:
                self._ticks[key] = left - 1
                return True
        return False

    def active(self, now_s: float) -> list[str]:
        """The names of the faults in force."""
        names = [f"silence {c} {s or 'all'}" for (c, s), until in self._silent_until.items() if now_s < until]
        names += [f"{kind} {symbol or 'all'} {left}" for (kind, symbol), left in self._ticks.items() if left]
        names += [f"{kind} {left}" for kind, left in self._next.items() if left]
        names += [f"farm_down {farm}" for farm in sorted(self._farms_down)]
        names += [f"no_permission {channel} {symbol or 'all'}" for channel, symbol in self._refused]
        switches = {
            "connectivity_lost": self.is_cut, "starve": self.is_starving, "competing_session": self.is_competing,
            "delayed": self.is_delayed, "pause": self.is_paused, "closed": self.is_closed,
            f"clock_skew {self.skew_ms} ms": self.skew_ms, f"delay {self.delay_s * 1000:.0f} ms": self.delay_s,
        }  # fmt: skip
        return names + [name for name, is_on in switches.items() if is_on]


def farm_of(wanted: FaultRequest) -> str:
    return wanted.farm or (HISTORY_FARM if wanted.kind.startswith("hmds") else MARKET_FARM)


def is_history_farm(farm: str) -> bool:
    return "hmds" in farm


def farm_notice(farm: str, state: FarmState) -> tuple[int, str]:
    """What the venue says of a farm that breaks, is well again, or sleeps until it is needed."""
    sort, codes = "Market data", {"broken": 2103, "OK": 2104, "inactive": 2108}
    if is_history_farm(farm):
        sort, codes = "HMDS data", {"broken": 2105, "OK": 2106, "inactive": 2107}
    elif farm.startswith("secdef"):
        sort, codes = "Sec-def data", {"broken": 2157, "OK": 2158, "inactive": 2157}
    if state == "inactive":
        return codes[state], f"{sort} farm connection is inactive but should be available upon demand.{farm}"
    return codes[state], f"{sort} farm connection is {state}:{farm}"
