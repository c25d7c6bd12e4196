"""A whole session against the venue: join in the middle, seed, follow, reconcile."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.market import BarFlag, Kline, Origin, Trade
from core.domain.series import SeriesSpec
from core.market.bar_builder import BarBuilder

STEP = 1_000
SPEC = SeriesSpec("test", "ETHUSDT", "1s", STEP, 10_000, "test")
START = 1_700_000_000_000


class Venue:
    """All trades, and the bars that the venue makes of them."""

    def __init__(self, waits: list[int], prices: list[int]) -> None:
        ts = START
        self.trades: list[Trade] = []
        for index, (wait, price) in enumerate(zip(waits, prices, strict=True)):
            ts += wait
            self.trades.append(Trade("ETHUSDT", 100 + index, price / 4, (index + 1) / 8, ts, False))

    def bar(self, number: int, up_to: int, closed: bool, origin: Origin = Origin.STREAM) -> Kline:
        """The bar as of the trade at index `up_to`; without trades it is flat at the close before."""
        known = self.trades[: up_to + 1]
        inside = [one for one in known if one.ts_ms // STEP == number]
        event_ms = (number + 1) * STEP + 3 if closed else known[-1].ts_ms
        if not inside:
            close = next(one.price for one in reversed(known) if one.ts_ms // STEP < number)
            return Kline(
                "ETHUSDT", "1s", number * STEP, close, close, close, close, 0, -1, -1, closed, event_ms, origin=origin
            )
        prices = [one.price for one in inside]
        volume = sum(one.quantity for one in inside)
        ids = (inside[0].trade_id, inside[-1].trade_id) if origin is Origin.STREAM else (-1, -1)
        return Kline(
            "ETHUSDT", "1s", number * STEP, prices[0], max(prices), min(prices), prices[-1], volume, *ids, closed, event_ms,
            origin=origin,
        )  # fmt: skip

    def session(self, joined: int, seeded: int) -> list[object]:
        """What a client that joins at trade index `joined`, and has history as of index `seeded`, is told, in order."""
        first, now = self.trades[0].ts_ms // STEP, self.trades[seeded].ts_ms // STEP
        history = [self.bar(number, seeded, number < now, Origin.REST) for number in range(first, now + 1)]
        told: list[object] = []
        for index in range(joined, len(self.trades)):
            number, before = self.trades[index].ts_ms // STEP, self.trades[index - 1].ts_ms // STEP
            told += [self.bar(over, index - 1, closed=True) for over in range(before, number) if index > joined]
            told += [self.trades[index], self.bar(number, index, closed=False)]
            if index == seeded:
                told.append(history)
        return told

    def rows(self) -> dict[int, tuple[float, ...]]:
        last = len(self.trades) - 1
        numbers = range(self.trades[0].ts_ms // STEP, self.trades[-1].ts_ms // STEP + 1)
        bars = [self.bar(number, last, closed=True) for number in numbers]
        return {bar.open_ms: (bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars}


@st.composite
def venues(draw: st.DrawFn) -> tuple[Venue, int, int]:
    count = draw(st.integers(2, 25))
    waits = draw(st.lists(st.sampled_from([0, 1, 200, 700, 1_300, 2_900]), min_size=count, max_size=count))
    prices = draw(st.lists(st.integers(1, 6), min_size=count, max_size=count))
    joined = draw(st.integers(1, count - 1))
    return Venue(waits, prices), joined, draw(st.integers(joined, count - 1))


def follow(builder: BarBuilder, told: list[object]) -> tuple[dict[int, tuple[float, ...]], dict[int, BarFlag]]:
    rows: dict[int, tuple[float, ...]] = {}
    flags: dict[int, BarFlag] = {}
    for fact in told:
        if isinstance(fact, Trade):
            updates = builder.apply(fact)
        elif isinstance(fact, Kline):
            updates = builder.reconcile(fact)
        else:
            updates = builder.seed(fact)  # type: ignore[arg-type]
        for update in updates:
            rows[int(update.row[0])] = update.row[1:]
            flags[int(update.row[0])] = update.flags
    return rows, flags


@settings(max_examples=400)
@given(venues())
def test_whoever_joins_in_the_middle_ends_up_with_the_venues_bars_and_no_difference(drawn: tuple[Venue, int, int]) -> None:
    venue, joined, seeded = drawn
    builder = BarBuilder(SPEC)
    rows, flags = follow(builder, venue.session(joined, seeded))
    assert rows == venue.rows()
    assert builder.differences == 0
    assert not any(bits & BarFlag.PARTIAL for bits in flags.values())


@settings(max_examples=300)
@given(venues(), st.randoms(use_true_random=False))
def test_frames_that_overtake_each_other_end_in_the_same_bars(drawn: tuple[Venue, int, int], shuffle: random.Random) -> None:
    venue, joined, seeded = drawn
    told = venue.session(joined, seeded)
    jittered = [
        fact for _, _, fact in sorted((index + shuffle.random() * 3, index, fact) for index, fact in enumerate(told))
    ]
    rows, _ = follow(BarBuilder(SPEC), jittered)
    assert rows == venue.rows()
