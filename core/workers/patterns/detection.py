"""What was found, and the frame of bars that it is looked for in."""

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

Kind = Literal["breakout", "volume spike", "reversal", "gap", "candlestick"]
KINDS: tuple[Kind, ...] = ("breakout", "volume spike", "reversal", "gap", "candlestick")

#: columns of a frame of bars of one symbol, oldest first; `ts_ms` is the bar's open
BAR_SCHEMA = {
    "ts_ms": pl.Int64,
    "open": pl.Float64,
    "high": pl.Float64,
    "low": pl.Float64,
    "close": pl.Float64,
    "volume": pl.Float64,
}

Column = npt.NDArray[np.float64]


class Bar(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A closed minute: `ts_ms` is its open, Unix ms UTC; volume in base currency."""

    ts_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class Detection(msgspec.Struct, frozen=True, gc=False):
    """One pattern. `ts_ms` is the open of the bar that completed it, `price` that bar's close.

    `direction`: 1 up or bullish, −1 down or bearish, 0 neither. `strength` 0–1, comparable within a kind only; how it is
    reckoned stands with each kind's function. `reason` says in words, with the figures, why it was found.
    """

    symbol: str
    ts_ms: int
    kind: Kind
    name: str
    direction: int
    strength: float
    price: float
    reason: str


def frame_of(bars: Sequence[Bar]) -> pl.DataFrame:
    """Bars as a frame."""
    return pl.DataFrame([msgspec.structs.astuple(bar) for bar in bars], schema=BAR_SCHEMA, orient="row")


def squashed(excess: float) -> float:
    """0 for nothing, towards 1 for much: x/(1+x), rounded."""
    return round(excess / (1 + excess), 3) if excess > 0 else 0.0


def figure(value: float) -> str:
    """A price or volume for people: seven significant digits at most."""
    return f"{value:,.2f}" if abs(value) >= 1_000 else f"{value:.7g}"


def percent(fraction: float) -> str:
    """A fraction as a signed percentage."""
    return f"{fraction * 100:+.2f} %"
