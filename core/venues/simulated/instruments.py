"""What the simulated market's symbols are like."""

import math
from dataclasses import dataclass

from core.domain.instrument import BTCUSDT, ETHUSDT, Instrument

#: prices and quantities leave the model as whole multiples of 1e-8, the venue's eight decimals
E8 = 100_000_000


@dataclass(frozen=True, slots=True)
class SymbolSpec:
    """`orders_per_day` and `volume_per_day` (base currency) are means; `daily_volatility` is that of log returns.

    `spacing`: ticks between the prices at which orders rest, away from the best one: where the price is many ticks, a book
    with orders at each of them would change by thousands of levels at once; recorded diffs of BTCUSDT change 36.
    `follows`: the symbol whose walk the price shares, as a perpetual does with its spot.
    """

    instrument: Instrument
    price: float
    daily_volatility: float
    orders_per_day: float
    volume_per_day: float
    spacing: int = 1
    follows: str = ""

    @property
    def walk(self) -> str:
        """What the noise of the price is named after."""
        return self.follows or self.symbol

    @property
    def symbol(self) -> str:
        return self.instrument.symbol

    @property
    def tick(self) -> int:
        """One tick in 1e-8 of the quote currency."""
        return round(self.instrument.tick_size * E8)

    @property
    def lot(self) -> int:
        """One lot in 1e-8 of the base currency."""
        return round(self.instrument.lot_size * E8)

    @property
    def log_ticks(self) -> float:
        return math.log(self.price / self.instrument.tick_size)


SPECS = (
    SymbolSpec(ETHUSDT, 3_100.0, 0.030, 12.0 * 86_400, 350_000.0),
    SymbolSpec(BTCUSDT, 100_000.0, 0.022, 19.5 * 86_400, 26_000.0, spacing=20),
)
