"""The stocks' market: the same for a seed whenever and however it is asked."""

import itertools
from collections import Counter

import pytest

from core.venues.simulated.tws import history
from core.venues.simulated.tws.market import Bar, StockMarket, Trade
from core.venues.simulated.tws.stocks import STOCKS
from core.venues.simulated.tws.wire import Malformed

#: 2026-11-20 15:00:00 UTC
AT_MS = 1_795_186_800_000


def market(symbol: str = "AAPL", seed: int = 1, rate: float = 1.0) -> StockMarket:
    return StockMarket(STOCKS[symbol], seed, rate)


def bars(stock: StockMarket, size: str, from_ms: int, until_ms: int) -> list[Bar]:
    return list(itertools.chain(*history.bars_of(stock, history.parse_bar_size(size), from_ms, until_ms)))


def test_a_seed_is_the_same_market_in_any_order_of_questions() -> None:
    one, other = market(), market()
    late = other.trades(AT_MS + 600_000, AT_MS + 660_000)
    assert one.trades(AT_MS, AT_MS + 60_000) == other.trades(AT_MS, AT_MS + 60_000)
    assert one.trades(AT_MS + 600_000, AT_MS + 660_000) == late
    assert one.quotes(AT_MS, AT_MS + 60_000) == other.quotes(AT_MS, AT_MS + 60_000)
    assert one.rows(AT_MS, 10) == other.rows(AT_MS, 10)
    assert market(seed=2).trades(AT_MS, AT_MS + 60_000) != one.trades(AT_MS, AT_MS + 60_000)


@pytest.mark.parametrize("symbol", STOCKS)
@pytest.mark.parametrize("size", ["1 secs", "5 secs", "30 secs", "1 min", "5 mins"])
def test_bars_are_made_of_the_trades(symbol: str, size: str) -> None:
    stock = market(symbol)
    made = bars(stock, size, AT_MS, AT_MS + 299_999)
    step = history.parse_bar_size(size).size_ms
    assert made
    for bar in made:
        trades = stock.trades(bar.open_ms, bar.open_ms + step - 1)
        prices = [t.price for t in trades]
        assert (bar.open, bar.high, bar.low, bar.close) == (prices[0], max(prices), min(prices), prices[-1])
        assert (bar.volume, bar.trades) == (sum(t.size for t in trades), len(trades))
        if step <= 30_000:
            mean = sum(t.price * t.size for t in trades) / bar.volume / 100
            assert bar.average == pytest.approx(mean)
    assert sum(bar.trades for bar in made) == len(stock.trades(AT_MS, AT_MS + 299_999))


def test_a_running_bar_has_what_happened_so_far() -> None:
    stock = market()
    running = bars(stock, "5 secs", AT_MS, AT_MS + 2_345)[-1]
    trades = stock.trades(AT_MS, AT_MS + 2_345)
    assert (running.trades, running.volume) == (len(trades), sum(t.size for t in trades))
    assert running.average == pytest.approx(sum(t.price * t.size for t in trades) / running.volume / 100)


@pytest.mark.parametrize(
    ("size", "span_days", "least"), [("1 day", 30, 30), ("1 week", 60, 8), ("1 month", 90, 3), ("8 hours", 2, 6)]
)
def test_long_bars_follow_each_other_without_a_jump(size: str, span_days: int, least: int) -> None:
    made = bars(market(), size, AT_MS - span_days * 86_400_000, AT_MS)
    assert len(made) >= least
    assert all(b.low <= min(b.open, b.close) <= max(b.open, b.close) <= b.high for b in made)
    assert all(b.open_ms > a.open_ms for a, b in itertools.pairwise(made))


def test_a_span_is_cut_anywhere_without_losing_a_trade() -> None:
    stock = market()
    whole = stock.trades(AT_MS, AT_MS + 200_000)
    pieces = [stock.trades(a, a + 999) for a in range(AT_MS, AT_MS + 200_000, 1_000)]
    assert [*itertools.chain(*pieces), *stock.trades(AT_MS + 200_000, AT_MS + 200_000)] == whole
    assert [t.ts_ms for t in whole] == sorted(t.ts_ms for t in whole)


