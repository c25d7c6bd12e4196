"""Measures of a book, against their formulas done by hand and against plain sums."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.market import BookView, Level
from core.market.book_metrics import DEPTH_BPS, depth, imbalance, microprice, mid, spread
from core.market.consolidated_book import consolidate

BIDS: tuple[Level, ...] = ((99.0, 1.0), (98.0, 2.0), (97.0, 4.0))
ASKS: tuple[Level, ...] = ((101.0, 3.0), (102.0, 1.0))


def test_the_measures_are_their_formulas() -> None:
    assert mid(BIDS, ASKS) == 100.0
    assert spread(BIDS, ASKS) == 2.0
    assert microprice(BIDS, ASKS) == pytest.approx((99 * 3 + 101 * 1) / 4)
    assert imbalance(BIDS, ASKS, 1) == pytest.approx((1 - 3) / 4)
    assert imbalance(BIDS, ASKS, 2) == pytest.approx((3 - 4) / 7)
    assert imbalance(BIDS, ASKS) == pytest.approx((7 - 4) / 11)


@pytest.mark.parametrize(("bids", "asks"), [((), ASKS), (BIDS, ()), ((), ())])
def test_a_book_with_an_empty_side_has_no_measures(bids: tuple[Level, ...], asks: tuple[Level, ...]) -> None:
    assert mid(bids, asks) is spread(bids, asks) is microprice(bids, asks) is imbalance(bids, asks) is None
    assert depth(bids, asks) == ()


def test_depth_counts_the_levels_on_the_bound() -> None:
    assert depth(BIDS, ASKS, (99, 100, 200, 299, 300, 1_000)) == (
        (99, 0.0, 0.0),
        (100, 1.0, 3.0),
        (200, 3.0, 4.0),
        (299, 3.0, 4.0),
        (300, 7.0, 4.0),
        (1_000, 7.0, 4.0),
    )


def test_the_microprice_leans_to_the_thinner_side_and_the_imbalance_to_the_thicker() -> None:
    heavy_bid: tuple[Level, ...] = ((99.0, 9.0),)
    light_ask: tuple[Level, ...] = ((101.0, 1.0),)
    assert (microprice(heavy_bid, light_ask) or 0) > 100
    assert (imbalance(heavy_bid, light_ask) or 0) > 0


SIZES = st.floats(1e-8, 1e9, allow_nan=False)


def side(first: float, step: float) -> st.SearchStrategy[tuple[Level, ...]]:
    return st.lists(SIZES, min_size=1, max_size=60).map(
        lambda sizes: tuple((round(first + step * n, 2), size) for n, size in enumerate(sizes))
    )


@given(side(2_400.0, -0.37), side(2_400.01, 0.41), st.integers(1, 20))
def test_measures_keep_their_bounds_and_depth_is_a_plain_sum(
    bids: tuple[Level, ...], asks: tuple[Level, ...], levels: int
) -> None:
    price = microprice(bids, asks)
    assert price is not None
    assert bids[0][0] <= price <= asks[0][0]
    lean = imbalance(bids, asks, levels)
    assert lean is not None
    assert -1 <= lean <= 1
    centre = (bids[0][0] + asks[0][0]) / 2
    for k, bid_size, ask_size in depth(bids, asks, DEPTH_BPS):
        assert bid_size == pytest.approx(sum(s for p, s in bids if p >= centre * (1 - k / 1e4) - 1e-9))
        assert ask_size == pytest.approx(sum(s for p, s in asks if p <= centre * (1 + k / 1e4) + 1e-9))


def view(venue: str, bids: tuple[Level, ...], asks: tuple[Level, ...], event_ms: int = 5, recv_ns: int = 7) -> BookView:
    return BookView("ETH", 1, bids, asks, event_ms, recv_ns, venue)


def test_one_view_is_taken_as_it_is() -> None:
    cob = consolidate("ETH", (view("binance", BIDS, ASKS),))
    assert (cob.bids, cob.asks, cob.sources, cob.event_ms, cob.recv_ns) == (BIDS, ASKS, ("binance",), 5, 7)
    assert (cob.mid, cob.spread, cob.microprice, cob.imbalance) == (100.0, 2.0, 99.5, pytest.approx(3 / 11))
    assert cob.depth == depth(BIDS, ASKS)


def test_levels_of_several_venues_at_one_price_add_up() -> None:
    other = view("hyperliquid", ((99.0, 10.0), (98.5, 1.0)), ((101.0, 5.0), (103.0, 2.0)), event_ms=9, recv_ns=3)
    cob = consolidate("ETH", (view("binance", BIDS, ASKS), other))
    assert cob.bids == ((99.0, 11.0), (98.5, 1.0), (98.0, 2.0), (97.0, 4.0))
    assert cob.asks == ((101.0, 8.0), (102.0, 1.0), (103.0, 2.0))
    assert (cob.sources, cob.event_ms, cob.recv_ns) == (("binance", "hyperliquid"), 9, 7)


def test_venues_that_cross_each_other_are_kept_and_the_spread_is_negative() -> None:
    cob = consolidate("ETH", (view("a", ((99.0, 1.0),), ((100.0, 1.0),)), view("b", ((102.0, 3.0),), ((103.0, 1.0),))))
    assert (cob.bids, cob.asks) == (((102.0, 3.0), (99.0, 1.0)), ((100.0, 1.0), (103.0, 1.0)))
    assert (cob.spread, cob.mid) == (-2.0, 101.0)
    assert cob.microprice is not None
    assert 100.0 <= cob.microprice <= 102.0


def test_without_a_view_there_is_an_empty_book() -> None:
    cob = consolidate("ETH", ())
    assert (cob.bids, cob.asks, cob.sources, cob.mid, cob.depth, cob.event_ms) == ((), (), (), None, (), 0)
