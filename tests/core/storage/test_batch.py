"""Messages into checked batches."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.errors import BadInput
from core.domain.market import BarFlag, BarUpdate, Origin, Trade
from core.storage.batch import Batch, batch_of, merge

NOW_MS = 1_723_118_400_000

TRADE = st.builds(
    Trade,
    symbol=st.sampled_from(["ETHUSDT", "BTCUSDT", "X"]),
    trade_id=st.integers(0, 2**63 - 1),
    price=st.floats(1e-9, 1e12),
    quantity=st.floats(0, 1e12),
    ts_ms=st.integers(NOW_MS - 10**11, NOW_MS),
    is_buyer_maker=st.booleans(),
    origin=st.sampled_from(list(Origin)),
)
BAR = st.builds(
    lambda series, ts, prices, volume: BarUpdate(series, (float(ts), *prices, volume), BarFlag.CLOSED),
    st.sampled_from(["eth_1m", "btc_ticks"]),
    st.integers(NOW_MS - 10**11, NOW_MS),
    st.tuples(*[st.floats(1e-9, 1e12)] * 4),
    st.floats(0, 1e12),
)


def facts(batch: Batch) -> list[tuple[object, ...]]:
    return [(batch.names[r["name"]], *r.tolist()[1:]) for rows in (batch.trades, batch.bars) for r in rows]


@given(st.lists(st.lists(TRADE | BAR, max_size=8), min_size=1, max_size=4))
def test_bytes_and_merging_keep_every_row_in_order(groups: list[list[Trade | BarUpdate]]) -> None:
    batches = [batch_of(group, NOW_MS)[0] for group in groups]
    whole, rejected = batch_of([m for group in groups for m in group], NOW_MS)
    assert (rejected.trades, rejected.bars) == (0, 0)
    assert facts(merge([Batch.from_bytes(batch.to_bytes()) for batch in batches])) == facts(whole)


@given(st.lists(TRADE | BAR, min_size=2, max_size=9))
def test_halves_are_smaller_and_together_the_whole(messages: list[Trade | BarUpdate]) -> None:
    batch, _ = batch_of(messages, NOW_MS)
    first, second = batch.halves()
    assert 0 < first.rows < batch.rows
    assert facts(merge([first, second])) == facts(batch)


def bad_trades() -> list[Trade]:
    good = {"symbol": "ETHUSDT", "trade_id": 1, "price": 1.0, "quantity": 1.0, "ts_ms": NOW_MS, "is_buyer_maker": True}
    faults: list[dict[str, object]] = [
        {"price": math.nan},
        {"price": math.inf},
        {"price": -1.0},
        {"price": 0.0},
        {"price": "many"},
        {"price": None},
        {"quantity": math.nan},
        {"quantity": -0.1},
        {"trade_id": -1},
        {"trade_id": 2**63},
        {"ts_ms": 0},
        {"ts_ms": 4_102_444_800_000},
        {"ts_ms": 10**30},
        {"symbol": ""},
        {"symbol": "a\0b"},
        {"symbol": "x" * 33},
        {"symbol": 7},
    ]
    return [Trade(**(good | fault)) for fault in faults]


@pytest.mark.parametrize("bad", bad_trades(), ids=str)
def test_an_unusable_trade_is_rejected_alone(bad: Trade, trades: Callable[..., list[Trade]]) -> None:
    good = trades(9)
    batch, rejected = batch_of([*good[:4], bad, *good[4:]], NOW_MS)
    assert batch.trades["trade_id"].tolist() == list(range(1, 10))
    assert rejected.trades == 1


@pytest.mark.parametrize(
    "row",
    [
        (math.nan, 1, 1, 1, 1, 1),
        (1.7e12, math.nan, 1, 1, 1, 1),
        (1.7e12, 1, -1, 1, 1, 1),
        (1.7e12, 1, 1, 1, 1, -1),
        (1.7e12,),
        "x",
    ],
)
def test_an_unusable_bar_is_rejected_alone(row: object, bar: Callable[..., BarUpdate]) -> None:
    batch, rejected = batch_of([bar(), BarUpdate("eth_1m", row, BarFlag.CLOSED), bar(NOW_MS - 60_000)], NOW_MS)
    assert len(batch.bars) == 2
    assert rejected.bars == 1


@pytest.mark.parametrize("data", [b"", b"{}", b"\x94\x02\x90\xc4\x00\xc4\x00", b"\x94\x01\x90\xc4\x01x\xc4\x00"])
def test_bytes_that_are_no_batch_are_bad_input(data: bytes) -> None:
    with pytest.raises(BadInput):
        Batch.from_bytes(data)


def test_the_packed_rows_keep_their_layout_because_spools_on_disk_have_it() -> None:
    batch, _ = batch_of(
        [Trade("A", 1, 2.0, 3.0, NOW_MS, True), BarUpdate("s", (NOW_MS, 1, 2, 3, 4, 5), BarFlag.CLOSED)], NOW_MS
    )
    assert batch.trades.dtype.itemsize == 36
    assert batch.bars.dtype.itemsize == 52
    assert np.frombuffer(batch.trades.tobytes()[2:10], "<i8")[0] == 1
