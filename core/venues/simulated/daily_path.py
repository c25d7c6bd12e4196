"""The market's daily candles from its first day on: a seeded, mean-reverting walk of the log price."""

import numpy as np

from core.venues.simulated.bars import FREE, MEAN_FILLS, Bars
from core.venues.simulated.instruments import SymbolSpec
from core.venues.simulated.noise import Floats, Ints, derive_key, normal

#: 2017-08-17, the first day of the real pairs
FIRST_DAY = 17_395
#: how many days the path reaches; to 2050
DAYS = 12_000
#: the share of a symbol's moves that it has in common with the others
COMMON = 0.97
_REVERSION = 0.02


def shared_normal(seed: int, symbol: str, purpose: str, index: Ints) -> Floats:
    """Standard normals, correlated between symbols by `COMMON`²."""
    common = normal(derive_key(seed, "all", purpose), index)
    own = normal(derive_key(seed, symbol, purpose), index)
    both: Floats = COMMON * common + np.sqrt(1 - COMMON**2) * own
    return both


def daily_bars(seed: int, spec: SymbolSpec, rate: float) -> Bars:
    """All days. `rate` multiplies orders and volume. A day opens where the one before closed."""
    day = np.arange(FIRST_DAY, FIRST_DAY + DAYS, dtype=np.int64)
    shocks = shared_normal(seed, spec.walk, "day", day) * spec.daily_volatility
    log_price = np.empty(DAYS + 1)
    log_price[0] = level = spec.log_ticks
    for i, shock in enumerate(shocks.tolist(), 1):
        level += _REVERSION * (spec.log_ticks - level) + shock
        log_price[i] = level
    ticks = np.rint(np.exp(log_price)).astype(np.int64)
    open_, close = ticks[:-1], ticks[1:]
    reach = spec.daily_volatility * 0.35
    up = np.abs(shared_normal(seed, spec.walk, "day-high", day)) * reach
    down = np.abs(shared_normal(seed, spec.walk, "day-low", day)) * reach
    high = np.rint(np.maximum(open_, close) * np.exp(up)).astype(np.int64)
    low = np.rint(np.minimum(open_, close) * np.exp(-down)).astype(np.int64)
    bustle = 0.8 + 0.25 * np.abs(shocks) / spec.daily_volatility
    bustle *= np.exp(0.15 * shared_normal(seed, spec.walk, "day-activity", day))
    orders = np.maximum(np.rint(spec.orders_per_day * rate * bustle), FREE).astype(np.int64)
    volume = spec.volume_per_day * rate * bustle * np.exp(0.2 * normal(derive_key(seed, spec.symbol, "day-volume"), day))
    lots = np.rint(volume / spec.instrument.lot_size).astype(np.int64) + np.ceil(orders * (MEAN_FILLS + 9)).astype(np.int64)
    return Bars(
        index=day,
        open=open_,
        high=high,
        low=low,
        close=close,
        previous=open_,
        lots=lots,
        orders=orders,
        first_order=np.cumsum(orders) - orders,
    )
