"""Breakouts, volume spikes, reversals and gaps, vectorised over a frame of bars of one symbol."""

from collections.abc import Iterator
from functools import reduce

import msgspec
import numpy as np
import polars as pl

from core.base.errors import ConfigError
from core.workers.patterns.detection import Detection, figure, percent, squashed


class PatternConfig(msgspec.Struct, frozen=True):
    """`period`: bars before the one looked at that make its range and mean volume.

    `breakout_volume`: times the mean volume that confirms a breakout; `spike`: times the mean volume that are a spike;
    `run`: closes in one direction before a reversal; `gap`: fraction of the price between two bars that makes a gap.
    """

    period: int = 20
    breakout_volume: float = 1.5
    spike: float = 3.0
    run: int = 4
    gap: float = 0.001

    def __post_init__(self) -> None:
        for name, least in (("period", 2), ("run", 2), ("breakout_volume", 0), ("spike", 1), ("gap", 0)):
            if not least <= getattr(self, name) < 10_000:
                raise ConfigError(f"patterns: {name} must be at least {least}, was {getattr(self, name)}")


def breakouts(symbol: str, frame: pl.DataFrame, config: PatternConfig) -> Iterator[Detection]:
    """A close beyond every high (low) of the `period` bars before, on at least `breakout_volume` times their mean volume.

    Strength: how far beyond, in units of those bars' mean range, squashed.
    """
    n = config.period
    found = frame.select(
        "ts_ms",
        "close",
        "volume",
        top=pl.col("high").shift(1).rolling_max(n),
        bottom=pl.col("low").shift(1).rolling_min(n),
        mean=_mean_before(frame["volume"], n),
        span=_mean_before(frame["high"] - frame["low"], n),
    ).filter(
        (pl.col("mean") > 0)
        & (pl.col("volume") >= config.breakout_volume * pl.col("mean"))
        & ((pl.col("close") > pl.col("top")) | (pl.col("close") < pl.col("bottom")))
    )
    for ts_ms, close, volume, top, bottom, mean, span in found.iter_rows():
        is_up = close > top
        edge, word, side = (top, "above", "highest high") if is_up else (bottom, "below", "lowest low")
        yield Detection(
            symbol, ts_ms, "breakout", "Breakout up" if is_up else "Breakout down", 1 if is_up else -1,
            squashed(abs(close - edge) / span if span > 0 else 1.0), close,
            f"closed at {figure(close)}, {word} the {side} of the last {n} bars ({figure(edge)}), "
            f"on {volume / mean:.1f} times their mean volume ({figure(mean)})",
        )  # fmt: skip


def volume_spikes(symbol: str, frame: pl.DataFrame, config: PatternConfig) -> Iterator[Detection]:
    """At least `spike` times the mean volume of the `period` bars before. Strength: times the mean beyond 1, squashed.

    The direction is the bar's own.
    """
    n = config.period
    found = frame.select(
        "ts_ms", "open", "close", "volume", mean=_mean_before(frame["volume"], n)
    ).filter((pl.col("mean") > 0) & (pl.col("volume") >= config.spike * pl.col("mean")))  # fmt: skip
    for ts_ms, opened, close, volume, mean in found.iter_rows():
        direction = (close > opened) - (close < opened)
        yield Detection(
            symbol, ts_ms, "volume spike", "Volume spike", direction, squashed(volume / mean - 1), close,
            f"volume {figure(volume)} is {volume / mean:.1f} times the mean of the last {n} bars ({figure(mean)}); "
            f"the price went from {figure(opened)} to {figure(close)}",
        )  # fmt: skip


def reversals(symbol: str, frame: pl.DataFrame, config: PatternConfig) -> Iterator[Detection]:
    """After `run` closes each below (above) the one before, a close above the last bar's high (below its low).

    Strength: what was won back of the run, 0–1.
    """
    n = config.run
    change = pl.col("close").diff()
    found = frame.select(
        "ts_ms",
        "close",
        falls=(change < 0).cast(pl.Int32).shift(1).rolling_sum(n),
        rises=(change > 0).cast(pl.Int32).shift(1).rolling_sum(n),
        start=pl.col("close").shift(n + 1),
        end=pl.col("close").shift(1),
        top=pl.col("high").shift(1),
        bottom=pl.col("low").shift(1),
    ).filter(
        ((pl.col("falls") == n) & (pl.col("close") > pl.col("top")))
        | ((pl.col("rises") == n) & (pl.col("close") < pl.col("bottom")))
    )
    for ts_ms, close, falls, _, start, end, top, bottom in found.iter_rows():
        is_up = falls == n
        verb, word, edge = ("falling", "above", top) if is_up else ("rising", "below", bottom)
        side = "high" if is_up else "low"
        yield Detection(
            symbol, ts_ms, "reversal", "Reversal up" if is_up else "Reversal down", 1 if is_up else -1,
            round(min(1.0, abs(close - end) / abs(start - end)), 3), close,
            f"after {n} {verb} closes ({percent(end / start - 1)}, from {figure(start)} to {figure(end)}) "
            f"it closed at {figure(close)}, {word} the last bar's {side} ({figure(edge)})",
        )  # fmt: skip


def gaps(symbol: str, frame: pl.DataFrame, config: PatternConfig) -> Iterator[Detection]:
    """An open beyond the range of the bar before by at least `gap` of its close. Strength: the gap over `gap`, squashed."""
    found = frame.select(
        "ts_ms",
        "open",
        "close",
        last=pl.col("close").shift(1),
        above=pl.col("open") - pl.col("high").shift(1),
        below=pl.col("low").shift(1) - pl.col("open"),
    ).filter(
        (pl.max_horizontal("above", "below") > 0)
        & (pl.max_horizontal("above", "below") >= config.gap * pl.col("last"))
    )  # fmt: skip
    for ts_ms, opened, close, last, above, below in found.iter_rows():
        is_up = above > 0
        size = (above if is_up else below) / last
        edge = opened - above if is_up else opened + below
        word, side = ("above", "high") if is_up else ("below", "low")
        yield Detection(
            symbol, ts_ms, "gap", "Gap up" if is_up else "Gap down", 1 if is_up else -1,
            squashed(size / config.gap if config.gap > 0 else 1.0), close,
            f"opened at {figure(opened)}, {size * 100:.2f} % {word} the last bar's {side} ({figure(edge)})",
        )  # fmt: skip


def _mean_before(column: pl.Series, n: int) -> pl.Series:
    """The mean of the n rows before each, null where there are fewer.

    Summed anew for each row, oldest first: a running sum would depend, in its last digits, on where the frame begins,
    and Polars's `sum_horizontal` on which of its threads was done first.
    """
    values = column.to_numpy()
    sums = reduce(np.add, (values[i : max(i, values.size - n + i)] for i in range(n)))
    return pl.Series(np.concatenate([np.full(min(n, values.size), np.nan), sums / n])).fill_nan(None)
