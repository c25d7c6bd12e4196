"""TA-Lib's 61 candlestick patterns, in words."""

from collections.abc import Iterator

import numpy as np
import polars as pl
import talib

from core.workers.patterns.detection import Column, Detection, figure

#: TA-Lib's function -> what people call the pattern
NAMES: dict[str, str] = {
    "CDL2CROWS": "Two crows",
    "CDL3BLACKCROWS": "Three black crows",
    "CDL3INSIDE": "Three inside",
    "CDL3LINESTRIKE": "Three-line strike",
    "CDL3OUTSIDE": "Three outside",
    "CDL3STARSINSOUTH": "Three stars in the south",
    "CDL3WHITESOLDIERS": "Three white soldiers",
    "CDLABANDONEDBABY": "Abandoned baby",
    "CDLADVANCEBLOCK": "Advance block",
    "CDLBELTHOLD": "Belt hold",
    "CDLBREAKAWAY": "Breakaway",
    "CDLCLOSINGMARUBOZU": "Closing marubozu",
    "CDLCONCEALBABYSWALL": "Concealing baby swallow",
    "CDLCOUNTERATTACK": "Counterattack",
    "CDLDARKCLOUDCOVER": "Dark cloud cover",
    "CDLDOJI": "Doji",
    "CDLDOJISTAR": "Doji star",
    "CDLDRAGONFLYDOJI": "Dragonfly doji",
    "CDLENGULFING": "Engulfing",
    "CDLEVENINGDOJISTAR": "Evening doji star",
    "CDLEVENINGSTAR": "Evening star",
    "CDLGAPSIDESIDEWHITE": "Side-by-side white lines after a gap",
    "CDLGRAVESTONEDOJI": "Gravestone doji",
    "CDLHAMMER": "Hammer",
    "CDLHANGINGMAN": "Hanging man",
    "CDLHARAMI": "Harami",
    "CDLHARAMICROSS": "Harami cross",
    "CDLHIGHWAVE": "High wave",
    "CDLHIKKAKE": "Hikkake",
    "CDLHIKKAKEMOD": "Modified hikkake",
    "CDLHOMINGPIGEON": "Homing pigeon",
    "CDLIDENTICAL3CROWS": "Identical three crows",
    "CDLINNECK": "In-neck",
    "CDLINVERTEDHAMMER": "Inverted hammer",
    "CDLKICKING": "Kicking",
    "CDLKICKINGBYLENGTH": "Kicking, by the longer marubozu",
    "CDLLADDERBOTTOM": "Ladder bottom",
    "CDLLONGLEGGEDDOJI": "Long-legged doji",
    "CDLLONGLINE": "Long line",
    "CDLMARUBOZU": "Marubozu",
    "CDLMATCHINGLOW": "Matching low",
    "CDLMATHOLD": "Mat hold",
    "CDLMORNINGDOJISTAR": "Morning doji star",
    "CDLMORNINGSTAR": "Morning star",
    "CDLONNECK": "On-neck",
    "CDLPIERCING": "Piercing line",
    "CDLRICKSHAWMAN": "Rickshaw man",
    "CDLRISEFALL3METHODS": "Three methods",
    "CDLSEPARATINGLINES": "Separating lines",
    "CDLSHOOTINGSTAR": "Shooting star",
    "CDLSHORTLINE": "Short line",
    "CDLSPINNINGTOP": "Spinning top",
    "CDLSTALLEDPATTERN": "Stalled pattern",
    "CDLSTICKSANDWICH": "Stick sandwich",
    "CDLTAKURI": "Takuri",
    "CDLTASUKIGAP": "Tasuki gap",
    "CDLTHRUSTING": "Thrusting",
    "CDLTRISTAR": "Tristar",
    "CDLUNIQUE3RIVER": "Unique three river",
    "CDLUPSIDEGAP2CROWS": "Upside gap two crows",
    "CDLXSIDEGAP3METHODS": "Gap three methods",
}
#: indecision: TA-Lib's sign is only the candle's colour, or always +
UNDECIDED = frozenset(("CDLDOJI", "CDLHIGHWAVE", "CDLLONGLEGGEDDOJI", "CDLRICKSHAWMAN", "CDLSHORTLINE", "CDLSPINNINGTOP"))
#: always + in TA-Lib, bearish in meaning
BEARISH = frozenset(("CDLGRAVESTONEDOJI",))
#: most bars that any of them looks back, with room for the running means inside TA-Lib
LOOKBACK = 30
_WORDS = {1: "bullish", -1: "bearish", 0: "undecided"}


def candlesticks(symbol: str, frame: pl.DataFrame, first: int = 0) -> Iterator[Detection]:
    """Every pattern that a bar of row `first` or later completes, on TA-Lib's default settings.

    Strength: TA-Lib's |value| / 200 (100 is found, 200 is confirmed, 80 is found with equal bodies).
    """
    opened, high, low, close = (_column(frame, name) for name in ("open", "high", "low", "close"))
    if not len(close):
        return
    times = frame["ts_ms"]
    for function, name in NAMES.items():
        values = getattr(talib, function)(opened, high, low, close)
        for row in (np.flatnonzero(values[first:]) + first).tolist():
            value = int(values[row])
            direction = 0 if function in UNDECIDED else -1 if function in BEARISH or value < 0 else 1
            yield Detection(
                symbol, int(times[row]), "candlestick", name, direction, min(1.0, abs(value) / 200), float(close[row]),
                f"{_WORDS[direction]} by TA-Lib's {function} ({value:+d}): "
                + _candle(opened[row], high[row], low[row], close[row]),
            )  # fmt: skip


def _candle(opened: float, high: float, low: float, close: float) -> str:
    span = high - low
    body = abs(close - opened) / span * 100 if span > 0 else 0.0
    return (
        f"open {figure(opened)}, high {figure(high)}, low {figure(low)}, close {figure(close)}; "
        f"the body is {body:.0f} % of the range"
    )


def _column(frame: pl.DataFrame, name: str) -> Column:
    return np.ascontiguousarray(frame[name].to_numpy(), dtype=np.float64)
