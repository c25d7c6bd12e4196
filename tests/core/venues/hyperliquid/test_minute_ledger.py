"""Our count of trades against the venue's candles."""

import random

from hypothesis import given
from hypothesis import strategies as st

from core.venues.hyperliquid.minute_ledger import MINUTE_MS, MinuteLedger, Missing

LOT = 0.001
T0 = 1_700_000_040_000 // MINUTE_MS * MINUTE_MS
NONE = Missing(0, 0.0)


def seasoned() -> MinuteLedger:
    """A ledger that has seen a minute before T0, so that T0's is one it should know whole."""
    ledger = MinuteLedger(LOT)
    ledger.on_trade(T0 - MINUTE_MS, 1.0)
    ledger.on_candle(T0 - MINUTE_MS, 1, 1.0)
    return agreeing(ledger, T0 - MINUTE_MS, 1, 1.0)


def agreeing(ledger: MinuteLedger, open_ms: int, trades: int, volume: float, times: int = 8) -> MinuteLedger:
    """Let candles follow their trades for a while."""
    for i in range(1, times + 1):
        ledger.on_trade(open_ms + 1_000 + i, 1.0)
        ledger.on_candle(open_ms, trades + i, volume + i)
    return ledger


def test_an_equal_candle_proves_that_nothing_is_missing() -> None:
    ledger = seasoned()
    for i in range(10):
        ledger.on_trade(T0 + i, 0.1)
    assert ledger.on_candle(T0, 10, 1.0) == NONE
    assert ledger.is_level


def test_a_candle_ahead_of_its_trades_claims_nothing_until_another_shows_the_same_difference() -> None:
    ledger = seasoned()
    ledger.on_trade(T0, 1.0)
    assert ledger.on_candle(T0, 3, 5.0) is None
    assert not ledger.is_level
    assert ledger.on_candle(T0, 3, 5.0) is None, "the same candle again says nothing new"
    ledger.on_trade(T0 + 1, 2.0)
    assert ledger.on_candle(T0, 4, 7.0) == Missing(2, 4.0)


def test_the_candle_of_a_minute_that_is_over_is_the_last_word() -> None:
    ledger = seasoned()
    ledger.on_trade(T0, 1.0)
    assert ledger.on_candle(T0, 4, 2.5, final=True) == Missing(3, 1.5)
    ledger.excuse(T0, Missing(3, 1.5))
    assert ledger.on_candle(T0, 4, 2.5, final=True) == NONE


def test_the_last_word_counts_also_when_it_only_repeats_the_candle_before() -> None:
    """An outage that ends with its minute: no trade follows, so the running candle shows all that the last one will."""
    ledger = seasoned()
    ledger.on_trade(T0, 1.0)
    assert ledger.on_candle(T0, 4, 2.5) is None
    assert ledger.on_candle(T0, 4, 2.5) is None
    assert ledger.on_candle(T0, 4, 2.5, final=True) == Missing(3, 1.5)


def test_what_the_first_minute_had_before_we_came_is_learned_not_missing() -> None:
    ledger = MinuteLedger(LOT)
    assert ledger.on_candle(T0, 50, 20.0) is None
    assert ledger.is_learning
    ledger.on_trade(T0 + 30_000, 1.0)
    assert ledger.on_candle(T0, 51, 21.0) == NONE
    assert not ledger.is_learning
    agreeing(ledger, T0, 51, 21.0)
    ledger.on_candle(T0, 61, 31.0)
    ledger.on_trade(T0 + 31_000, 1.0)
    assert ledger.on_candle(T0, 62, 32.0) == Missing(2, 2.0)


def test_of_a_first_minute_lost_before_it_had_a_candle_nothing_is_claimed() -> None:
    ledger = MinuteLedger(LOT)
    ledger.on_trade(T0, 1.0)
    ledger.stop_learning()
    assert ledger.on_candle(T0, 90, 90.0, final=True) is None
    assert ledger.on_candle(T0 + MINUTE_MS, 2, 2.0, final=True) == Missing(2, 2.0)


def test_a_candle_that_comes_late_is_ignored() -> None:
    ledger = seasoned()
    for i in range(5):
        ledger.on_trade(T0 + i, 1.0)
    assert ledger.on_candle(T0, 5, 5.0) == NONE
    assert ledger.on_candle(T0, 3, 3.0) is None
    assert ledger.is_level


def test_old_minutes_are_forgotten() -> None:
    ledger = MinuteLedger(LOT, keep=3)
    for minute in range(10):
        ledger.on_trade(T0 + minute * MINUTE_MS, 1.0)
    assert len(ledger._minutes) == 3


@given(
    sizes=st.lists(st.integers(1, 5_000), min_size=1, max_size=80),
    lost=st.sets(st.integers(0, 79)),
    seed=st.integers(0, 1_000),
)
def test_what_is_missing_is_told_exactly_whatever_the_order_of_trades_and_candles(
    sizes: list[int], lost: set[int], seed: int
) -> None:
    ledger, rng = seasoned(), random.Random(seed)
    arrived = [i for i in range(len(sizes)) if i not in lost]
    rng.shuffle(arrived)
    for i in arrived:
        ledger.on_trade(T0 + i, sizes[i] * LOT)
    missing = [sizes[i] * LOT for i in lost if i < len(sizes)]
    verdict = ledger.on_candle(T0, len(sizes), sum(sizes) * LOT, final=True)
    assert verdict is not None
    assert verdict.trades == len(missing)
    assert abs(verdict.volume - sum(missing)) < LOT / 2


@given(sizes=st.lists(st.integers(1, 2), min_size=2, max_size=60))
def test_candles_that_come_before_their_trades_never_claim_a_loss(sizes: list[int]) -> None:
    """Trades of equal size on their way look like a loss that persists."""
    ledger = MinuteLedger(LOT)
    ledger.on_trade(T0 - MINUTE_MS, 1.0)
    for i, size in enumerate(sizes):
        verdict = ledger.on_candle(T0, i + 1, sum(sizes[: i + 1]) * LOT)
        assert verdict is None or verdict == NONE
        ledger.on_trade(T0 + i, size * LOT)
    assert not ledger.is_trusted
    assert ledger.on_candle(T0, len(sizes), sum(sizes) * LOT, final=True) == NONE
