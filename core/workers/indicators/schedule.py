"""How far each smoothed mean moves towards its next value, by the number of ticks seen.

Every recursive indicator here is mₜ = mₜ₋₁ + gₜ·(vₜ − mₜ₋₁). A gain of 0 waits, gains of 1, 1/2, … 1/n form the mean of
n values (the seed), and a constant gain smooths from then on. One table of gains thus replaces the cases of a warm-up.
"""

import numpy as np
from numpy.typing import NDArray

from core.workers.indicators.batch import OUTPUTS
from core.workers.indicators.config import IndicatorConfig


def warm_up(config: IndicatorConfig) -> tuple[int, ...]:
    """Ticks until the first value of each output, that tick included, in the order of `OUTPUTS`."""
    macd = config.macd_slow + config.macd_signal - 1
    ticks = {
        "ema": config.ema,
        "rsi": config.rsi + 1,
        "macd": macd,
        "macd_signal": macd,
        "macd_histogram": macd,
        "atr": config.atr + 1,
        "bollinger_upper": config.bollinger,
        "bollinger_middle": config.bollinger,
        "bollinger_lower": config.bollinger,
        "vwap": 1,
        "obv": 1,
        "realised_volatility": config.realised_volatility + 1,
        "volume_ratio": config.volume_ratio + 1,
    }
    return tuple(ticks[name] for name in OUTPUTS)


class Schedule:
    """Tables by the number of ticks seen, 0 … `last`; all later ticks are as `last`.

    `gains`: (7, last + 1), rows EMA, MACD fast, MACD slow, rise, fall, true range, MACD signal.
    `blank`: (outputs, last + 1), NaN before the output is warm and 0 after, to be added to it.
    """

    def __init__(self, config: IndicatorConfig) -> None:
        warm = warm_up(config)
        self.last = max(warm) + 1  # an EMA leaves its seed with the tick after its first value
        slow, fast = config.macd_slow, config.macd_fast
        self.gains = np.array(
            [
                self._gains(1, config.ema, 2 / (config.ema + 1)),
                self._gains(slow - fast + 1, fast, 2 / (fast + 1)),
                self._gains(1, slow, 2 / (slow + 1)),
                self._gains(2, config.rsi, 1 / config.rsi),
                self._gains(2, config.rsi, 1 / config.rsi),
                self._gains(2, config.atr, 1 / config.atr),
                self._gains(slow, config.macd_signal, 2 / (config.macd_signal + 1)),
            ]
        )
        seen = np.arange(self.last + 1)
        self.blank = np.where(seen < np.array(warm)[:, None], np.nan, 0.0)

    def _gains(self, first: int, period: int, smoothing: float) -> NDArray[np.float64]:
        """`first` is the tick whose value begins the seed."""
        place = np.arange(self.last + 1) - first + 1
        seed = 1 / np.maximum(place, 1)
        return np.where(place < 1, 0.0, np.where(place <= period, seed, smoothing))
