"""Indicators per tick in batches of 50, beside TA-Lib on the whole array and TA-Lib on a window anew for each tick."""

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import talib

from benchmarks.result import Result, publish
from core.workers.hybrid_calculations import ROUND_WIDTH, HybridCalculations

BATCH, COUNT = 50, 100_000
#: what a consumer without states would keep per symbol: enough for an EMA's seed to fade to 1e-9
WINDOW, WINDOW_TICKS = 250, 4_000
RUNS = 3

Array = npt.NDArray[np.float64]
Batch = tuple[list[str], Array, Array, Array]


def batches(symbols: int) -> list[Batch]:
    """Ticks of symbols in random order."""
    rng = np.random.default_rng(symbols)
    names = [f"S{number}" for number in rng.integers(0, symbols, COUNT)]
    price = 100 * np.exp(np.cumsum(rng.normal(0, 1e-5, COUNT)))
    volume, ts_ms = rng.exponential(1, COUNT), 1.7e12 + np.arange(COUNT)
    return [
        (names[start : start + BATCH], *(column[start : start + BATCH] for column in (price, volume, ts_ms)))
        for start in range(0, COUNT, BATCH)
    ]


def median_per_second(count: int, work: Callable[[], object]) -> float:
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return count / float(np.median(times))


def ours(given: list[Batch], round_width: int = ROUND_WIDTH) -> float:
    calculations = HybridCalculations(round_width=round_width)

    def work() -> None:
        for batch in given:
            calculations.update(*batch)

    work()
    return median_per_second(COUNT, work)


def by_talib(price: Array, volume: Array) -> tuple[object, ...]:
    """Those of our outputs that TA-Lib has."""
    return (
        talib.EMA(price, 20),
        talib.RSI(price, 14),
        talib.MACD(price, 12, 26, 9),
        talib.ATR(price, price, price, 14),
        talib.BBANDS(price, 20),
        talib.OBV(price, volume),
    )


def windows(given: list[Batch]) -> float:
    """One symbol: the last WINDOW ticks, all of them again for each tick."""
    price = np.concatenate([batch[1] for batch in given])[: WINDOW + WINDOW_TICKS]
    volume = np.concatenate([batch[2] for batch in given])[: WINDOW + WINDOW_TICKS]

    def work() -> None:
        for stop in range(WINDOW, WINDOW + WINDOW_TICKS):
            by_talib(price[stop - WINDOW : stop], volume[stop - WINDOW : stop])

    return median_per_second(WINDOW_TICKS, work)


def run() -> list[Result]:
    one, five, fifty = batches(1), batches(5), batches(50)
    price, volume = (np.concatenate([batch[column] for batch in one]) for column in (1, 2))
    whole = median_per_second(COUNT, lambda: by_talib(price, volume))
    anew = windows(one)
    results = [
        Result("TA-Lib, the whole array of one symbol at once", whole, "ticks/s"),
        Result(f"TA-Lib, a window of {WINDOW} anew for each tick", anew, "ticks/s"),
    ]
    for symbols, given in ((1, one), (5, five), (50, fifty)):
        rate = ours(given)
        what = (
            f"ours, batches of {BATCH}, {symbols} symbol{'s' if symbols > 1 else ''}, {BATCH / rate * 1e6:,.0f} µs a batch"
        )
        results.append(Result(what, rate, "ticks/s", "window anew", rate / anew))
    by_arrays, by_floats = ours(fifty, 1), ours(fifty, BATCH + 1)
    return [
        *results,
        Result("ours, 50 symbols, by arrays alone", by_arrays, "ticks/s", "window anew", by_arrays / anew),
        Result("ours, 50 symbols, by floats alone", by_floats, "ticks/s", "window anew", by_floats / anew),
    ]


if __name__ == "__main__":
    publish(run)
