"""The heat map's data: columns, holes, bins, codes, and how big all of it may get."""

import base64
import random
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.codec import from_json, to_json
from core.domain.market import BookView, Level, Origin, Trade
from core.market.liquidity import COLUMNS, LiquidityHistory

T0 = 1_700_000_000_000


def view(bids: tuple[Level, ...], asks: tuple[Level, ...], known: tuple[float, float] | None = None) -> BookView:
    return BookView("X", 1, bids, asks, 0, 0, "v", known)


def trade(price: float, quantity: float = 1.0, maker: bool = False, origin: Origin = Origin.STREAM) -> Trade:
    return Trade("X", 1, price, quantity, 0, maker, 0, origin)


def sizes(answer: dict[str, Any], column: dict[str, Any], side: str) -> dict[int, float]:
    """Bin -> size, of the bins that are not empty."""
    low = column["low" if side == "bids" else "ask_low"]
    unit, base = answer["scale"]["unit"], answer["scale"]["base"]
    codes = base64.b64decode(column[side])
    return {low + n: unit * base ** (code - 1) for n, code in enumerate(codes) if code}


BOOK = view(((99.99, 2.0), (99.97, 5.0)), ((100.01, 1.0), (100.04, 30.0)))


def test_a_column_has_the_resting_sizes_by_bin_and_the_best_prices() -> None:
    history = LiquidityHistory(0.01, 0.001)
    history.on_book(BOOK)
    assert history.tick(T0 + 730)
    answer = history.full()
    (column,) = answer["columns"]
    assert (answer["full"], answer["last"], answer["bin"], answer["period_ms"]) == (True, 0, 0.01, 500)
    assert (column["t"], column["bid"], column["ask"]) == (T0 + 500, 99.99, 100.01)
    assert sizes(answer, column, "bids") == {9999: pytest.approx(2, rel=0.05), 9997: pytest.approx(5, rel=0.05)}
    assert sizes(answer, column, "asks") == {10001: pytest.approx(1, rel=0.05), 10004: pytest.approx(30, rel=0.05)}
    assert len(base64.b64decode(column["bids"])) == 3, "a bin in between is known to be empty"
    assert "hole" not in column


def test_a_period_has_one_column() -> None:
    history = LiquidityHistory(0.01, 0.001)
    history.on_book(BOOK)
    assert history.tick(T0)
    assert not history.tick(T0 + 499)
    assert history.tick(T0 + 500)
    assert [column["t"] for column in history.full()["columns"]] == [T0, T0 + 500]


def test_a_withheld_book_leaves_holes_with_their_cause_until_it_is_back() -> None:
    history = LiquidityHistory(0.01, 0.001)
    history.tick(T0)
    history.on_book(BOOK)
    history.tick(T0 + 500)
    history.lose("connection lost")
    history.on_trade(trade(100.0))
    history.tick(T0 + 1_000)
    history.on_book(BOOK)
    history.tick(T0 + 1_500)
    columns = history.full()["columns"]
    assert [column.get("hole") for column in columns] == ["no order book yet", None, "connection lost", None]
    assert columns[2] == {"t": T0 + 1_000, "hole": "connection lost", "trades": ((100.0, 1.0, 0),)}


def test_time_that_was_slept_through_is_missing_and_not_filled() -> None:
    history = LiquidityHistory(0.01, 0.001)
    history.on_book(BOOK)
    for t in (T0, T0 + 500, T0 + 60_000):
        history.tick(t)
    assert [column["t"] - T0 for column in history.full()["columns"]] == [0, 500, 60_000]


def test_a_book_with_one_side_is_a_hole() -> None:
    history = LiquidityHistory(0.01, 0.001)
    history.on_book(view((), ((100.0, 1.0),)))
    history.tick(T0)
    assert history.full()["columns"][0]["hole"] == "one side of the book is empty"


