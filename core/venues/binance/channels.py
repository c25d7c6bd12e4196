"""Which streams of Binance a symbol needs, and how patient to be with each."""

from collections.abc import Collection

from core.domain.series import SERIES
from core.venues.channel import Channel

#: of every symbol, the most important first
BASE = ("trade", "bookTicker", "depth@100ms")
#: symbols whose bars the series are compared with
KLINES: dict[str, tuple[str, ...]] = {
    symbol: tuple(f"kline_{s.interval}" for s in SERIES.values() if s.symbol == symbol)
    for symbol in dict.fromkeys(s.symbol for s in SERIES.values())
}
#: channels that speak only every few seconds, and then only if something changed, may be silent longer by this factor
_SLOW = {"kline_1m": 6, "kline_1h": 6, "kline_1d": 6}
#: how often a channel speaks when all is well (s, web-socket-streams.md); three times that is never a fault
_CADENCE_S = {"kline_1s": 1.0, "kline_1m": 2.0, "kline_1h": 2.0, "kline_1d": 2.0}
#: a quiet symbol without bars may have nothing to say for long: its book is given more time
_QUIET = {"bookTicker": 6, "depth@100ms": 6}


def stream_of(symbol: str, name: str) -> str:
    """`ETHUSDT`, `trade` → `ethusdt@trade`."""
    return f"{symbol.lower()}@{name}"


def channels_of(symbol: str, silence_s: float, available: Collection[str] | None) -> dict[str, Channel]:
    """The channels of one symbol by stream name; of a recording only the `available` ones."""
    klines = KLINES.get(symbol, ())
    patience = _SLOW if klines else _QUIET
    streams = {stream_of(symbol, name): name for name in (*BASE, *klines)}
    return {
        stream: Channel(stream, symbol, max(silence_s * patience.get(name, 1), 3 * _CADENCE_S.get(name, 0.0)))
        for stream, name in streams.items()
        if available is None or stream in available
    }
