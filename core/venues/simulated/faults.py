"""Faults that can be asked of the simulated venue: what each one is, and what it does to the frames of a stream.

Pure but for the clock's monotonic time that comes in as an argument (seconds).
"""

from collections.abc import Callable
from typing import Literal

import msgspec

Kind = Literal[
    "drop", "close", "half_open", "silence", "delay", "burst", "gap", "duplicate", "reorder", "garbage", "http_status",
    "refuse", "clock_skew", "black_hole", "shutdown", "clear",
]  # fmt: skip
Garbage = Literal[
    "truncated", "not_json", "unknown_stream", "nan_price", "negative_price", "time_1970", "time_2100", "huge", "binary"
]
#: a burst that does not fill up is let go after this long
_BURST_HOLD_S = 30.0
_HUGE_BYTES = 10 * 1024 * 1024
_TIME_2100_MS = 4_102_444_800_000


class FaultRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `POST /sim/fault`. `stream` "" means all streams (garbage: the first trade stream).

    `http_status` answers every REST request with `status`, and with error `api_code` where that is given; `refuse` answers
    every WebSocket handshake with `status`. `black_hole`: connections stay open and nothing is answered any more.
    `shutdown` announces the venue's end on every connection, which comes after `seconds`.
    """

    kind: Kind
    stream: str = ""
    n: int = 1
    ms: int = 0
    seconds: float = 0.0
    code: int = 1001
    status: int = 503
    retry_after: int | None = None
    api_code: int = 0
    payload: Garbage = "truncated"


class Faults:
    """The faults now in force, and the frames they hold back."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self.delay_s = 0.0
        self.skew_ms = 0
        self._silent_until: dict[str, float] = {}
        self._http_until = self._refuse_until = self._dark_until = 0.0
        self.http_status = self.refuse_status = 503
        self.api_code = 0
        self.retry_after: int | None = None
        #: (kind, stream) -> how many frames are still to be hit
        self._counts: dict[tuple[str, str], int] = {}
        self._swapped: dict[str, str] = {}
        self._burst_size = 0
        self._burst_deadline = 0.0
        self._burst: list[tuple[str, str]] = []

    def apply(self, request: FaultRequest, now_s: float) -> None:
        """Put a lasting fault in force; what acts at once on connections is not this class's part."""
        match request.kind:
            case "silence":
                self._silent_until[request.stream] = now_s + (request.seconds or 1e9)
            case "delay":
                self.delay_s = request.ms / 1000
            case "clock_skew":
                self.skew_ms = request.ms
            case "gap" | "duplicate" | "reorder":
                self._counts[request.kind, request.stream] = max(request.n, 0)
            case "burst":
                self._burst_size, self._burst_deadline = max(request.n, 1), now_s + _BURST_HOLD_S
            case "http_status":
                self._http_until = now_s + (request.seconds or 1e9)
                self.http_status, self.retry_after = request.status, request.retry_after
                self.api_code = request.api_code
            case "refuse":
                self._refuse_until = now_s + (request.seconds or 1e9)
                self.refuse_status, self.retry_after = request.status, request.retry_after
            case "black_hole":
                self._dark_until = now_s + (request.seconds or 1e9)
            case _:
                return

    def clear(self) -> list[tuple[str, str]]:
        """End every fault; returns the (stream, payload) pairs that were held back, in order."""
        held = self._burst + list(self._swapped.items())
        self._reset()
        return held

    def http_failing(self, now_s: float) -> bool:
        return now_s < self._http_until

    def refusing(self, now_s: float) -> bool:
        return now_s < self._refuse_until

    def is_dark(self, now_s: float) -> bool:
        """Nothing is answered: neither a request nor a handshake."""
        return now_s < self._dark_until

    @property
    def touches_frames(self) -> bool:
        return bool(self._silent_until or self._counts or self._swapped or self._burst_size)

    def pass_frame(self, stream: str, payload: str, now_s: float) -> list[tuple[str, str]]:
        """The (stream, payload) pairs to send in place of one frame, in order."""
        for silent in (stream, ""):
            if now_s < self._silent_until.get(silent, 0.0):
                return []
        if self._hit("gap", stream):
            return []
        frames = [(stream, payload)] * (2 if self._hit("duplicate", stream) else 1)
        if stream in self._swapped:
            frames.append((stream, self._swapped.pop(stream)))
        elif self._hit("reorder", stream):
            self._swapped[stream] = payload
            return []
        return self._gathered(frames, now_s)

    def _hit(self, kind: str, stream: str) -> bool:
        for key in ((kind, stream), (kind, "")):
            left = self._counts.get(key, 0)
            if left > 0:
                self._counts[key] = left - 1
                return True
            self._counts.pop(key, None)
        return False

    def _gathered(self, frames: list[tuple[str, str]], now_s: float) -> list[tuple[str, str]]:
        """A burst holds frames back until enough are together, then all go out at once."""
        if not self._burst_size:
            return frames
        self._burst += frames
        if len(self._burst) < self._burst_size and now_s < self._burst_deadline:
            return []
        released, self._burst, self._burst_size = self._burst, [], 0
        return released

    def active(self, now_s: float) -> list[str]:
        """The names of the faults in force."""
        names = [f"silence {stream or 'all'}" for stream, until in self._silent_until.items() if now_s < until]
        names += [f"{kind} {stream or 'all'} {left}" for (kind, stream), left in self._counts.items() if left]
        if self.delay_s:
            names.append(f"delay {self.delay_s * 1000:.0f} ms")
        if self.skew_ms:
            names.append(f"clock_skew {self.skew_ms} ms")
        if self._burst_size:
            names.append(f"burst {len(self._burst)}/{self._burst_size}")
        if self.http_failing(now_s):
            names.append(f"http_status {self.http_status}")
        if self.refusing(now_s):
            names.append(f"refuse {self.refuse_status}")
        if self.is_dark(now_s):
            names.append("black_hole")
        return names


def garbage(kind: Garbage, stream: str, payload: str) -> bytes:
    """An absurd combined-stream frame made of a good one (`payload` without envelope), with the next id."""

    def with_fields(**fields: object) -> bytes:
        event = msgspec.json.decode(payload or b'{"e":"trade","t":0,"p":"1.00000000","q":"1.00000000"}')
        event |= {"t": event.get("t", 0) + 1} | fields
        return msgspec.json.encode({"stream": stream, "data": event})

    makers: dict[str, Callable[[], bytes]] = {
        "truncated": lambda: with_fields()[:-25],
        "not_json": lambda: b"<html>502 Bad Gateway</html>",
        "unknown_stream": lambda: b'{"stream":"dogeusdt@nonsense","data":{"e":"nonsense","E":1,"s":"DOGEUSDT"}}',
        "nan_price": lambda: with_fields(p="NaN"),
        "negative_price": lambda: with_fields(p="-1.00000000"),
        "time_1970": lambda: with_fields(E=1, T=1),
        "time_2100": lambda: with_fields(E=_TIME_2100_MS, T=_TIME_2100_MS),
        "huge": lambda: with_fields(junk="x" * _HUGE_BYTES),
        "binary": lambda: b"\x00\xff\xfe\x01" * 8,
    }
    return makers[kind]()