def test_only_what_lies_near_the_mid_and_within_the_known_range_is_drawn() -> None:
    history = LiquidityHistory(0.01, 0.001)
    history.on_book(view(((100.0, 1.0), (99.6, 1.0), (99.4, 1.0)), ((100.02, 1.0), (100.6, 1.0))))
    history.tick(T0)
    history.on_book(view(((100.0, 1.0), (99.6, 1.0)), ((100.02, 1.0), (100.3, 1.0)), (99.7, 100.1)))
    history.tick(T0 + 500)
    answer = history.full()
    bids = [sizes(answer, column, "bids") for column in answer["columns"]]
    asks = [sizes(answer, column, "asks") for column in answer["columns"]]
    assert answer["bin"] == 0.01
    assert [sorted(side) for side in bids] == [[9960, 10000], [10000]]
    assert [sorted(side) for side in asks] == [[10002], [10002]]


def test_trades_are_added_up_by_bin_and_side_at_their_mean_price() -> None:
    history = LiquidityHistory(0.01, 0.001)
    history.on_book(BOOK)
    history.tick(T0)
    for one in (trade(100.01, 1.5), trade(100.01, 0.5), trade(99.99, 3.0, maker=True), trade(50.0, origin=Origin.REST)):
        history.on_trade(one)
    history.tick(T0 + 500)
    history.tick(T0 + 1_000)
    columns = history.full()["columns"]
    assert columns[1]["trades"] == ((99.99, 3.0, 1), (100.01, 2.0, 0))
    assert columns[2]["trades"] == (), "each trade is in one column"


@given(st.lists(st.tuples(st.integers(9_000, 11_000), st.integers(1, 9), st.booleans()), max_size=200))
def test_however_many_trades_there_are_entries_are_few_and_quantities_add_up(raw: list[tuple[int, int, bool]]) -> None:
    history = LiquidityHistory(0.01, 0.001)
    for ticks, quantity, maker in raw:
        history.on_trade(trade(ticks / 100, float(quantity), maker))
    history.tick(T0)
    (column,) = history.full()["columns"]
    assert len(column["trades"]) <= 6
    for side in (0, 1):
        expected = sum(quantity for _, quantity, maker in raw if maker == side)
        assert sum(entry[1] for entry in column["trades"] if entry[2] == side) == expected
    assert all(90 <= price <= 110 for price, _, _ in column["trades"])


@given(st.lists(st.tuples(st.integers(1, 400), st.floats(0.001, 1e6)), min_size=1, max_size=300))
def test_a_column_has_the_size_that_the_book_has(levels: list[tuple[int, float]]) -> None:
    by_tick = dict(levels)
    bids = tuple((round(100 - tick * 0.001, 3), size) for tick, size in sorted(by_tick.items()))
    asks = tuple((round(100 + tick * 0.001, 3), size) for tick, size in sorted(by_tick.items()))
    history = LiquidityHistory(0.001, 0.001)
    history.on_book(view(bids, asks))
    history.tick(T0)
    answer = history.full()
    (column,) = answer["columns"]
    for side in ("bids", "asks"):
        assert sum(sizes(answer, column, side).values()) == pytest.approx(sum(by_tick.values()), rel=0.05)
    assert len(base64.b64decode(column["bids"])) + len(base64.b64decode(column["asks"])) <= 146


def ladder(mid_ticks: int, rows: int, tick: float, gap: int = 1) -> BookView:
    return view(
        tuple((round((mid_ticks - 1 - n * gap) * tick, 8), 3.0) for n in range(rows)),
        tuple((round((mid_ticks + n * gap) * tick, 8), 3.0) for n in range(rows)),
    )


