"""Option ticks → Greeks rows: a batch, or several that share a transaction, at once.

Which formula: Black-76 for options on a future (`Symbol.underlying_kind`), else Black-Scholes-Merton. Both are one call:
Black-76 is Merton's formula with the rate as dividend yield, but for its rho. Options that are priced in their own coin
(Deribit's without `_USDC`) are valued in the currency of the strike, at premium times underlying price, which is how
Deribit itself makes its marks of Black-76 prices. Time counts calendar days of 365 a year, as Deribit and Upstox do.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from core.workers.greeks import Greeks, black_scholes_merton
from core.workers.options.expiry import expiry_ms
from core.workers.options.implied_volatility import VolatilityState, implied_volatility
from core.workers.symbols.symbol import Symbol

YEAR_MS = 365 * 86_400_000
_NAN = float("nan")

Column = npt.NDArray[np.float64]


class OptionInput(msgspec.Struct, frozen=True, gc=False):
    """What a tick tells of an option. `rate` and `dividend` are continuously compounded per year.

    `price` is as the venue quotes it (in coins where `symbol.quote` is the underlying). `underlying_price` is in the
    currency of the strike: the future's where the option is on a future; None where it is not told. `volatility` per √year
    is taken as it is; None asks for the one that the price implies.
    """

    symbol: Symbol
    ts_ms: int
    price: float
    underlying_price: float | None = None
    rate: float = 0.0
    dividend: float = 0.0
    volatility: float | None = None


class Valued(msgspec.Struct, frozen=True):
    """Columns of equal length, a row an input, in their order.

    `state` holds VolatilityState. Where it is neither FOUND, ZERO nor GIVEN, volatility, price and Greeks are NaN; a Greek
    that is infinite (at the forward, without volatility) is NaN too. Units are those of `core.workers.greeks`, in the
    currency of the strike but for `price`, the formula's, which is as the venue quotes. `underlying_price` and `years`
    are NaN where they are not known; `years` is below 0 after expiry.
    """

    state: npt.NDArray[np.int16]
    volatility: Column
    price: Column
    delta: Column
    gamma: Column
    vega: Column
    theta: Column
    rho: Column
    vanna: Column
    vomma: Column
    underlying_price: Column
    years: Column

    def __len__(self) -> int:
        return len(self.state)


def value(inputs: Sequence[OptionInput]) -> Valued:
    """The Greeks of each input. No input costs another its numbers, and none raises: `state` says what is missing."""
    if not inputs:
        return Valued(np.empty(0, np.int16), *(np.empty(0) for _ in range(len(Valued.__struct_fields__) - 1)))
    columns = np.array([_row(each) for each in inputs], dtype=np.float64).T
    price, spot, strike, years, rate, dividend, told, is_call, on_future, in_coins = columns
    carry = np.where(on_future != 0, rate, dividend)
    unit = np.where(in_coins != 0, spot, 1.0)
    with np.errstate(over="ignore"):  # a product beyond all numbers is an invalid price, and told as such
        price_in_money = price * unit
    state, volatility = _volatilities(price_in_money, spot, strike, years, rate, carry, is_call, told)
    greeks = black_scholes_merton(spot, strike, years, rate, carry, volatility, is_call)
    rho = np.where(on_future != 0, -years * greeks.price, greeks.rho)
    with np.errstate(all="ignore"):
        figures = np.stack(greeks._replace(price=greeks.price / unit, rho=rho))
    figures[~np.isfinite(figures)] = np.nan
    without_price = ~np.isnan(volatility) & np.isnan(figures[0])
    state[without_price] = VolatilityState.INVALID
    volatility[without_price] = np.nan
    figures[:, np.isnan(volatility)] = np.nan
    return Valued(state, volatility, *Greeks(*figures), spot, years)


def _row(each: OptionInput) -> tuple[float | bool | None, ...]:
    """One input as numbers; None becomes NaN."""
    symbol = each.symbol
    years = _NAN
    if symbol.expiry is not None and symbol.right is not None:
        years = (expiry_ms(symbol.venue, symbol.root, symbol.expiry) - each.ts_ms) / YEAR_MS
    return (
        each.price,
        each.underlying_price,
        symbol.strike,
        years,
        each.rate,
        each.dividend,
        each.volatility,
        symbol.right == "C",
        symbol.underlying_kind == "future",
        symbol.quote == symbol.underlying,
    )


def _volatilities(
    price: Column,
    spot: Column,
    strike: Column,
    years: Column,
    rate: Column,
    carry: Column,
    is_call: Column,
    told: Column,
) -> tuple[npt.NDArray[np.int16], Column]:
    """State and volatility of each row: the one it brings, or else the one its price implies."""
    given = ~np.isnan(told)
    state = np.full(price.shape, VolatilityState.GIVEN, np.int16)
    volatility = told.copy()
    (asked,) = np.nonzero(~given)
    if asked.size:
        market = [column[asked] for column in (price, spot, strike, years, rate, carry, is_call)]
        volatility[asked], state[asked] = implied_volatility(*market)
    state[years <= 0] = VolatilityState.EXPIRED
    state[np.isnan(spot)] = VolatilityState.NO_UNDERLYING_PRICE
    state[np.isnan(years) | np.isnan(strike)] = VolatilityState.NO_TERMS
    volatility[(state != VolatilityState.GIVEN) & (state > VolatilityState.ZERO)] = np.nan
    return state, volatility
