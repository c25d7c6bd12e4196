"""Binance's REST answers."""

from typing import Any

import pytest

from core.domain.market import Origin
from core.venues.bad_frames import BadFrame
from core.venues.binance.rest_wire import parse_depth, parse_klines, parse_ticker, parse_time, parse_trades

EARLIEST_MS, LATEST_MS = 1_498_867_200_000, 1_800_000_000_000


def row(open_ms: int, **change: Any) -> list[Any]:
    values = {"open": "2683.8", "high": "2684.0", "low": "2683.0", "close": "2683.5", "volume": "10.5"} | change
    return [open_ms, *values.values(), open_ms + 59_999, "28000.1", 12, "5.1", "13000.1", "0"]


def test_klines_are_closed_but_for_the_last() -> None:
    klines = parse_klines([row(1_723_161_180_000), row(1_723_161_240_000)], "ETHUSDT", "1m", LATEST_MS)
    assert [k.closed for k in klines] == [True, False]
    first = klines[0]
    assert (first.open_ms, first.open, first.high, first.low, first.close, first.volume) == (
        1_723_161_180_000, 2683.8, 2684.0, 2683.0, 2683.5, 10.5,
    )  # fmt: skip
    assert (first.first_id, first.last_id, first.origin) == (-1, -1, Origin.REST)


@pytest.mark.parametrize(
    "answer",
    [
        {"code": -1121},
        [[1]],
        [row(1_723_161_180_000, high="1")],
        [row(1_723_161_180_000, low="nan")],
        [row(1_723_161_180_000, volume="-1")],
        [row(1_723_161_180_001)],
        [row(0)],
        [row(1_723_161_240_000), row(1_723_161_180_000)],
        None,
    ],
)
def test_absurd_klines_are_refused(answer: Any) -> None:
    with pytest.raises(BadFrame):
        parse_klines(answer, "ETHUSDT", "1m", LATEST_MS)


def test_trades_come_as_rest_trades() -> None:
    answer = [
        {
            "id": 28457,
            "price": "4.00000100",
            "qty": "12.0",
            "quoteQty": "48.0",
            "time": 1_723_161_180_001,
            "isBuyerMaker": True,
        }
    ]
    (trade,) = parse_trades(answer, "ETHUSDT", EARLIEST_MS, LATEST_MS)
    assert (trade.trade_id, trade.price, trade.quantity, trade.ts_ms) == (28457, 4.000001, 12.0, 1_723_161_180_001)
    assert (trade.is_buyer_maker, trade.origin, trade.recv_ns) == (True, Origin.REST, 0)


@pytest.mark.parametrize("change", [{"id": 0}, {"price": "0"}, {"qty": "inf"}, {"time": 1}, {"time": "x"}, {"price": None}])
def test_absurd_trades_are_refused(change: dict[str, Any]) -> None:
    good = {"id": 1, "price": "1", "qty": "1", "time": 1_723_161_180_001, "isBuyerMaker": True}
    with pytest.raises(BadFrame):
        parse_trades([good | change], "ETHUSDT", EARLIEST_MS, LATEST_MS)


def test_depth_has_its_id_and_levels() -> None:
    depth = parse_depth({"lastUpdateId": 5, "bids": [["4.0", "431.0"]], "asks": [["4.1", "9.0"]]}, "ETHUSDT")
    assert (depth.last_update_id, depth.bids, depth.asks) == (5, ((4.0, 431.0),), ((4.1, 9.0),))
    with pytest.raises(BadFrame):
        parse_depth({"lastUpdateId": 5, "bids": [["-4.0", "431.0"]], "asks": []}, "ETHUSDT")
    with pytest.raises(BadFrame):
        parse_depth({"lastUpdateId": 0, "bids": [], "asks": []}, "ETHUSDT")


def test_ticker_and_time() -> None:
    answer = {"symbol": "ETHUSDT", "openPrice": "1", "highPrice": "3", "lowPrice": "0.5", "volume": "7", "quoteVolume": "9"}
    ticker = parse_ticker(answer | {"closeTime": 5})
    assert ticker == {"open": 1.0, "high": 3.0, "low": 0.5, "volume": 7.0, "quote_volume": 9.0, "at_ms": 5}
    assert parse_time({"serverTime": 1_499_827_319_559}) == 1_499_827_319_559
    with pytest.raises(BadFrame):
        parse_time([])
