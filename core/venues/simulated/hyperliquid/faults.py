"""Faults that can be asked of the simulated Hyperliquid; what they do to frames is `simulated.faults`'s part."""

from collections.abc import Callable, Iterable
from typing import Any, Literal

import msgspec

from core.venues.simulated.faults import FaultRequest, Kind

Garbage = Literal[
    "truncated", "not_json", "unknown_channel", "unknown_coin", "nan_price", "negative_price", "time_1970", "time_2100",
    "huge", "binary", "crossed",
]  # fmt: skip

_HUGE_BYTES = 10 * 1024 * 1024
_TIME_2100_MS = 4_102_444_800_000


class HyperliquidFault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `POST /sim/fault`. `channel` and `coin` "" mean all of them."""

    kind: Kind
    channel: str = ""
    coin: str = ""
    n: int = 1
    ms: int = 0
    seconds: float = 0.0
    code: int = 1001
    status: int = 429
    retry_after: int | None = None
    payload: Garbage = "truncated"


def stream_key(channel: str, coin: str) -> str:
    """The name that faults know a coin's channel by."""
    return f"{channel}:{coin}"


def frame_faults(fault: HyperliquidFault, channels: Iterable[str], coins: Iterable[str]) -> list[FaultRequest]:
    """The fault, once for each stream that it names."""

    def on(stream: str) -> FaultRequest:
        return FaultRequest(
            fault.kind, stream, fault.n, fault.ms, fault.seconds, fault.code, fault.status, fault.retry_after
        )

    if not fault.channel and not fault.coin:
        return [on("")]
    chosen = [fault.channel] if fault.channel else list(channels)
    return [on(stream_key(channel, coin)) for channel in chosen for coin in ([fault.coin] if fault.coin else coins)]


def garbage(kind: Garbage, coin: str, trade: dict[str, Any], book: dict[str, Any]) -> bytes:
    """An absurd frame, made of a good trade or book."""

    def trades(**fields: object) -> bytes:
        return msgspec.json.encode({"channel": "trades", "data": [trade | {"tid": trade["tid"] ^ 1} | fields]})

    makers: dict[str, Callable[[], bytes]] = {
        "truncated": lambda: trades()[:-25],
        "not_json": lambda: b"<html>502 Bad Gateway</html>",
        "unknown_channel": lambda: b'{"channel":"nonsense","data":{"coin":"' + coin.encode() + b'"}}',
        "unknown_coin": lambda: trades(coin="NOSUCHCOIN"),
        "nan_price": lambda: trades(px="NaN"),
        "negative_price": lambda: trades(px="-1.0"),
        "time_1970": lambda: trades(time=1),
        "time_2100": lambda: trades(time=_TIME_2100_MS),
        "huge": lambda: trades(hash="x" * _HUGE_BYTES),
        "binary": lambda: b"\x00\xff\xfe\x01" * 8,
        "crossed": lambda: msgspec.json.encode(
            {"channel": "l2Book", "data": book | {"levels": [side[::-1] for side in book["levels"][::-1]]}}
        ),
    }
    return makers[kind]()
