"""The five standard series, by their names."""

import msgspec

#: The columns of a row, in order. `timestamp` is the bar's open in Unix milliseconds UTC; all are float64.
COLUMNS = ("timestamp", "open", "high", "low", "close", "volume")

SECOND_MS = 1_000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000


class SeriesSpec(msgspec.Struct, frozen=True):
    """One series: `symbol` in bars of `step_ms`; `interval` is the venue's name of that step; `capacity` rows are kept."""

    name: str
    symbol: str
    interval: str
    step_ms: int
    capacity: int
    title: str


#: name -> spec, in the order pages show them. Seconds are kept for 24 h and an hour's slack.
SERIES: dict[str, SeriesSpec] = {
    s.name: s
    for s in (
        SeriesSpec("eth_ticks", "ETHUSDT", "1s", SECOND_MS, 90_000, "ETH/USDT 1 s"),
        SeriesSpec("eth_1m", "ETHUSDT", "1m", MINUTE_MS, 10_000, "ETH/USDT 1 m"),
        SeriesSpec("eth_1h", "ETHUSDT", "1h", HOUR_MS, 5_000, "ETH/USDT 1 h"),
        SeriesSpec("eth_1d", "ETHUSDT", "1d", DAY_MS, 5_000, "ETH/USDT 1 d"),
        SeriesSpec("btc_ticks", "BTCUSDT", "1s", SECOND_MS, 90_000, "BTC/USDT 1 s"),
    )
}

SERIES_NAMES: tuple[str, ...] = tuple(SERIES)


def series_of(symbol: str) -> tuple[SeriesSpec, ...]:
    """The series built from one symbol's trades, finest first."""
    return tuple(s for s in SERIES.values() if s.symbol == symbol)


def series_for(symbol: str, interval: str) -> SeriesSpec | None:
    """The series of a symbol and a venue interval name (`1s`, `1m`, `1h`, `1d`), or None."""
    return next((s for s in SERIES.values() if s.symbol == symbol and s.interval == interval), None)
