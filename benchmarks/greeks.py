"""Greeks sets, implied volatilities and valued option ticks per second on one core, beside QuantLib and plain numpy."""

import math
import time
from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import QuantLib as ql

from benchmarks.result import Result, publish
from core.base.clock import ManualClock
from core.workers.greeks import black_76, black_scholes_merton
from core.workers.options.implied_volatility import VolatilityState, implied_volatility
from core.workers.universal_symbol_parser import UniversalSymbolParser
from core.workers.valuation import OptionInput, value

COUNT = 400_000
#: QuantLib is called once an option
SLOW_COUNT = 5_000
#: options of one expiry, both sides of each strike; and the ticks of a batch
CHAIN, BATCH = 200, 50
RUNS = 5
NOW_MS = 1_795_219_200_000  # 2026-11-21


def per_second(count: int, work: Callable[[], object]) -> float:
    """The median of RUNS, after one to warm up."""
    work()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return count / float(np.median(times))


def quantlib_greeks(rows: list[list[float]]) -> None:
    """The price and seven Greeks of each row."""
    for spot, strike, years, rate, dividend, volatility, is_call in rows:
        payoff = ql.PlainVanillaPayoff(ql.Option.Call if is_call else ql.Option.Put, strike)
        forward = spot * math.exp((rate - dividend) * years)
        black = ql.BlackCalculator(payoff, forward, volatility * math.sqrt(years), math.exp(-rate * years))
        black.value(), black.delta(spot), black.gamma(spot), black.vega(years)
        black.theta(spot, years), black.rho(years), black.vanna(spot, years), black.volga(years)


def quantlib_volatilities(rows: list[list[float]], prices: list[float]) -> None:
    for (spot, strike, years, rate, dividend, _, is_call), price in zip(rows, prices, strict=True):
        side = ql.Option.Call if is_call else ql.Option.Put
        forward, discount = spot * math.exp((rate - dividend) * years), math.exp(-rate * years)
        ql.blackFormulaImpliedStdDevLiRS(side, strike, forward, price, discount)


def option_ticks(with_volatility: bool) -> list[OptionInput]:
    """A batch of Deribit's and OCC's options as the pool has them."""
    parser = UniversalSymbolParser(ManualClock(NOW_MS))
    inputs = []
    for number in range(BATCH):
        day = date(2026, 12, 4) + timedelta(days=7 * (number % 5))
        if number % 2:
            symbol, spot = parser.parse(f"BTC-{day.day}{day:%b%y}-{84_000 + 500 * number}-C".upper(), "DERIBIT"), 96_000.0
        else:
            symbol, spot = parser.parse(f"SPXW  {day:%y%m%d}P{6_500 + 10 * number:05}000", "OPRA"), 6_750.0
        given = value([OptionInput(symbol, NOW_MS, 1.0, spot, 0.04, 0.0, 0.3 + 0.01 * (number % 7))])
        volatility = float(given.volatility[0]) if with_volatility else None
        inputs.append(OptionInput(symbol, NOW_MS, float(given.price[0]), spot, 0.04, 0.0, volatility))
    return inputs


def run() -> list[Result]:
    rng = np.random.default_rng(4)
    spot = rng.uniform(50, 150, COUNT)
    years, rate = rng.uniform(0.003, 2, COUNT), rng.uniform(0, 0.08, COUNT)
    volatility, dividend = rng.uniform(0.08, 1.2, COUNT), rng.uniform(0, 0.04, COUNT)
    strike = spot * np.exp(rng.normal(0, 1.2, COUNT) * volatility * np.sqrt(years))
    is_call = rng.random(COUNT) < 0.5
    market = (spot, strike, years, rate, dividend)
    prices = black_scholes_merton(*market, volatility, is_call).price
    implied = implied_volatility(prices, *market, is_call)
    found = implied.state == VolatilityState.FOUND
    assert found.mean() > 0.98

    limit = per_second(COUNT, lambda: np.exp(-0.5 * np.log(spot / strike) ** 2 / (volatility * np.sqrt(years))))
    sets = per_second(COUNT, lambda: black_scholes_merton(*market, volatility, is_call))
    sets_76 = per_second(COUNT, lambda: black_76(spot, strike, years, rate, volatility, is_call))
    solved = per_second(COUNT, lambda: implied_volatility(prices, *market, is_call))
    some = np.flatnonzero(found)[:SLOW_COUNT]
    rows = np.column_stack([*market, volatility, is_call])[some].tolist()
    slow = per_second(SLOW_COUNT, lambda: quantlib_greeks(rows))
    some_prices = prices[some].tolist()
    slow_solved = per_second(SLOW_COUNT, lambda: quantlib_volatilities(rows, some_prices))
    small = [column[:CHAIN] for column in (*market, volatility, is_call)]
    chain = per_second(CHAIN * 50, lambda: [black_scholes_merton(*small) for _ in range(50)])
    small_prices = prices[:CHAIN]
    chain_solved = per_second(
        CHAIN * 50, lambda: [implied_volatility(small_prices, *small[:5], small[6]) for _ in range(50)]
    )
    asked, given = option_ticks(with_volatility=False), option_ticks(with_volatility=True)
    ticks_asked = per_second(BATCH * 100, lambda: [value(asked) for _ in range(100)])
    ticks_given = per_second(BATCH * 100, lambda: [value(given) for _ in range(100)])
    together = asked * 40
    ticks_together = per_second(len(together), lambda: value(together))

    def micros(rate: float) -> str:
        return f"batch of {BATCH}: {BATCH / rate * 1e6:,.0f} µs"

    many, many_solved = "≥ 2,000,000/s", "≥ 300,000/s"
    return [
        Result("plain numpy: one exp, log and square root a row", limit, "rows/s"),
        Result("QuantLib, price and seven Greeks, one call an option", slow, "sets/s"),
        Result("price and seven Greeks, Merton", sets, "sets/s", "QuantLib", sets / slow, many, sets >= 2e6),
        Result("price and seven Greeks, Black-76", sets_76, "sets/s", "QuantLib", sets_76 / slow, many, sets_76 >= 2e6),
        Result("QuantLib, implied volatility, one call an option", slow_solved, "/s"),
        Result("implied volatility", solved, "/s", "QuantLib", solved / slow_solved, many_solved, solved >= 3e5),
        Result(f"Greeks, a chain of {CHAIN} at a time", chain, "sets/s"),
        Result(f"implied volatility, a chain of {CHAIN} at a time", chain_solved, "/s"),
        Result(f"option ticks valued, implied, {micros(ticks_asked)}", ticks_asked, "ticks/s"),
        Result(f"option ticks valued, given, {micros(ticks_given)}", ticks_given, "ticks/s"),
        Result("option ticks valued, implied, 40 batches together", ticks_together, "ticks/s"),
    ]


if __name__ == "__main__":
    publish(run)