def test_trades_happen_at_the_quote_and_quotes_never_cross() -> None:
    stock = market()
    quotes = stock.quotes(AT_MS, AT_MS + 120_000)
    assert all(q.bid < q.ask and q.bid_size > 0 and q.ask_size > 0 for q in quotes)
    for trade in stock.trades(AT_MS, AT_MS + 120_000):
        quote = stock.quote_at(trade.ts_ms)
        assert quote.bid - 1 <= trade.price <= quote.ask + 1


def test_the_best_rows_of_the_book_are_the_quote() -> None:
    stock = market()
    for at_ms in range(AT_MS, AT_MS + 30_000, 700):
        step, bids, asks = stock.rows(at_ms, 10)
        quote = stock.quote_at(step * 100)
        assert len(bids) == len(asks) == 10
        assert (bids[0].price, asks[0].price) == (quote.bid, quote.ask)
        assert [r.price for r in bids] == sorted({r.price for r in bids}, reverse=True)
        assert [r.price for r in asks] == sorted({r.price for r in asks})


def fields_of(frame: bytes) -> list[str]:
    return frame[4:].decode().split("\0")[:-1]


def historical(stock: StockMarket, what: str, span: tuple[int | None, int | None], count: int) -> list[list[str]]:
    fields = fields_of(history.ticks_frame(stock, 7, what, span, count, AT_MS + 600_000, 178))
    width = {"TRADES": 6, "BID_ASK": 6, "MIDPOINT": 4}[what]
    rows = [fields[i : i + width] for i in range(3, len(fields) - 1, width)]
    assert (int(fields[2]), fields[-1]) == (len(rows), "1")
    return rows


def test_historical_ticks_page_by_page_are_all_trades() -> None:
    stock = market()
    expected = stock.trades(AT_MS, AT_MS + 600_000)
    found: list[list[str]] = []
    start = AT_MS
    while rows := historical(stock, "TRADES", (start, None), 500):
        found += rows
        start = (int(rows[-1][0]) + 1) * 1_000
    assert Counter((int(r[0]), r[2], r[3], r[4]) for r in found) == Counter(
        (t.ts_ms // 1000, f"{t.price / 100:.2f}", str(t.size), t.exchange) for t in expected
    )


@pytest.mark.parametrize(("what", "message"), [("TRADES", "98"), ("BID_ASK", "97"), ("MIDPOINT", "96")])
def test_ticks_before_an_end_are_the_last_ones_and_seconds_stay_whole(what: str, message: str) -> None:
    stock = market()
    rows = historical(stock, what, (None, AT_MS), 200)
    assert fields_of(history.ticks_frame(stock, 7, what, (None, AT_MS), 200, AT_MS, 178))[0] == message
    assert len(rows) >= 200
    assert int(rows[-1][0]) < AT_MS // 1000
    first = int(rows[0][0])
    again = historical(stock, what, (first * 1000, AT_MS), 1_000)
    assert again == rows


def test_requests_the_venue_refuses_are_malformed() -> None:
    stock = market()
    for size in ("7 secs", "1 sec5", "", "0 mins", "5 hours", "2 days"):
        with pytest.raises(Malformed):
            history.parse_bar_size(size)
    for duration in ("1", "D", "1 X", "-1 D", "0 D"):
        with pytest.raises(Malformed):
            history.parse_duration(duration)
    for what, span, count in [("TRADES", (None, None), 10), ("TRADES", (1, None), 1_001), ("NOISE", (1, None), 10)]:
        with pytest.raises(Malformed):
            history.ticks_frame(stock, 7, what, span, count, AT_MS, 178)


def test_a_second_without_trades_still_has_a_last_one() -> None:
    stock = market(rate=0.01)
    last = stock.last_trade(AT_MS)
    assert isinstance(last, Trade)
    assert last.price > 0
