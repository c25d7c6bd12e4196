"""Joining live trades to history: whatever the break, each trade comes out once."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.market.second_trades import IDS_PER_SECOND, Tick
from core.venues.ibkr.trade_flow import Named, TradeFlow, Wanted

S = 1_000_000_000


def ns(seconds: float) -> int:
    return round(seconds * S)


def trade(second: int, price: float = 10.0, size: float = 1.0, at: float | None = None) -> Tick:
    return Tick(second, price, size, ns(second if at is None else at))


def flowing(*seconds: int, bars: bool = True) -> tuple[TradeFlow, list[Named]]:
    """A flow that was joined at the first of these seconds, and what it published."""
    flow, out = TradeFlow(), []
    flow.opened(ns(seconds[0] - 1))
    for second in seconds:
        out += flow.on_tick(trade(second), ns(second))
    wanted = flow.wanted(ns(seconds[-1] + 2), seconds[-1] + 2)
    assert wanted == Wanted(seconds[0], seconds[0])
    flow.asked(ns(seconds[-1] + 2))
    out += flow.filled_with(wanted, [Tick(seconds[0], 10.0, 1.0)], ns(seconds[-1] + 2))
    assert flow.is_joined
    flow.has_bars = bars
    return flow, out


def test_the_running_second_at_the_start_is_completed_from_history() -> None:
    flow = TradeFlow()
    flow.opened(ns(99))
    assert flow.on_tick(trade(100, 10.2), ns(100.5)) == []
    assert flow.on_tick(trade(101, 10.3), ns(101.1)) == []
    assert flow.wanted(ns(101.0), 101.0) is None, "the second is not over"
    wanted = flow.wanted(ns(102.0), 102.0)
    assert wanted == Wanted(100, 100)
    assert flow.pending
    out = flow.filled_with(wanted, [Tick(100, 10.1, 1.0), Tick(100, 10.2, 1.0)], ns(102.0))
    assert [(i, t.price) for i, t in out] == [
        (100 * IDS_PER_SECOND, 10.1),
        (100 * IDS_PER_SECOND + 1, 10.2),
        (101 * IDS_PER_SECOND, 10.3),
    ]
    assert [t.recv_ns > 0 for _, t in out] == [False, True, True], "what came live keeps the time it came"
    assert flow.filled == 1
    assert flow.is_joined
    assert not flow.pending


def test_after_a_break_the_cut_second_and_all_after_it_are_fetched() -> None:
    flow, _ = flowing(100, 101)
    flow.opened(ns(110))
    flow.on_tick(trade(112, 11.0), ns(112))
    wanted = flow.wanted(ns(114), 114)
    assert wanted == Wanted(101, 112)
    past = [Tick(101, 10.0, 1.0), Tick(101, 10.5, 1.0), Tick(105, 10.6, 1.0), Tick(112, 11.0, 1.0)]
    out = flow.filled_with(wanted, past, ns(114))
    assert [(i // IDS_PER_SECOND, i % IDS_PER_SECOND, t.price) for i, t in out] == [
        (101, 1, 10.5),
        (105, 0, 10.6),
        (112, 0, 11.0),
    ]


def test_history_that_is_behind_is_asked_again_and_then_believed() -> None:
    flow = TradeFlow()
    flow.opened(ns(99))
    flow.on_tick(trade(100), ns(100))
    for attempt in (1, 2):
        wanted = flow.wanted(ns(100 + 2 * attempt), 200)
        assert wanted is not None
        flow.asked(ns(100 + 2 * attempt))
        assert flow.wanted(ns(100 + 2 * attempt), 200) is None
        assert flow.filled_with(wanted, [], ns(100 + 2 * attempt)) == []
        assert flow.retries == attempt
    wanted = flow.wanted(ns(106), 200)
    assert wanted is not None
    assert flow.filled_with(wanted, [], ns(106)) == []
    assert flow.duplicates == 1
    assert flow.is_joined


def test_without_an_answer_trades_flow_after_five_seconds_and_the_past_is_merged_when_it_comes() -> None:
    flow, _ = flowing(100)
    flow.opened(ns(110))
    flow.on_tick(trade(111), ns(111))
    wanted = flow.wanted(ns(113), 113)
    assert wanted is not None
    flow.asked(ns(113))
    flow.failed(ns(114))
    assert flow.look(ns(115)) == []
    assert [i for i, _ in flow.look(ns(116.5))] == [111 * IDS_PER_SECOND]
    assert [i for i, _ in flow.on_tick(trade(117), ns(117))] == [117 * IDS_PER_SECOND]
    flow.retry_now(ns(118))
    wanted = flow.wanted(ns(118), 118)
    assert wanted == Wanted(100, 111)
    out = flow.filled_with(wanted, [Tick(100, 10.0, 1.0), Tick(105, 9.0, 2.0), Tick(111, 10.0, 1.0)], ns(118))
    assert [(i, t.price) for i, t in out] == [(105 * IDS_PER_SECOND, 9.0)]
    assert flow.is_joined


def test_while_no_live_trade_comes_history_is_taken_up_to_the_present() -> None:
    flow, _ = flowing(100)
    flow.opened(ns(110))
    assert flow.wanted(ns(112), 112) is None
    wanted = flow.wanted(ns(116), 116.4)
    assert wanted == Wanted(100, 114)
    out = flow.filled_with(wanted, [Tick(100, 10.0, 1.0), Tick(108, 9.0, 1.0)], ns(116))
    assert [t.second for _, t in out] == [108]
    assert not flow.is_joined
    flow.on_tick(trade(130), ns(130))
    assert flow.wanted(ns(132), 132) == Wanted(108, 130)


def test_a_trade_told_twice_is_dropped_when_the_bar_does_not_know_it() -> None:
    flow, _ = flowing(100)
    assert len(flow.on_tick(trade(105), ns(105))) == 1
    assert flow.on_tick(trade(105), ns(105)) == []
    assert not flow.is_decided(105)
    assert flow.is_decided(104)
    flow.on_bar(105, 1, 1.0, ns(110))
    assert flow.look(ns(110.2)) == [], "trades may follow the bar"
    assert flow.look(ns(110.5)) == []
    assert flow.duplicates == 1
    assert flow.is_decided(109)


def test_only_a_trade_that_repeats_the_one_before_it_word_for_word_waits() -> None:
    flow, _ = flowing(100)
    other_place = Tick(105, 10.0, 1.0, ns(105), "ARCA|")
    for tick in (trade(105), other_place, trade(105), trade(105, 10.1), trade(105)):
        assert len(flow.on_tick(tick, ns(105))) == 1
    assert flow.on_tick(trade(105), ns(105)) == []
    flow.on_bar(105, 6, 6.0, ns(110))
    assert len(flow.look(ns(110.5))) == 1


def test_a_venue_that_told_trades_twice_out_of_order_is_watched_more_closely() -> None:
    flow, _ = flowing(100)
    for tick in (trade(105), trade(105, 10.1), trade(105)):  # there was only one at 10.0
        assert len(flow.on_tick(tick, ns(105))) == 1
    flow.on_bar(105, 2, 2.0, ns(110))
    flow.look(ns(110.5))
    wanted = flow.wanted(ns(110.5), 110.5)
    assert wanted == Wanted(105, 109)
    assert flow.filled_with(wanted, [Tick(105, 10.0, 1.0), Tick(105, 10.1, 1.0)], ns(111)) == []
    for price, published in ((10.0, 1), (10.1, 1), (10.0, 0)):
        assert len(flow.on_tick(trade(112, price), ns(112))) == published
    flow.on_bar(110, 2, 2.0, ns(115))
    assert flow.look(ns(115.5)) == []
    assert flow.duplicates == 1
    flow.opened(ns(120))
    flow.on_tick(trade(121), ns(121))
    flow.filled_with(Wanted(112, 121), [Tick(112, 10.0, 1.0), Tick(112, 10.1, 1.0), Tick(121, 10.0, 1.0)], ns(123))
    assert [len(flow.on_tick(trade(125, price), ns(125))) for price in (10.0, 10.1, 10.0)] == [1, 1, 1]


def test_a_true_twin_is_published_when_the_bar_vouches_for_it() -> None:
    flow, _ = flowing(100)
    flow.on_tick(trade(105), ns(105))
    flow.on_tick(trade(105), ns(105))
    flow.on_bar(105, 2, 2.0, ns(110))
    assert [i for i, _ in flow.look(ns(110.5))] == [105 * IDS_PER_SECOND + 1]
    assert flow.duplicates == 0


def test_a_twin_that_no_bar_decides_is_looked_up_in_history() -> None:
    flow, _ = flowing(100)
    flow.on_tick(trade(105), ns(105))
    flow.on_tick(trade(105), ns(105))
    flow.look(ns(111))
    assert flow.wanted(ns(111), 111) is None
    assert flow.look(ns(113)) == []
    wanted = flow.wanted(ns(113), 113)
    assert wanted == Wanted(105, 105)
    assert len(flow.filled_with(wanted, [Tick(105, 10.0, 1.0), Tick(105, 10.0, 1.0)], ns(113))) == 1
    assert flow.is_decided(200)


def test_a_twin_is_believed_when_there_are_no_bars() -> None:
    flow, _ = flowing(100)
    flow.on_tick(trade(105), ns(105))
    flow.on_tick(trade(105), ns(105))
    flow.has_bars = False
    assert len(flow.look(ns(105.2))) == 1


def test_twins_are_not_lost_by_a_break() -> None:
    flow, _ = flowing(100)
    flow.on_tick(trade(105), ns(105))
    flow.on_tick(trade(105), ns(105))
    flow.on_tick(trade(108), ns(108))
    flow.opened(ns(109))
    flow.on_tick(trade(110), ns(110))
    assert flow.wanted(ns(112), 112) == Wanted(105, 110)


def test_a_bar_that_our_trades_do_not_add_up_to_is_looked_up_in_history() -> None:
    flow, _ = flowing(100)
    flow.on_tick(trade(105), ns(105))
    flow.on_bar(105, 2, 3.0, ns(110))
    flow.look(ns(110.5))
    assert flow.mismatches == 1
    wanted = flow.wanted(ns(110.5), 110.5)
    assert wanted == Wanted(105, 109)
    out = flow.filled_with(wanted, [Tick(105, 10.0, 1.0), Tick(107, 10.0, 2.0)], ns(111))
    assert [(i, t.size) for i, t in out] == [(107 * IDS_PER_SECOND, 2.0)]
    assert flow.is_joined


def test_bars_that_count_otherwise_than_trades_are_no_longer_asked_about() -> None:
    flow, _ = flowing(100)
    for n in range(5):
        second = 105 + 5 * n
        flow.on_tick(trade(second), ns(second))
        flow.on_bar(second, 9, 90.0, ns(second + 5))
        flow.look(ns(second + 5.5))
        wanted = flow.wanted(ns(second + 5.5), second + 5.5)
        if wanted is not None:
            flow.filled_with(wanted, [Tick(second, 10.0, 1.0)], ns(second + 5.6))
    assert flow.mismatches == 3
    assert len(flow.on_tick(trade(125), ns(130))) == 1, "twins are not held any more"


def test_bars_with_trades_where_we_had_none_are_counted() -> None:
    flow, _ = flowing(100)
    flow.on_bar(105, 4, 40.0, ns(110))
    flow.look(ns(110.5))
    assert flow.silent_bars == 1
    flow.on_tick(trade(111), ns(111))
    assert flow.silent_bars == 0, "a trade shows that the subscription lives"


def test_a_bar_that_began_before_the_subscription_proves_nothing_of_it() -> None:
    flow = TradeFlow()
    flow.opened(ns(103))
    flow.on_bar(100, 1, 10.0, ns(105.1))
    flow.look(ns(106))
    assert flow.silent_bars == 0
    flow.on_bar(105, 1, 10.0, ns(110.1))
    flow.look(ns(111))
    assert flow.silent_bars == 1


def test_held_trades_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.venues.ibkr.trade_flow._MOST_HELD", 3)
    flow = TradeFlow()
    flow.opened(0)
    out = [flow.on_tick(trade(100 + n), ns(100)) for n in range(5)]
    assert [len(o) for o in out] == [0, 0, 0, 4, 1]


MARKET = st.lists(st.tuples(st.integers(0, 30), st.sampled_from([10.0, 10.1]), st.sampled_from([1.0, 2.0])), max_size=60)


@settings(max_examples=200)
@given(MARKET, st.lists(st.tuples(st.floats(0, 30), st.floats(0, 8)), max_size=3), st.booleans(), st.data())
def test_whatever_the_breaks_every_trade_comes_out_once(
    market: list[tuple[int, float, float]], breaks: list[tuple[float, float]], has_bars: bool, data: st.DataObject
) -> None:
    """A market of 30 s, seen through a line that is cut at any time, whose history may fail, and which tells some twice."""
    base = 1_000
    trades = sorted((base + second + data.draw(st.floats(0, 0.99)), price, size) for second, price, size in market)
    trades.append((base + 40.0, 10.0, 1.0))  # the end of each run is a live trade
    failures = data.draw(st.integers(0, 4))
    flow, out = TradeFlow(), []
    cuts = sorted((base + at, base + at + length) for at, length in breaks)
    is_open, step = False, 0.1
    now = base - 1.0
    first_s: int | None = None
    while now < base + 80:
        down = any(start <= now < end for start, end in cuts)
        if is_open and down:
            is_open = False
        elif not is_open and not down:
            is_open = True
            flow.opened(ns(now))
        flow.has_bars = has_bars
        if is_open:
            for at, price, size in [t for t in trades if now <= t[0] < round(now + step, 1)]:
                first_s = first_s or int(at)
                for _ in range(2 if has_bars and data.draw(st.integers(0, 9)) == 0 else 1):
                    out += flow.on_tick(Tick(int(at), price, size, ns(now)), ns(now))
            second = round(now * 10) // 10
            if round(now * 10) % 50 == 0 and has_bars:
                inside = [t for t in trades if second - 5 <= t[0] < second]
                flow.on_bar(second - 5, len(inside), sum(t[2] for t in inside), ns(now))
            out += flow.look(ns(now))
            wanted = flow.wanted(ns(now), now)
            if wanted is not None:
                flow.asked(ns(now))
                if failures and data.draw(st.booleans()):
                    failures -= 1
                    flow.failed(ns(now))
                else:
                    past = [
                        Tick(int(at), p, s) for at, p, s in trades if wanted.first <= int(at) <= wanted.last and at < now
                    ]
                    out += flow.filled_with(wanted, past, ns(now))
        now = round(now + step, 1)
    assert first_s is not None
    expected = Counter((int(at), p, s) for at, p, s in trades if int(at) >= first_s)
    assert flow.is_decided(base + 41)
    assert Counter((t.second, t.price, t.size) for _, t in out) == expected
    assert len({i for i, _ in out}) == len(out)
