"""What one batch of ticks gave."""

import msgspec
import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]


class IndicatorBatch(msgspec.Struct, frozen=True):
    """One column an indicator, one entry a tick in the order of arrival; NaN until the indicator is warm.

    x is the price, n the indicator's period; the warm-up is the number of a symbol's ticks that it takes until the
    first value, that tick included. "TA-Lib" in brackets: the function of TA-Lib whose result this is.
    """

    ema: Column
    """eₜ = eₜ₋₁ + 2/(n+1)·(xₜ − eₜ₋₁), seeded with the mean of the first n. Warm-up n. [TA-Lib EMA]"""
    rsi: Column
    """100·g/(g+l), 0 where g+l < 1e-14; g and l are Wilder's means of rises and falls, mₜ = mₜ₋₁ + (dₜ − mₜ₋₁)/n,
    seeded with the mean of the first n. 0–100. Warm-up n+1. (Wilder 1978) [TA-Lib RSI]"""
    macd: Column
    """Fast minus slow EMA; the fast one is seeded with the mean of its n prices that end with the slow one's seed.
    Warm-up slow + signal − 1, as all three lines. (Appel) [TA-Lib MACD]"""
    macd_signal: Column
    """EMA of `macd`, seeded with the mean of its first values."""
    macd_histogram: Column
    """`macd` minus `macd_signal`."""
    atr: Column
    """Wilder's mean of max(high, previous close) − min(low, previous close), in units of the price; without highs and
    lows |xₜ − xₜ₋₁|. Warm-up n+1. (Wilder 1978) [TA-Lib ATR]"""
    bollinger_upper: Column
    """`bollinger_middle` + k·σ, σ² = Σ(x − middle)²/n: the population's deviation. Warm-up n. [TA-Lib BBANDS]"""
    bollinger_middle: Column
    """Mean of the last n prices. Warm-up n. [TA-Lib SMA]"""
    bollinger_lower: Column
    """`bollinger_middle` − k·σ. Warm-up n."""
    vwap: Column
    """Σ(typical·volume)/Σ volume since UTC midnight, typical = (high + low + price)/3; NaN while nothing was traded.
    A tick that belongs to an earlier day than one before it does not count. Warm-up 1."""
    obv: Column
    """Starts with the first volume; each volume is added on a rise and taken away on a fall. Warm-up 1. [TA-Lib OBV]"""
    realised_volatility: Column
    """√(A·Σ ln²(xₜ/xₜ₋₁)) over the last n returns, A = `IndicatorConfig.annualisation`. Warm-up n+1."""
    volume_ratio: Column
    """Volume over the mean of the n volumes before it; NaN where those are all 0. Warm-up n+1."""


OUTPUTS = IndicatorBatch.__struct_fields__
EMA, RSI, MACD, MACD_SIGNAL, MACD_HISTOGRAM, ATR, UPPER, MIDDLE, LOWER, VWAP, OBV, VOLATILITY, VOLUME_RATIO = range(
    len(OUTPUTS)
)
