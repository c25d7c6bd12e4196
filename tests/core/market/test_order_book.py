"""The order book against the venue's rule and a plain model."""

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


@pytest.mark.parametrize(("first", "fits"), [(13, True), (14, False), (12, True), (11, True)])
def test_a_later_diff_must_leave_no_update_out_after_the_one_before(first: int, fits: bool) -> None:
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
    assert (book.last_update_id, book.gaps, book.resyncs) == (23, 1, 1)


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


def test_a_snapshot_that_joins_again_is_a_resync_and_one_that_does_not_is_none() -> None:
    book = OrderBook()
    book.apply_snapshot(snapshot(10))
    assert book.resyncs == 0
    for _ in range(3):
        book.apply(diff(30, 31))
        book.apply_snapshot(snapshot(12))
    assert (book.synced, book.resyncs, book.gaps) == (False, 0, 1)
    book.apply_snapshot(snapshot(29))
    assert (book.synced, book.resyncs, book.last_update_id) == (True, 1, 31)


def test_an_older_snapshot_does_not_turn_a_synced_book_back() -> None:
    book = OrderBook()
    book.apply_snapshot(snapshot(10))
    book.apply(diff(11, 15, bids=((99.0, 9.0),)))
    book.apply_snapshot(snapshot(12))
    assert (book.last_update_id, book.top(1)[0]) == (15, ((99.0, 9.0),))


def test_a_newer_snapshot_widens_the_range_while_the_book_stays_in_step() -> None:
    book = OrderBook()
    book.apply_snapshot(snapshot(10))
    book.apply(diff(11, 12, asks=((103.0, 1.0),)))
    book.record()
    book.apply(diff(13, 14, bids=((99.0, 5.0),)))
    book.apply(diff(15, 17, bids=((99.0, 6.0),), asks=((103.0, 2.0),)))
    wide = DepthSnapshot("ETHUSDT", 14, ((99.0, 5.0), (98.0, 2.0), (90.0, 4.0)), ((101.0, 1.0), (103.0, 1.0), (110.0, 3.0)))
    assert book.widen(wide)
    assert (book.synced, book.last_update_id, book.known_range) == (True, 17, (90.0, 110.0))
    assert book.top(3) == (((99.0, 6.0), (98.0, 2.0), (90.0, 4.0)), ((101.0, 1.0), (103.0, 2.0), (110.0, 3.0)))
    assert book.apply(diff(18, 18))
    assert (book.gaps, book.resyncs) == (0, 0)


def test_a_snapshot_from_before_it_was_asked_for_widens_nothing() -> None:
    book = OrderBook()
    book.apply_snapshot(snapshot(10))
    book.apply(diff(11, 20, bids=((99.0, 5.0),)))
    book.record()
    assert not book.widen(snapshot(15))
    assert (book.last_update_id, book.top(1)[0]) == (20, ((99.0, 5.0),))
    assert not book.widen(snapshot(25)), "nothing is recorded any more"


def test_a_book_that_lost_its_step_meanwhile_is_not_widened() -> None:
    book = OrderBook()
    book.apply_snapshot(snapshot(10))
    book.record()
    book.apply(diff(20, 21))
    assert not book.widen(snapshot(30))
    assert not book.synced


def test_levels_far_away_are_let_go_and_the_known_range_tells() -> None:
    book = OrderBook()
    bids = tuple((float(price), 1.0) for price in range(10_000, 4_500, -1))
    asks = tuple((float(price), 1.0) for price in range(10_001, 10_100))
    book.apply_snapshot(DepthSnapshot("ETHUSDT", 10, bids, asks))
    assert book.levels == (5_500, 99)
    book.apply(diff(11, 11, bids=tuple((price / 2, 1.0) for price in range(1, 1_201, 2))))
    assert book.levels == (5_000, 99)
    assert book.known_range == (5_001.0, 10_099.0)
    assert book.top(5_000)[0] == bids[:5_000]


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


@given(
    st.lists(st.tuples(st.integers(1, 4), LEVELS, LEVELS), min_size=1, max_size=25),
    st.data(),
)
def test_whatever_is_lost_repeated_or_overlaps_a_synced_book_is_the_venues_own(
    changes: list[tuple[int, tuple[Level, ...], tuple[Level, ...]]], data: st.DataObject
) -> None:
    """A venue counts its updates; diffs are lost or come twice, snapshots are of any moment: in step means equal."""
    venue = OrderBook()
    venue.apply_snapshot(DepthSnapshot("ETHUSDT", 1, (), ()))
    ours = OrderBook()
    for width, bids, asks in changes:
        one = diff(venue.last_update_id + 1, venue.last_update_id + width, bids, asks)
        if data.draw(st.booleans(), "snapshot before the diff"):
            ours.apply_snapshot(DepthSnapshot("ETHUSDT", venue.last_update_id, *venue.top(99)))
        venue.apply(one)
        times = data.draw(st.sampled_from([0, 1, 1, 1, 2]), "times it arrives")
        for _ in range(times):
            ours.apply(one)
        if ours.synced and ours.last_update_id == venue.last_update_id:
            assert ours.top(99) == venue.top(99)
        elif ours.synced:
            assert times == 0 or ours.last_update_id > venue.last_update_id


def test_views_share_every_level_that_did_not_change() -> None:
    book = OrderBook()
    book.apply_snapshot(snapshot(10))
    before = book.top(2)
    book.apply(diff(11, 11, bids=((99.0, 5.0),)))
    after = book.top(2)
    assert after == (((99.0, 5.0), (98.0, 2.0)), before[1])
    assert after[0][1] is before[0][1]
    assert all(now is then for now, then in zip(after[1], before[1], strict=True))