def test_a_book_that_becomes_wider_gets_coarser_bins_and_the_columns_before_are_turned_to_them() -> None:
    history = LiquidityHistory(0.01, 0.001)
    history.on_book(ladder(240_000, 40, 0.01))
    history.tick(T0)
    fine = history.full()
    history.on_book(ladder(240_000, 40, 0.01, gap=20))
    history.tick(T0 + 500)
    coarse = history.full()
    factor = round(coarse["bin"] / fine["bin"])
    assert (fine["bin"], factor) == (0.01, 16)
    expected: dict[int, float] = {}
    for number, size in sizes(fine, fine["columns"][0], "bids").items():
        expected[number // factor] = expected.get(number // factor, 0) + size
    assert sizes(coarse, coarse["columns"][0], "bids") == pytest.approx(expected, rel=0.06)


def test_a_book_that_stays_narrow_gets_finer_bins_and_keeps_its_sums() -> None:
    history = LiquidityHistory(0.01, 0.001)
    history.on_book(ladder(240_000, 40, 0.01, gap=20))
    history.tick(T0)
    coarse = history.full()
    history.on_book(ladder(240_000, 40, 0.01))
    for n in range(1, 40):
        history.tick(T0 + n * 500)
    fine = history.full()
    assert (coarse["bin"], fine["bin"]) == (0.16, 0.01)
    before, after = sizes(coarse, coarse["columns"][0], "asks"), sizes(fine, fine["columns"][0], "asks")
    assert sum(after.values()) == pytest.approx(sum(before.values()), rel=0.06)
    assert {number // 16 for number in after} == set(before)


def test_since_brings_each_column_once() -> None:
    history = LiquidityHistory(0.01, 0.001, columns=5)
    assert (history.full()["columns"], history.full()["last"]) == ([], -1)
    history.on_book(BOOK)
    history.tick(T0)
    first = history.since(-1)
    assert (first["full"], first["last"], len(first["columns"])) == (True, 0, 1)
    assert history.since(0) == {**first, "full": False, "columns": []}
    for n in range(1, 4):
        history.tick(T0 + n * 500)
    news = history.since(0)
    assert (news["full"], news["last"], [c["t"] - T0 for c in news["columns"]]) == (False, 3, [500, 1_000, 1_500])
    assert history.since(3)["columns"] == []


def test_a_reader_that_cannot_be_continued_gets_everything() -> None:
    history = LiquidityHistory(0.01, 0.001, columns=5)
    history.on_book(BOOK)
    for n in range(20):
        history.tick(T0 + n * 500)
    assert [history.since(last)["full"] for last in (13, 14, 19, 20, 99)] == [True, False, False, True, True]
    history.on_book(ladder(240_000, 40, 0.01, gap=20))
    history.tick(T0 + 20 * 500)
    rebinned = history.since(19)
    assert (rebinned["full"], len(rebinned["columns"])) == (True, 5)
    history.tick(T0 + 21 * 500)
    assert history.since(rebinned["last"])["full"] is False


def test_a_clock_that_is_set_back_takes_its_later_columns_with_it() -> None:
    history = LiquidityHistory(0.01, 0.001)
    history.on_book(BOOK)
    for n in range(10):
        history.tick(T0 + n * 500)
    history.tick(T0 + 2_000)
    answer = history.since(9)
    assert answer["full"]
    assert [column["t"] - T0 for column in answer["columns"]] == [0, 500, 1_000, 1_500, 2_000]


@pytest.mark.parametrize(
    ("tick", "price", "rows", "gap", "trades", "lot"),
    [
        (0.01, 2_400.0, 200, 1, 3, 1e-4),
        (0.01, 2_400.0, 200, 5, 300, 1e-4),
        (0.01, 190.0, 20, 1, 5, 1.0),
        (0.01, 120_000.0, 200, 250, 100, 1e-5),
        (0.01, 190.0, 72, 1, 300, 1.0),
    ],
)
def test_ten_minutes_are_below_half_a_megabyte_of_json_and_three_of_memory(
    tick: float, price: float, rows: int, gap: int, trades: int, lot: float
) -> None:
    rng = random.Random(1)
    history = LiquidityHistory(tick, lot)
    rest = [rng.expovariate(0.2) * lot * 1_000 for _ in range(rows)]
    tracemalloc.start()
    try:
        centre = round(price / tick)
        for n in range(COLUMNS + 10):
            centre = round(centre * (1 + rng.gauss(0, 5e-5)))
            bids = tuple((round((centre - 1 - i * gap) * tick, 8), rest[(i + n) % rows]) for i in range(rows) if i % 7)
            asks = tuple((round((centre + i * gap) * tick, 8), rest[(i + 2 * n) % rows]) for i in range(rows) if i % 5)
            for _ in range(trades if n % 40 < 10 else min(trades, 3)):
                history.on_trade(
                    trade(round((centre + rng.randrange(-rows, rows)) * tick, 8), rng.random(), rng.random() < 0.5)
                )
            history.on_book(view(bids, asks))
            history.tick(T0 + n * 500)
        del bids, asks
        memory = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    answer = to_json(history.full())
    assert len(from_json(answer)["columns"]) == COLUMNS
    assert 100_000 < len(answer) < 500_000
    assert memory < 3_000_000
