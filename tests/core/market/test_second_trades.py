"""Trades without ids, by second."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market import second_trades
from core.market.second_trades import IDS_PER_SECOND, SecondTrades, Tick, by_second, overlap

TICKS = st.lists(
    st.builds(Tick, st.integers(100, 103), st.sampled_from([10.0, 10.5]), st.sampled_from([1.0, 2.0])), max_size=25
)


def test_an_id_is_the_second_and_the_ordinal_in_it() -> None:
    known = SecondTrades()
    ids = [known.add(Tick(s, 10.0, 1.0)) for s in (7, 7, 8)]
    assert ids == [7 * IDS_PER_SECOND, 7 * IDS_PER_SECOND + 1, 8 * IDS_PER_SECOND]
    assert known.last_second == 8


def test_a_second_without_ids_left_refuses_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_trades, "IDS_PER_SECOND", 2)
    known = SecondTrades()
    known.add(Tick(7, 1, 1))
    known.add(Tick(7, 1, 1))
    with pytest.raises(ValueError, match="second 7"):
        known.add(Tick(7, 1, 1))


def test_only_the_newest_seconds_are_remembered() -> None:
    known = SecondTrades()
    for second in range(5_000):
        known.add(Tick(second, 1, 1))
    assert known.totals(0, 5_000)[0] == 1_800
    assert known.totals(4_999, 4_999) == (1, 1)


@given(TICKS, st.data())
def test_what_history_adds_to_any_part_of_it_makes_it_whole(ticks: list[Tick], data: st.DataObject) -> None:
    had = [tick for tick in ticks if data.draw(st.booleans())]
    known = SecondTrades()
    for tick in had:
        known.add(tick)
    added = [tick for second, whole in by_second(ticks).items() for tick in known.missing(second, whole)]
    assert Counter(t.second for t in had + added) == Counter(t.second for t in ticks)
    assert Counter((t.second, *t.key) for t in had + added) == Counter((t.second, *t.key) for t in ticks)


@given(TICKS)
def test_the_same_trades_in_the_same_order_get_the_same_ids_live_or_out_of_history(ticks: list[Tick]) -> None:
    ordered = sorted(ticks, key=lambda t: t.second)
    live, past = SecondTrades(), SecondTrades()
    assert [live.add(t) for t in ordered] == [past.add(t) for whole in by_second(ordered).values() for t in whole]


def test_twins_and_overlaps_go_by_price_and_size() -> None:
    known = SecondTrades()
    known.add(Tick(7, 10.0, 1.0))
    assert known.has_twin(Tick(7, 10.0, 1.0, recv_ns=5))
    assert not known.has_twin(Tick(7, 10.0, 2.0))
    assert not known.has_twin(Tick(8, 10.0, 1.0))
    a, b = Tick(7, 10.0, 1.0), Tick(7, 11.0, 1.0)
    assert overlap([a, a, b], [a, b, b]) == 2
