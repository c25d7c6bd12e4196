"""The order book against the venue's rule, a plain model, and recorded frames."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.market import DepthDiff, DepthSnapshot, Level
from core.market.order_book import OrderBook


def diff(first: int, final: int, bids: tuple[Level, ...] = (), asks: tuple[Level, ...] = ()) -> DepthDiff:
    return DepthDiff("ETHUSDT", first, final, bids, asks, final)


def snapshot(last: int) -> DepthSnapshot:
    return DepthSnapshot("ETHUSDT", last, ((99.0, 1.0), (98.0, 2.0)), ((101.0, 1.0), (102.0, 2.0)))


def test_nothing_is_applied_before_the_snapshot_and_what_was_held_is_applied_after_it() -> None:
    book = OrderBook()
    assert not book.apply(diff(1, 5, bids=((99.0, 7.0),)))
    assert not book.apply(diff(6, 12, bids=((99.5, 3.0),)))
    assert not book.synced
    book.apply_snapshot(snapshot(8))
    assert book.synced
    assert book.last_update_id == 12
    assert book.top(1)[0] == ((99.5, 3.0),)


@pytest.mark.parametrize(("first", "final", "fits"), [(9, 12, True), (10, 12, True), (11, 12, True), (12, 13, False)])
def test_the_first_diff_must_reach_across_the_snapshot(first: int, final: int, fits: bool) -> None:
    book = OrderBook()
    book.apply_snapshot(snapshot(10))
    assert book.apply(diff(first, final)) is fits
    assert book.synced is fits
    assert book.gaps == (not fits)


@pytest.mark.parametrize(("first", "fits"), [(13, True), (14, False), (12, False)])
def test_each_later_diff_must_follow_the_one_before_exactly(first: int, fits: bool) -> None:
    book = OrderBook()
    book.apply_snapshot(snapshot(10))
    assert book.apply(diff(10, 12))
    assert book.apply(diff(first, 15)) is fits
    assert book.gaps == (not fits)


def test_a_diff_that_the_book_has_already_is_passed_over() -> None:
    book = OrderBook()
    book.apply_snapshot(snapshot(10))
    assert book.apply(diff(5, 10, bids=((99.9, 1.0),)))
    assert book.top(1)[0] == ((99.0, 1.0),)


def test_after_a_gap_a_newer_snapshot_makes_the_book_whole_again() -> None:
    book = OrderBook()
    book.apply_snapshot(snapshot(10))
    assert not book.apply(diff(20, 21))
    assert not book.apply(diff(22, 23))
    book.apply_snapshot(snapshot(15))
    assert not book.synced
    book.apply_snapshot(snapshot(21))
    assert book.synced
    assert (book.last_update_id, book.gaps, book.resyncs) == (23, 1, 2)


def test_a_lost_connection_voids_the_book_without_counting_a_gap() -> None:
    book = OrderBook()
    book.apply_snapshot(snapshot(10))
    book.lose()
    assert not book.synced
    assert book.gaps == 0


def test_a_crossed_book_is_counted() -> None:
    book = OrderBook()
    book.apply_snapshot(snapshot(10))
    book.apply(diff(11, 11, bids=((101.0, 1.0),)))
    assert book.is_crossed
    assert book.crossed == 1


def test_levels_beyond_the_snapshot_are_not_known_to_be_complete() -> None:
    book = OrderBook()
    book.apply_snapshot(snapshot(10))
    assert book.known_range == (98.0, 102.0)
    assert book.knows(2)
    book.apply(diff(11, 11, bids=((98.0, 0.0), (90.0, 1.0))))
    assert not book.knows(2)
    assert book.knows(1)


LEVELS = st.lists(st.tuples(st.integers(1, 30).map(float), st.integers(0, 3).map(float)), max_size=8).map(tuple)


@given(LEVELS, LEVELS, st.lists(st.tuples(LEVELS, LEVELS), max_size=20))
def test_the_book_is_what_a_plain_dict_of_levels_would_be(
    bids: tuple[Level, ...], asks: tuple[Level, ...], changes: list[tuple[tuple[Level, ...], tuple[Level, ...]]]
) -> None:
    book = OrderBook()
    book.apply_snapshot(DepthSnapshot("ETHUSDT", 0, bids, asks))
    model_bids = {price: size for price, size in bids if size}
    model_asks = {price: size for price, size in asks if size}
    for update_id, (bid_changes, ask_changes) in enumerate(changes, start=1):
        assert book.apply(diff(update_id, update_id, bid_changes, ask_changes))
        for model, levels in ((model_bids, bid_changes), (model_asks, ask_changes)):
            for price, size in levels:
                model[price] = size
                if not size:
                    del model[price]
    top_bids, top_asks = book.top(5)
    assert top_bids == tuple(sorted(model_bids.items(), reverse=True)[:5])
    assert top_asks == tuple(sorted(model_asks.items())[:5])


def _levels(raw: list[list[str]]) -> tuple[Level, ...]:
    return tuple((float(price), float(size)) for price, size in raw)


@pytest.mark.parametrize("asset", ["eth", "btc"])
def test_on_recorded_frames_the_best_prices_are_the_venues_own(
    asset: str, recorded_frames: Callable[[str], Iterator[dict[str, Any]]]
) -> None:
    quotes: dict[int, tuple[Level, Level]] = {}
    bests: dict[int, tuple[Level, Level]] = {}
    book = OrderBook()
    for frame in recorded_frames(asset):
        data = frame.get("data", frame)
        if "lastUpdateId" in data:
            book.apply_snapshot(DepthSnapshot(asset, data["lastUpdateId"], _levels(data["bids"]), _levels(data["asks"])))
            assert book.synced
        elif "B" in data:
            quotes[data["u"]] = (float(data["b"]), float(data["B"])), (float(data["a"]), float(data["A"]))
        elif data["e"] == "depthUpdate":
            one = DepthDiff(asset, data["U"], data["u"], _levels(data["b"]), _levels(data["a"]), data["E"])
            if book.apply(one):
                bids, asks = book.top(1)
                bests[book.last_update_id] = bids[0], asks[0]
    assert (book.gaps, book.crossed, book.synced) == (0, 0, True)
    both = bests.keys() & quotes.keys()
    assert len(both) > 500
    assert {update_id: bests[update_id] for update_id in both} == {update_id: quotes[update_id] for update_id in both}
