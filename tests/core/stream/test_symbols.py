"""Symbols beside those of the five series: every venue's facts go the same way."""

import pytest

from core.base.clock import ManualClock
from core.domain.health import Source
from core.domain.instrument import AAPL, ETHUSDT, INSTRUMENTS, instruments_of
from core.domain.market import BarUpdate, BookView, ConsolidatedBook, Kline, Origin, Quote, Trade
from core.domain.series import SERIES_NAMES
from core.stream import DataType, Policy, UnifiedDataStream

NOON = 1_700_000_040_000


def trade(number: int, symbol: str = "AAPL", price: float = 230.0) -> Trade:
    return Trade(symbol, number, price, 10.0, NOON + number, False, 1)


def book(bid: float, symbol: str = "AAPL", venue: str = "ibkr") -> BookView:
    return BookView(symbol, 1, ((bid, 3.0),), ((bid + 0.02, 1.0),), NOON, 1, venue)


def bar(open_ms: int, close: float, interval: str = "5s") -> Kline:
    return Kline("AAPL", interval, open_ms, close, close, close, close, 5.0, -1, -1, True, open_ms)


def summary(stream: UnifiedDataStream, symbol: str) -> dict[str, object]:
    return next(one for one in stream.symbols() if one["symbol"] == symbol)


@pytest.fixture
def aapl(stream: UnifiedDataStream) -> UnifiedDataStream:
    stream.add_instrument(AAPL)
    return stream


def test_facts_of_a_symbol_that_never_joined_change_nothing(stream: UnifiedDataStream) -> None:
    consumer = stream.register_consumer("all", [DataType.UI_DATA, DataType.COB])
    assert not stream.publish_trade(trade(1))
    stream.publish_quote(Quote("AAPL", 1, 1, 2, 1, 1))
    stream.publish_book(book(229.99))
    stream.publish_kline(bar(NOON, 1.0))
    stream.set_link("AAPL", True, "")
    stream.book_lost("AAPL")
    stream.touch("AAPL", 1)
    assert consumer.drain() == []
    assert list(stream.instruments) == ["ETHUSDT", "BTCUSDT"]
    assert (stream.quote("AAPL"), stream.book("AAPL"), stream.cob("AAPL")) == (None, None, None)
    assert (
        stream.trades("AAPL", 9) == stream.level2("AAPL") == stream.bars("AAPL", "5s", 9) == stream.prices("AAPL", 9) == []
    )


def test_a_symbol_that_joined_is_delivered_but_makes_no_series(aapl: UnifiedDataStream) -> None:
    ticks = aapl.register_consumer("ticks", [DataType.TICKS])
    assert aapl.publish_trade(trade(7))
    quote = Quote("AAPL", 229.99, 1, 230.01, 1, 1, 1)
    aapl.publish_quote(quote)
    assert ticks.drain() == [trade(7), quote]
    assert all(aapl.rows(name, 9) == [] for name in SERIES_NAMES)
    assert aapl.prices("AAPL", 5) == [[NOON + 7, 230.0, 10.0]]
    aapl.add_instrument(AAPL)
    assert aapl.trades("AAPL", 5) == [trade(7)], "joining again must not forget"


def test_the_consolidated_book_reaches_its_consumers_and_goes_with_the_books_in_it(aapl: UnifiedDataStream) -> None:
    cob = aapl.register_consumer("cob", [DataType.COB])
    aapl.publish_book(book(229.99))
    (message,) = cob.drain()
    assert isinstance(message, ConsolidatedBook)
    assert (message.symbol, message.sources, message.bids) == ("AAPL", ("ibkr",), ((229.99, 3.0),))
    aapl.publish_book(book(229.98, venue="elsewhere"))
    both = aapl.cob("AAPL")
    assert both is not None
    assert set(both.sources) == {"ibkr", "elsewhere"}
    aapl.book_lost("AAPL")
    left = aapl.cob("AAPL")
    assert left is not None
    assert left.sources == ("elsewhere",)
    assert aapl.book("AAPL") is None
    aapl.book_lost("AAPL", "elsewhere")
    assert aapl.cob("AAPL") is None


def test_a_slow_screen_gets_the_newest_of_view_and_consolidated_book(aapl: UnifiedDataStream) -> None:
    screen = aapl.register_consumer("screen", [DataType.UI_DATA, DataType.COB], policy=Policy.NEWEST)
    for step in range(50):
        aapl.publish_book(book(229.0 + step / 100))
    messages = screen.drain()
    assert [type(m) for m in messages] == [BookView, ConsolidatedBook]
    assert all(m.bids == ((229.49, 3.0),) for m in messages)  # type: ignore[union-attr]


