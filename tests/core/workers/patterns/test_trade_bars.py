"""The app's own trades as minutes, and the minutes that the stream knew before."""

import pytest

from core.base.clock import ManualClock
from core.base.settings import StreamConfig
from core.domain.instrument import AAPL, ETH_PERP
from core.domain.market import Kline, Trade
from core.stream.unified_data_stream import UnifiedDataStream
from core.workers.patterns.detection import Bar
from core.workers.patterns.detector import KEEP
from core.workers.patterns.trade_bars import TradeBars, known_minutes

NOON_MS = 1_723_118_400_000


def kline(symbol: str, interval: str, open_ms: int, price: float, volume: float = 2.0) -> Kline:
    return Kline(symbol, interval, open_ms, price, price + 1, price - 1, price + 0.5, volume, -1, -1, True, open_ms)


@pytest.fixture
def stream() -> UnifiedDataStream:
    stream = UnifiedDataStream(StreamConfig(), ManualClock(NOON_MS))
    for instrument in (AAPL, ETH_PERP):
        stream.add_instrument(instrument)
    return stream


def test_trades_whose_ids_do_not_rise_open_and_close_a_minute_by_their_time() -> None:
    clock, offered = ManualClock(NOON_MS + 86_400_000), []
    bars = TradeBars(offered.extend, clock)
    ids = iter((9, 3, 7, 1, 8, 2, 6))
    times = (0, 60_000, 60_500, 119_000, 61_000, 119_000, 181_999)
    prices = (1.0, 10.0, 12.0, 11.0, 8.0, 9.0, 5.0)
    bars.take([Trade("ETH-PERP", next(ids), p, 2.0, NOON_MS + t, False) for t, p in zip(times, prices, strict=True)])
    assert offered == []
    clock.advance(2)
    bars.take([Trade("ETH-PERP", 5, 5.0, 2.0, NOON_MS + 182_000, False)])
    assert offered == [("ETH-PERP", Bar(NOON_MS + 60_000, 10.0, 12.0, 8.0, 9.0, 10.0))]
    clock.advance(20)
    bars.take([])
    assert [bar.ts_ms for _, bar in offered[1:]] == [NOON_MS + 180_000], "the market fell silent"


def test_known_minutes_are_the_series_own_or_made_of_its_seconds(stream: UnifiedDataStream) -> None:
    start = NOON_MS - 300 * 60_000
    stream.seed("ETHUSDT", "1m", [kline("ETHUSDT", "1m", start + n * 60_000, 2_000.0 + n) for n in range(300)])
    stream.seed("BTCUSDT", "1s", [kline("BTCUSDT", "1s", NOON_MS - 190_000 + n * 1_000, 100.0 + n) for n in range(190)])
    eth = known_minutes(stream, "ETHUSDT")
    assert len(eth) == KEEP
    assert eth[-1] == Bar(NOON_MS - 60_000, 2_299.0, 2_300.0, 2_298.0, 2_299.5, 2.0)
    assert known_minutes(stream, "BTCUSDT") == [
        Bar(NOON_MS - (3 - n) * 60_000, 110.0 + 60 * n, 170.0 + 60 * n, 109.0 + 60 * n, 169.5 + 60 * n, 120.0)
        for n in range(3)
    ], "ten seconds of the minute before are not a minute"


def test_other_symbols_have_what_their_venue_told(stream: UnifiedDataStream) -> None:
    stream.publish_kline(kline("AAPL", "1m", NOON_MS, 200.0))
    assert known_minutes(stream, "AAPL") == [Bar(NOON_MS, 200.0, 201.0, 199.0, 200.5, 2.0)]
    assert known_minutes(stream, "ETH-PERP") == []
    assert known_minutes(stream, "NIFTY") == []
