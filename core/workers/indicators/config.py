"""Periods of the indicators."""

import msgspec

from core.base.errors import ConfigError

MAX_PERIOD = 1_000


class IndicatorConfig(msgspec.Struct, frozen=True):
    """Periods count ticks (or bars, when bars are fed) of one symbol.

    `annualisation` multiplies the sum of squared log returns before the root is taken: 1 gives the volatility of the
    window itself; for bars of d seconds (365 · 86,400) / (realised_volatility · d) gives it for a year of a market
    that never closes.
    `max_symbols` bounds the states that are kept: a new symbol takes the place of the least recently used one.
    """

    ema: int = 20
    rsi: int = 14
    macd_fast: int = 12
    macd_slow: int = 26
    macd_signal: int = 9
    atr: int = 14
    bollinger: int = 20
    bollinger_deviations: float = 2.0
    realised_volatility: int = 20
    annualisation: float = 1.0
    volume_ratio: int = 20
    max_symbols: int = 10_000

    def __post_init__(self) -> None:
        for name in ("ema", "rsi", "macd_fast", "macd_slow", "atr", "bollinger"):
            self._expect(name, 2, MAX_PERIOD)
        for name in ("macd_signal", "realised_volatility", "volume_ratio"):
            self._expect(name, 1, MAX_PERIOD)
        self._expect("max_symbols", 1, 1_000_000)
        if self.macd_fast >= self.macd_slow:
            raise ConfigError(f"macd_fast must be below macd_slow, not {self.macd_fast} ≥ {self.macd_slow}")
        for name in ("bollinger_deviations", "annualisation"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ConfigError(f"{name} must be positive and finite, not {getattr(self, name)}")

    def _expect(self, name: str, least: int, most: int) -> None:
        if not least <= getattr(self, name) <= most:
            raise ConfigError(f"{name} must be {least}–{most}, not {getattr(self, name)}")