def test_the_circular_buffers_keep_the_newest_two_hundred_books_and_thousand_prices(aapl: UnifiedDataStream) -> None:
    for number in range(1_200):
        aapl.publish_trade(trade(number))
        aapl.publish_book(book(200.0 + number / 100))
    assert len(aapl.prices("AAPL", 5_000)) == 1_000
    assert aapl.prices("AAPL", 5_000)[0][0] == NOON + 200
    assert [view.bids[0][0] for view in aapl.level2("AAPL", 2)] == pytest.approx([211.98, 211.99])
    assert len(aapl.level2("AAPL")) == 200
    seen = summary(aapl, "AAPL")
    assert (seen["level2_rows"], seen["price_rows"], seen["updates"]) == (200, 1_000, 2_400)
    assert 0 < seen["bytes"] < 1_000_000  # type: ignore[operator]


def test_bars_without_a_series_are_kept_by_interval_and_amended(aapl: UnifiedDataStream) -> None:
    consumer = aapl.register_consumer("bars", [DataType.OHLCV])
    for step in (0, 2, 1):
        aapl.publish_kline(bar(NOON + step * 5_000, 230.0 + step))
    aapl.publish_kline(bar(NOON + 10_000, 240.0))
    aapl.publish_kline(bar(NOON, 250.0, "1m"))
    assert [(row[0] - NOON, row[4]) for row in aapl.bars("AAPL", "5s", 9)] == [(0, 230.0), (5_000, 231.0), (10_000, 240.0)]
    assert [row[4] for row in aapl.bars("AAPL", "5s", 1)] == [240.0]
    assert len(aapl.bars("AAPL", "1m", 9)) == 1
    assert not any(isinstance(m, BarUpdate) for m in consumer.drain())
    for step in range(3_000):
        aapl.publish_kline(bar(NOON + step * 5_000, 1.0))
    assert len(aapl.bars("AAPL", "5s", 9_999)) == 2_000
    aapl.publish_kline(bar(NOON - 5_000, 1.0))
    assert aapl.bars("AAPL", "5s", 9_999)[0][0] > NOON


def test_each_symbol_has_a_source_of_its_own(aapl: UnifiedDataStream) -> None:
    aapl.source = Source.LIVE
    assert aapl.source_of("AAPL") is Source.SIMULATED
    aapl.set_source("AAPL", Source.DELAYED)
    assert {one["symbol"]: one["source"] for one in aapl.symbols()} == {
        "ETHUSDT": "LIVE", "BTCUSDT": "LIVE", "AAPL": "DELAYED",
    }  # fmt: skip
    assert {one["source"] for one in aapl.series_summary()} == {"LIVE"}
    with pytest.raises(KeyError):
        aapl.source_of("MSFT")


def test_a_stock_is_fresh_by_any_sign_of_life_a_series_by_trades_only(aapl: UnifiedDataStream, clock: ManualClock) -> None:
    for symbol in ("AAPL", "ETHUSDT"):
        aapl.set_link(symbol, True, "")
        aapl.publish_book(book(100.0, symbol, INSTRUMENTS[symbol].venue))
    assert (summary(aapl, "AAPL")["state"], summary(aapl, "ETHUSDT")["state"]) == ("LIVE", "STALE")
    clock.advance(4.5)
    assert summary(aapl, "AAPL")["state"] == "STALE"
    aapl.touch("AAPL", clock.monotonic_ns())
    assert summary(aapl, "AAPL")["state"] == "LIVE"
    aapl.set_link("AAPL", False, "market closed until 09:30")
    assert (summary(aapl, "AAPL")["state"], summary(aapl, "AAPL")["cause"]) == ("STALE", "market closed until 09:30")


def test_back_filled_trades_do_not_look_fresh(aapl: UnifiedDataStream) -> None:
    aapl.set_link("AAPL", True, "")
    aapl.publish_trade(Trade("AAPL", 1, 1.0, 1.0, NOON, False, 0, Origin.REST))
    assert summary(aapl, "AAPL")["state"] == "STALE"


def test_every_instrument_belongs_to_one_venue() -> None:
    assert instruments_of("binance")[0] is ETHUSDT
    assert sum(len(instruments_of(venue)) for venue in ("binance", "ibkr", "hyperliquid")) == len(INSTRUMENTS)
    assert (AAPL.pair, ETHUSDT.pair) == ("AAPL", "ETH/USDT")
