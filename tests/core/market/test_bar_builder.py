"""Bars from trades."""

import math
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.market import BarFlag, BarUpdate, Kline, Origin, Trade
from core.domain.series import SeriesSpec
from core.market.bar_builder import BarBuilder

STEP = 1_000
SPEC = SeriesSpec("test", "ETHUSDT", "1s", STEP, 10_000, "test")
Row = tuple[float, float, float, float, float, float]


def trade(trade_id: int, ts_ms: int, price: float = 100.0, quantity: float = 1.0) -> Trade:
    return Trade("ETHUSDT", trade_id, price, quantity, ts_ms, False)


def kline(
    open_ms: int, o: float, h: float, low: float, c: float, v: float, ids: tuple[int, int] = (-1, -1), **more: object
) -> Kline:
    fields: dict[str, object] = {"closed": True, "event_ms": 0, "origin": Origin.STREAM} | more
    return Kline("ETHUSDT", "1s", open_ms, o, h, low, c, v, *ids, **fields)  # type: ignore[arg-type]


def rest(open_ms: int, close: float, volume: float = 1.0, closed: bool = True) -> Kline:
    return kline(open_ms, close, close, close, close, volume, closed=closed, origin=Origin.REST)


class Chart:
    """The rows and flags a reader of the updates ends up with."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.flags: dict[int, BarFlag] = {}

    def read(self, updates: list[BarUpdate]) -> "Chart":
        stamps = [update.row[0] for update in updates]
        assert stamps == sorted(set(stamps)), "updates must be oldest first, each bar once"
        for update in updates:
            self.rows[int(update.row[0])] = update.row
            self.flags[int(update.row[0])] = update.flags
        return self

    def list(self) -> list[Row]:
        return [self.rows[stamp] for stamp in sorted(self.rows)]


def plain_bars(trades: list[Trade], until_ms: int) -> list[Row]:
    """Aggregation as one would write it on paper: sort, group, fill."""
    ordered = sorted(trades, key=lambda t: t.trade_id)
    by_bar: dict[int, list[Trade]] = {}
    for one in ordered:
        by_bar.setdefault(one.ts_ms // STEP, []).append(one)
    rows: list[Row] = []
    for number in range(min(by_bar), max(max(by_bar), until_ms // STEP) + 1):
        if group := by_bar.get(number):
            prices = [t.price for t in group]
            units = sum(round(t.quantity * 1e8) for t in group)
            rows.append((float(number * STEP), prices[0], max(prices), min(prices), prices[-1], units / 1e8))
        else:
            close = rows[-1][4]
            rows.append((float(number * STEP), close, close, close, close, 0.0))
    return rows


@st.composite
def tapes(draw: st.DrawFn) -> list[Trade]:
    """Trades whose ids and times rise together, some at the same millisecond, some seconds without any."""
    count = draw(st.integers(1, 25))
    waits = draw(st.lists(st.sampled_from([0, 0, 1, 300, 999, 1_000, 1_001, 4_321]), min_size=count, max_size=count))
    prices = draw(st.lists(st.integers(1, 6), min_size=count, max_size=count))
    quantities = draw(st.lists(st.integers(1, 10**12), min_size=count, max_size=count))
    ts = 1_700_000_000_000 + draw(st.integers(0, 2_000))
    trades = []
    for index in range(count):
        ts += waits[index]
        trades.append(trade(500 + index, ts, prices[index] / 4, quantities[index] / 1e8))
    return trades


RANDOMS = st.randoms(use_true_random=False)
# loads the module behind it now: later, while Hypothesis watches the garbage collector, Python 3.11 may fail to parse it
# ("AST constructor recursion depth mismatch")
RANDOMS.validate()


@settings(max_examples=300)
@given(tapes(), RANDOMS, st.integers(0, 9_000))
def test_any_order_of_trades_and_time_gives_the_bars_of_a_plain_aggregation(
    trades: list[Trade], shuffle: random.Random, later: int
) -> None:
    until = trades[-1].ts_ms + later
    steps: list[Trade | int] = [
        *trades,
        until,
        *(t.ts_ms + shuffle.randrange(3_000) for t in trades if t.ts_ms + 3_000 <= until),
    ]
    shuffle.shuffle(steps)
    builder, chart = BarBuilder(SPEC), Chart()
    for step in steps:
        chart.read(builder.advance(step) if isinstance(step, int) else builder.apply(step))
    assert chart.list() == plain_bars(trades, until)
    assert builder.dropped == 0


@settings(max_examples=150)
@given(tapes(), RANDOMS)
def test_flags_do_not_depend_on_the_order_either(trades: list[Trade], shuffle: random.Random) -> None:
    shuffled = trades.copy()
    shuffle.shuffle(shuffled)
    flags = []
    for order in (trades, shuffled):
        builder, chart = BarBuilder(SPEC), Chart()
        for one in order:
            chart.read(builder.apply(one))
        flags.append(dict(sorted(chart.flags.items())))
    assert flags[0] == flags[1]


def test_only_the_bar_in_which_observation_began_is_partial() -> None:
    builder, chart = BarBuilder(SPEC), Chart()
    chart.read(builder.apply(trade(1, 10_400)))
    chart.read(builder.apply(trade(2, 13_000)))
    assert {stamp: bool(flags & BarFlag.PARTIAL) for stamp, flags in chart.flags.items()} == {
        10_000: True,
        11_000: False,
        12_000: False,
        13_000: False,
    }


def test_a_bar_is_whole_when_market_time_was_seen_before_it_opened() -> None:
    builder, chart = BarBuilder(SPEC), Chart()
    builder.advance(9_990)
    chart.read(builder.apply(trade(1, 10_400)))
    assert not chart.flags[10_000] & BarFlag.PARTIAL


def test_a_bar_closes_two_seconds_of_market_time_after_its_end_and_may_still_be_amended() -> None:
    builder, chart = BarBuilder(SPEC), Chart()
    builder.advance(9_000)
    chart.read(builder.apply(trade(1, 10_400, 5)))
    chart.read(builder.advance(12_999))
    assert not chart.flags[10_000] & BarFlag.CLOSED
    chart.read(builder.advance(13_000))
    assert chart.flags[10_000] & BarFlag.CLOSED
    updates = builder.apply(trade(2, 10_900, 7))
    assert [(u.row[0], u.row[4], bool(u.flags & BarFlag.CLOSED)) for u in updates] == [
        (10_000, 7, True),
        (11_000, 7, False),
        (12_000, 7, False),
        (13_000, 7, False),
    ]
    assert builder.late == 1


def test_flat_rows_follow_a_close_that_changes_but_only_up_to_the_next_trade() -> None:
    builder, chart = BarBuilder(SPEC), Chart()
    for one in (trade(1, 10_100, 5), trade(4, 13_100, 9), trade(3, 10_900, 6)):
        chart.read(builder.apply(one))
    assert [row[4] for row in chart.list()] == [6, 6, 6, 9]


def test_market_time_without_any_price_makes_no_row() -> None:
    assert BarBuilder(SPEC).advance(10_000) == []


def test_a_trade_older_than_what_is_kept_is_dropped() -> None:
    builder = BarBuilder(SPEC, keep=3)
    builder.apply(trade(1, 10_000))
    builder.advance(20_000)
    assert builder.apply(trade(2, 15_000)) == []
    assert builder.dropped == 1


def test_a_jump_makes_no_more_rows_than_the_series_can_hold_and_is_fast() -> None:
    builder, chart = BarBuilder(SPEC, keep=100), Chart()
    builder.apply(trade(1, 10_000, 5))
    began = time.perf_counter()
    chart.read(builder.advance(10_000 + 365 * 86_400_000))
    assert time.perf_counter() - began < 2
    chart.rows.pop(10_000, None)
    rows = chart.list()
    assert len(rows) == SPEC.capacity
    assert rows[-1][0] == (10_000 + 365 * 86_400_000) // STEP * STEP
    assert {row[1:] for row in rows} == {(5, 5, 5, 5, 0)}


def test_a_jump_longer_than_what_can_be_amended_still_tells_every_row() -> None:
    builder, chart = BarBuilder(SPEC, keep=50), Chart()
    chart.read(builder.apply(trade(1, 10_000, 5)))
    chart.read(builder.advance(510_000))
    assert len(chart.rows) == 501
    assert chart.flags[300_000] == BarFlag.CLOSED


def test_volume_is_exact_however_many_trades_there_are() -> None:
    builder, chart = BarBuilder(SPEC), Chart()
    for trade_id in range(30_000):
        chart.read(builder.apply(trade(trade_id, 10_000, 1, 0.1)))
    assert chart.rows[10_000][5] == 3_000.0


# -- history


def test_history_is_taken_as_it_is_and_its_holes_become_flat_rows() -> None:
    chart = Chart().read(
        BarBuilder(SPEC).seed([rest(1_000, 5), rest(2_000, 6), rest(5_000, 7), rest(6_000, 8, closed=False)])
    )
    assert [(row[0], row[4], row[5]) for row in chart.list()] == [
        (1_000, 5, 1),
        (2_000, 6, 1),
        (3_000, 6, 0),
        (4_000, 6, 0),
        (5_000, 7, 1),
        (6_000, 8, 1),
    ]
    assert set(list(chart.flags.values())[:5]) == {BarFlag.CLOSED}
    assert chart.flags[6_000] == BarFlag.PARTIAL


def test_seeding_again_fills_what_is_missing_and_keeps_what_was_built_from_trades() -> None:
    builder, chart = BarBuilder(SPEC), Chart()
    chart.read(builder.seed([rest(8_000, 5), rest(9_000, 5, closed=False)]))
    for one in (trade(1, 9_900, 6), trade(2, 10_100, 7), trade(3, 11_200, 8)):
        chart.read(builder.apply(one))
    chart.read(
        builder.seed([rest(9_000, 6, 9), rest(10_000, 7), rest(11_000, 8), rest(12_000, 9), rest(13_000, 9.5, closed=False)])
    )
    assert chart.rows[9_000][5] == 9
    assert chart.flags[9_000] == BarFlag.CLOSED | BarFlag.FROM_REST
    assert chart.flags[10_000] == BarFlag.CLOSED | BarFlag.RECONCILED
    assert chart.flags[12_000] == BarFlag.CLOSED | BarFlag.FROM_REST
    assert chart.flags[13_000] == BarFlag.PARTIAL
    assert builder.filled == 2


def test_a_flat_row_made_up_while_the_link_was_down_gives_way_to_the_venues_bar() -> None:
    builder, chart = BarBuilder(SPEC), Chart()
    builder.seed([rest(8_000, 5)])
    builder.advance(8_500)
    chart.read(builder.apply(trade(1, 9_900, 6)))
    chart.read(builder.advance(14_000))
    chart.read(builder.seed([rest(11_000, 7, 3), rest(12_000, 7, 0)]))
    assert chart.rows[11_000] == (11_000, 7, 7, 7, 7, 3)
    assert chart.flags[11_000] & BarFlag.FROM_REST
    assert chart.rows[13_000][4] == 7
    assert chart.rows[10_000][4] == 6


def test_a_hole_between_our_rows_and_later_history_is_partial() -> None:
    builder, chart = BarBuilder(SPEC), Chart()
    builder.seed([rest(8_000, 5)])
    chart.read(builder.seed([rest(11_000, 7)]))
    assert chart.flags == {
        9_000: BarFlag.PARTIAL,
        10_000: BarFlag.PARTIAL,
        11_000: BarFlag.CLOSED | BarFlag.FROM_REST,
    }


def test_history_that_comes_after_the_first_trades_goes_before_them() -> None:
    builder, chart = BarBuilder(SPEC), Chart()
    chart.read(builder.apply(trade(1, 9_900, 6)))
    chart.read(builder.seed([rest(6_000, 4), rest(8_000, 5), rest(9_000, 6, 7, closed=False)]))
    assert [row[0] for row in chart.list()] == [6_000, 7_000, 8_000, 9_000]
    assert chart.rows[7_000][4] == 4
    assert chart.flags[7_000] == BarFlag.CLOSED
    assert chart.rows[9_000][5] == 7


def test_a_trade_of_a_bar_that_history_has_whole_changes_nothing() -> None:
    builder, chart = BarBuilder(SPEC), Chart()
    chart.read(builder.seed([rest(8_000, 5, 3), rest(9_000, 5, closed=False)]))
    chart.read(builder.apply(trade(1, 8_900, 99)))
    assert chart.rows[8_000] == (8_000, 5, 5, 5, 5, 3)


# -- the venue's own bars


def started() -> tuple[BarBuilder, Chart]:
    """A builder that watches from before 10,000 ms on."""
    builder, chart = BarBuilder(SPEC), Chart()
    builder.seed([rest(8_000, 5)])
    builder.advance(8_500)
    return builder, chart


def test_an_equal_bar_is_reconciled() -> None:
    builder, chart = started()
    chart.read(builder.apply(trade(7, 10_100, 6, 0.1)))
    chart.read(builder.apply(trade(8, 10_200, 7, 0.2)))
    chart.read(builder.reconcile(kline(10_000, 6, 7, 6, 7, 0.3, (7, 8), event_ms=11_005)))
    assert chart.flags[10_000] == BarFlag.CLOSED | BarFlag.RECONCILED
    assert (builder.reconciled, builder.differences) == (1, 0)
    assert 11_000 in chart.rows


def test_a_different_bar_is_replaced_and_counted_and_the_flat_rows_follow() -> None:
    builder, chart = started()
    chart.read(builder.apply(trade(7, 10_100, 6)))
    chart.read(builder.advance(12_100))
    chart.read(builder.reconcile(kline(10_000, 6, 6, 5.5, 5.5, 1.0, (7, 7), event_ms=12_200)))
    assert chart.rows[10_000] == (10_000, 6, 6, 5.5, 5.5, 1)
    assert chart.flags[10_000] == BarFlag.CLOSED | BarFlag.CORRECTED
    assert chart.rows[12_000] == (12_000, 5.5, 5.5, 5.5, 5.5, 0)
    assert (builder.reconciled, builder.differences) == (0, 1)


def test_a_bar_that_comes_before_its_last_trades_waits_for_them() -> None:
    builder, chart = started()
    chart.read(builder.apply(trade(7, 10_100, 6)))
    chart.read(builder.reconcile(kline(10_000, 6, 8, 6, 8, 2.0, (7, 8), event_ms=11_005)))
    assert not chart.flags[10_000] & BarFlag.CLOSED
    chart.read(builder.apply(trade(8, 10_999, 8)))
    assert chart.flags[10_000] == BarFlag.CLOSED | BarFlag.RECONCILED
    assert builder.differences == 0


def test_a_trade_missing_in_the_middle_is_waited_for_too() -> None:
    builder, chart = started()
    chart.read(builder.apply(trade(7, 10_100, 6)))
    chart.read(builder.apply(trade(9, 10_300, 6)))
    chart.read(builder.reconcile(kline(10_000, 6, 6, 6, 6, 3.0, (7, 9), event_ms=11_005)))
    chart.read(builder.apply(trade(8, 10_200, 6)))
    assert chart.flags[10_000] & BarFlag.RECONCILED


def test_the_wait_for_missing_trades_ends_after_two_seconds_of_market_time() -> None:
    builder, chart = started()
    chart.read(builder.apply(trade(7, 10_100, 6)))
    chart.read(builder.reconcile(kline(10_000, 6, 8, 6, 8, 2.0, (7, 8), event_ms=11_005)))
    chart.read(builder.advance(13_004))
    assert builder.differences == 0
    chart.read(builder.advance(13_005))
    assert builder.differences == 1
    assert chart.rows[10_000] == (10_000, 6, 8, 6, 8, 2)
    before = dict(chart.rows)
    chart.read(builder.apply(trade(8, 10_999, 8)))
    assert chart.rows == before, "the venue's bar has the late trade already"


def test_the_wait_is_as_short_for_long_bars() -> None:
    builder = BarBuilder(SeriesSpec("test", "ETHUSDT", "1m", 60_000, 100, "test"))
    builder.seed([kline(0, 5, 5, 5, 5, 1, origin=Origin.REST)])
    builder.advance(59_000)
    builder.apply(trade(7, 60_100, 6))
    builder.advance(130_000)
    builder.reconcile(kline(60_000, 6, 8, 6, 8, 2.0, (7, 8), event_ms=130_000))
    builder.advance(131_999)
    assert builder.differences == 0
    builder.advance(132_000)
    assert builder.differences == 1


def test_a_flat_bar_that_the_venue_confirmed_does_not_follow_a_late_trade() -> None:
    builder, chart = started()
    chart.read(builder.apply(trade(7, 10_100, 6)))
    chart.read(builder.reconcile(kline(11_000, 6, 6, 6, 6, 0.0, event_ms=12_005)))
    chart.read(builder.apply(trade(8, 10_900, 7)))
    assert [chart.rows[stamp][4] for stamp in (10_000, 11_000, 12_000)] == [7, 6, 6]


def test_a_running_bar_is_ignored_when_ours_is_whole() -> None:
    builder, chart = started()
    chart.read(builder.apply(trade(7, 10_100, 6)))
    assert builder.reconcile(kline(10_000, 1, 1, 1, 1, 50, (1, 7), closed=False, event_ms=10_200)) == []


def test_a_partial_running_bar_is_rebased_and_later_trades_are_added_again() -> None:
    builder, chart = BarBuilder(SPEC), Chart()
    chart.read(builder.seed([rest(9_000, 5), rest(10_000, 6, 4, closed=False)]))
    for one in (trade(20, 10_500, 7), trade(21, 10_600, 3), trade(22, 10_700, 8)):
        chart.read(builder.apply(one))
    assert chart.flags[10_000] & BarFlag.PARTIAL
    chart.read(builder.reconcile(kline(10_000, 5.5, 7, 2.5, 7, 9, (11, 20), closed=False, event_ms=10_650)))
    assert chart.rows[10_000] == (10_000, 5.5, 8, 2.5, 8, 11)
    assert not chart.flags[10_000] & BarFlag.PARTIAL
    chart.read(builder.apply(trade(19, 10_400, 99)))
    assert chart.rows[10_000][2] == 8, "trade 19 is in the venue's bar already"
    chart.read(builder.reconcile(kline(10_000, 5.5, 8, 2.5, 8, 11, (11, 22), event_ms=11_001)))
    assert chart.flags[10_000] == BarFlag.CLOSED | BarFlag.RECONCILED


def test_a_bar_stays_partial_while_trades_between_the_venues_bar_and_our_first_are_unknown() -> None:
    builder, chart = BarBuilder(SPEC), Chart()
    chart.read(builder.apply(trade(20, 10_500, 7)))
    chart.read(builder.reconcile(kline(10_000, 5, 7, 5, 6, 9, (11, 17), closed=False, event_ms=10_650)))
    assert chart.flags[10_000] & BarFlag.PARTIAL
    chart.read(builder.reconcile(kline(10_000, 5, 7, 5, 6, 11, (11, 19), closed=False, event_ms=10_660)))
    assert not chart.flags[10_000] & BarFlag.PARTIAL
    assert chart.rows[10_000] == (10_000, 5, 7, 5, 7, 12)


def test_a_gap_that_cannot_be_filled_makes_its_bars_partial_until_the_venue_tells() -> None:
    builder, chart = started()
    for one in (trade(7, 10_100, 6), trade(12, 10_500, 7)):
        chart.read(builder.apply(one))
    chart.read(builder.mark_partial(10_100, 10_500))
    assert chart.flags[10_000] & BarFlag.PARTIAL
    chart.read(builder.reconcile(kline(10_000, 6, 9, 6, 6, 3, (7, 9), closed=False, event_ms=10_600)))
    assert chart.flags[10_000] & BarFlag.PARTIAL, "this bar ends within the gap"
    assert chart.rows[10_000] == (10_000, 6, 7, 6, 7, 2)
    chart.read(builder.reconcile(kline(10_000, 6, 9, 6, 7, 6, (7, 12), closed=False, event_ms=10_700)))
    assert chart.rows[10_000] == (10_000, 6, 9, 6, 7, 6)
    assert not chart.flags[10_000] & BarFlag.PARTIAL


def test_a_closed_bar_replaces_a_partial_one_without_counting_a_difference() -> None:
    builder, chart = BarBuilder(SPEC), Chart()
    chart.read(builder.apply(trade(20, 10_500, 7)))
    chart.read(builder.reconcile(kline(10_000, 5, 7, 5, 7, 9, (11, 20), event_ms=11_001)))
    assert chart.flags[10_000] == BarFlag.CLOSED | BarFlag.RECONCILED
    assert builder.differences == 0


def test_memory_for_a_partial_bar_is_bounded_and_an_old_venue_bar_is_refused_then() -> None:
    builder, chart = BarBuilder(SPEC), Chart()
    for trade_id in range(100, 25_100):
        chart.read(builder.apply(trade(trade_id, 10_500, 7)))
    assert builder.reconcile(kline(10_000, 1, 7, 1, 7, 50, (50, 200), closed=False, event_ms=10_600)) == []
    chart.read(builder.reconcile(kline(10_000, 1, 7, 1, 7, 24_950, (50, 24_999), closed=False, event_ms=10_600)))
    assert math.isclose(chart.rows[10_000][5], 24_950 + 100)


@pytest.mark.parametrize("volume", [1.0 + 5e-9, 1.0 - 5e-9])
def test_volumes_that_differ_by_rounding_agree(volume: float) -> None:
    builder, chart = started()
    chart.read(builder.apply(trade(7, 10_100, 6)))
    chart.read(builder.reconcile(kline(10_000, 6, 6, 6, 6, volume, (7, 7), event_ms=11_005)))
    assert builder.reconciled == 1
