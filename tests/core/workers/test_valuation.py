"""Option ticks become Greeks rows: the formula, the expiry, the unit of the price, and a state for what has no numbers."""

import csv
import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest
import QuantLib as ql
from hypothesis import given
from hypothesis import strategies as st

from core.base.clock import ManualClock
from core.workers.greeks import Greeks
from core.workers.options.expiry import expiry_ms
from core.workers.options.implied_volatility import VolatilityState
from core.workers.symbols.symbol import Symbol
from core.workers.universal_symbol_parser import UniversalSymbolParser
from core.workers.valuation import YEAR_MS, OptionInput, Valued, value

NOW_MS = 1_795_219_200_000  # 2026-11-21
PARSER = UniversalSymbolParser(ManualClock(NOW_MS))
#: one option a format: text, venue, a price of its underlying, and what its premium is multiplied with to be in its currency
FORMATS = [
    ("BTC-25DEC26-90000-C", "DERIBIT", 91_000.0, 91_000.0),
    ("SOL_USDC-25DEC26-150d5-P", "DERIBIT", 148.0, 1.0),
    ("BTC-261225-90000-C", "BINANCE_OPTIONS", 91_000.0, 1.0),
    ("NFO:NIFTY26DEC26000CE", None, 25_900.0, 1.0),
    ("BFO:SENSEX26D0385000PE", None, 84_800.0, 1.0),
    ("RELIANCE26DEC1500PE", "NSE", 1_480.0, 1.0),
    ("SPXW  261218C06800000", "OPRA", 6_750.0, 1.0),
    ("AAPL261218P00250000", "SMART", 255.0, 1.0),
    ("C OESX 20261218 5600 M", "EUREX", 5_580.0, 1.0),
]


def option(text: str = "SPXW  261218C06800000", venue: str | None = "OPRA") -> Symbol:
    return PARSER.parse(text, venue)


def row(valued: Valued, place: int = 0) -> dict[str, float]:
    return {name: float(getattr(valued, name)[place]) for name in Valued.__struct_fields__}


def same(one: Valued, other: Valued) -> None:
    for name in Valued.__struct_fields__:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@pytest.mark.parametrize(
    ("venue", "root", "day", "instant"),
    [
        ("DERIBIT", "BTC", date(2026, 12, 25), datetime(2026, 12, 25, 8, tzinfo=UTC)),
        ("BINANCE_OPTIONS", "BTC", date(2026, 6, 26), datetime(2026, 6, 26, 8, tzinfo=UTC)),
        ("NFO", "NIFTY", date(2026, 8, 25), datetime(2026, 8, 25, 10, tzinfo=UTC)),
        ("NSE", "NIFTY", date(2026, 8, 25), datetime(2026, 8, 25, 10, tzinfo=UTC)),
        ("BFO", "SENSEX", date(2026, 8, 27), datetime(2026, 8, 27, 10, tzinfo=UTC)),
        ("OPRA", "AAPL", date(2026, 1, 16), datetime(2026, 1, 16, 21, tzinfo=UTC)),
        ("SMART", "AAPL", date(2026, 7, 17), datetime(2026, 7, 17, 20, tzinfo=UTC)),
        ("OPRA", "SPXW", date(2026, 7, 17), datetime(2026, 7, 17, 20, tzinfo=UTC)),
        ("OPRA", "SPX", date(2026, 7, 17), datetime(2026, 7, 17, 13, 30, tzinfo=UTC)),
        ("IBKR", "NDX", date(2026, 1, 16), datetime(2026, 1, 16, 14, 30, tzinfo=UTC)),
        ("EUREX", "OESX", date(2026, 7, 17), datetime(2026, 7, 17, 10, tzinfo=UTC)),
    ],
)
def test_an_option_expires_at_its_venues_hour(venue: str, root: str, day: date, instant: datetime) -> None:
    assert expiry_ms(venue, root, day) == instant.timestamp() * 1000


@pytest.mark.parametrize(("text", "venue", "underlying_price", "unit"), FORMATS)
def test_an_option_of_each_format_is_valued_as_quantlib_does(
    text: str, venue: str | None, underlying_price: float, unit: float
) -> None:
    symbol = option(text, venue)
    assert symbol.expiry is not None
    assert symbol.strike is not None
    on_future = symbol.underlying_kind == "future"
    rate, dividend, volatility = 0.04, 0.01, 0.45
    years = (expiry_ms(symbol.venue, symbol.root, symbol.expiry) - NOW_MS) / YEAR_MS
    payoff = ql.PlainVanillaPayoff(ql.Option.Call if symbol.right == "C" else ql.Option.Put, symbol.strike)
    forward = underlying_price * (1.0 if on_future else math.exp((rate - dividend) * years))
    black = ql.BlackCalculator(payoff, forward, volatility * math.sqrt(years), math.exp(-rate * years))
    expected = {
        "price": black.value() / unit,
        "delta": black.delta(underlying_price),
        "gamma": black.gamma(underlying_price),
    }
    expected |= {"vega": black.vega(years), "theta": black.theta(underlying_price, years)}
    expected |= {"vanna": black.vanna(underlying_price, years), "vomma": black.volga(years) * math.sqrt(years)}
    # QuantLib's rho moves the forward with the rate; on a future it stays and only the discount moves
    expected["rho"] = -years * black.value() if on_future else black.rho(years)
    if on_future:
        # likewise its delta is to a spot that the future grows from
        expected |= {"delta": black.deltaForward(), "gamma": black.gammaForward()}

    def check(valued: Valued, state: VolatilityState) -> None:
        told = row(valued)
        assert (told["state"], told["underlying_price"], told["years"]) == (state, underlying_price, years)
        assert told["volatility"] == pytest.approx(volatility, rel=1e-10)
        for name, figure in expected.items():
            if name in ("theta", "vanna") and on_future:
                continue
            assert told[name] == pytest.approx(figure, rel=1e-8, abs=1e-10), name

    premium = black.value() / unit
    check(value([OptionInput(symbol, NOW_MS, 1.0, underlying_price, rate, dividend, volatility)]), VolatilityState.GIVEN)
    check(value([OptionInput(symbol, NOW_MS, premium, underlying_price, rate, dividend)]), VolatilityState.FOUND)


def test_theta_and_vanna_of_an_option_on_a_future_hold_the_future() -> None:
    symbol = option("SOL_USDC-25DEC26-150d5-P", "DERIBIT")

    def at(ms: int = NOW_MS, future: float = 148.0, volatility: float = 0.8) -> dict[str, float]:
        return row(value([OptionInput(symbol, ms, 1.0, future, 0.05, 0.0, volatility)]))

    hour = 3_600_000
    assert at()["theta"] == pytest.approx(
        (at(NOW_MS + hour)["price"] - at(NOW_MS - hour)["price"]) * YEAR_MS / (2 * hour), rel=1e-5
    )
    assert at()["vanna"] == pytest.approx((at(volatility=0.8001)["delta"] - at(volatility=0.7999)["delta"]) / 2e-4, rel=1e-6)


def test_deribits_tickers_give_its_volatilities_and_greeks(shared_data: Path, tell: Callable[[str, object], None]) -> None:
    with (shared_data / "options" / "deribit_option_tickers_greeks_20210722.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    told = {name: np.array([float(r[name]) for r in rows]) for name in ("mark_price", "mark_iv", "delta", "vega")}
    symbols = [option(r["instrument_name"], "DERIBIT") for r in rows]
    inputs = [
        OptionInput(symbol, int(r["timestamp"]), float(r["mark_price"]), float(r["underlying_price"]))
        for symbol, r in zip(symbols, rows, strict=True)
    ]
    implied = value(inputs)
    assert (implied.state == VolatilityState.FOUND).all()
    # a mark is told to 1e-6 of a coin, a volatility to 1e-4; the underlying's price is of a moment before or after the mark
    outside = np.abs(told["delta"]) < 0.5
    assert outside.sum() > 50
    off = np.abs(implied.volatility - told["mark_iv"] / 100)[outside]
    assert (off < 1e-4 + 3e-6 / (implied.vega / implied.underlying_price)[outside]).all()
    marked = value([msgspec.structs.replace(i, volatility=v / 100) for i, v in zip(inputs, told["mark_iv"], strict=True)])
    price, delta = np.abs(marked.price - told["mark_price"]), np.abs(marked.delta - told["delta"]).max()
    assert price[outside].max() < 2e-5
    assert price.max() < 3e-4
    assert delta < 1e-5
    assert np.abs(marked.vega / 100 - told["vega"]).max() < 0.002
    figures = f"volatility median {np.median(off):.1e}, price {price[outside].max():.1e} coins, delta {delta:.1e}"
    tell("valued against Deribit's 89 tickers", figures)


def test_upstoxs_nifty_chain_by_its_symbols(shared_data: Path, tell: Callable[[str, object], None]) -> None:
    chain = json.loads((shared_data / "options" / "upstox_nifty_chain_exp2024-07-25_spot24530.9.json").read_text())["data"]
    # the chain's Greeks were made six days before 15:30 of the 25th
    now = int(datetime(2024, 7, 19, 10, tzinfo=UTC).timestamp() * 1000)
    inputs, deltas = [], []
    for strike in chain:
        for side, right in (("call_options", "CE"), ("put_options", "PE")):
            greeks = strike[side]["option_greeks"]
            if greeks["iv"] > 0:
                symbol = option(f"NFO:NIFTY24JUL{strike['strike_price']:.0f}{right}", None)
                spot, volatility = strike["underlying_spot_price"], greeks["iv"] / 100
                inputs.append(OptionInput(symbol, now, 1.0, spot, volatility=volatility))
                deltas.append(greeks["delta"])
    valued = value(inputs)
    assert np.unique(valued.years) == pytest.approx([6 / 365])
    off = np.abs(valued.delta - deltas)
    assert off.size > 200
    assert off.mean() < 0.0007
    tell("valued against Upstox's NIFTY chain", f"delta mean {off.mean():.1e}, largest {off.max():.1e}")


def state_of(**changes: object) -> tuple[VolatilityState, bool]:
    """The state of a changed input, and whether it has numbers."""
    usual = OptionInput(option(), NOW_MS, 120.0, 6_750.0, 0.04, 0.01)
    told = row(value([msgspec.structs.replace(usual, **changes)]))
    figures = [told[name] for name in ("volatility", *Greeks._fields)]
    assert all(map(math.isfinite, figures)) or all(map(math.isnan, figures))
    return VolatilityState(int(told["state"])), math.isfinite(told["price"])


@pytest.mark.parametrize(
    ("changes", "state", "has_numbers"),
    [
        ({}, VolatilityState.FOUND, True),
        ({"volatility": 0.2}, VolatilityState.GIVEN, True),
        ({"volatility": 0.0}, VolatilityState.GIVEN, True),
        ({"underlying_price": None}, VolatilityState.NO_UNDERLYING_PRICE, False),
        ({"underlying_price": None, "volatility": 0.2}, VolatilityState.NO_UNDERLYING_PRICE, False),
        ({"underlying_price": 6_950.0, "price": 1.0}, VolatilityState.BELOW_INTRINSIC, False),
        ({"price": 7_000.0}, VolatilityState.ABOVE_BOUND, False),
        ({"price": 0.0}, VolatilityState.ZERO, True),
        ({"ts_ms": NOW_MS + YEAR_MS}, VolatilityState.EXPIRED, False),
        ({"ts_ms": NOW_MS + YEAR_MS, "volatility": 0.2}, VolatilityState.EXPIRED, False),
        ({"ts_ms": 1_797_627_600_000}, VolatilityState.EXPIRED, False),  # 16:00 in New York on the day
        ({"ts_ms": 1_797_627_599_999, "price": 0.01}, VolatilityState.FOUND, True),
        ({"price": math.nan}, VolatilityState.INVALID, False),
        ({"underlying_price": -1.0}, VolatilityState.INVALID, False),
        ({"underlying_price": math.inf}, VolatilityState.INVALID, False),
        ({"volatility": -0.1}, VolatilityState.INVALID, False),
        ({"volatility": math.inf}, VolatilityState.INVALID, False),
        (
            {"price": 1e200, "underlying_price": 1e200, "symbol": option("BTC-25DEC26-90000-C", "DERIBIT")},
            VolatilityState.INVALID,
            False,
        ),
        ({"rate": math.inf}, VolatilityState.INVALID, False),
        ({"rate": math.nan, "volatility": 0.2}, VolatilityState.INVALID, False),
        ({"symbol": option("EX2G7 P4080", "CME")}, VolatilityState.NO_TERMS, False),  # only the month is told
        ({"symbol": option("TFMG7", "ENDEX")}, VolatilityState.NO_TERMS, False),
        ({"symbol": option("BTCUSDT", "BINANCE_SPOT")}, VolatilityState.NO_TERMS, False),
        ({"symbol": option("NIFTY26DECFUT", "NFO")}, VolatilityState.NO_TERMS, False),
    ],
)
def test_what_has_no_numbers_says_why(changes: dict[str, object], state: VolatilityState, has_numbers: bool) -> None:
    assert state_of(**changes) == (state, has_numbers)


def test_a_greek_without_a_finite_limit_is_nan_alone() -> None:
    told = row(value([OptionInput(option(), NOW_MS, 1.0, 6_800.0, volatility=0.0)]))
    assert told["state"] == VolatilityState.GIVEN
    assert (told["price"], told["delta"]) == (0.0, 0.5)
    assert math.isnan(told["gamma"])


def test_nothing_gives_empty_columns() -> None:
    empty = value([])
    assert len(empty) == 0
    assert all(getattr(empty, name).shape == (0,) for name in Valued.__struct_fields__)
    assert empty.state.dtype == value([OptionInput(option(), NOW_MS, 1.0)]).state.dtype


FLOATS = st.one_of(st.floats(0.01, 1e5), st.floats(), st.none())


@st.composite
def inputs(draw: st.DrawFn) -> OptionInput:
    text, venue, underlying_price, unit = draw(st.sampled_from(FORMATS))
    return OptionInput(
        option(text, venue),
        draw(st.integers(NOW_MS, NOW_MS + YEAR_MS)),
        draw(st.floats(0, underlying_price) | st.floats()) / unit,
        draw(st.just(underlying_price) | FLOATS),
        draw(st.floats(-0.1, 0.2) | st.floats()),
        draw(st.floats(-0.1, 0.2) | st.floats()),
        draw(st.none() | st.floats(0, 3) | st.floats()),
    )


@given(st.lists(inputs(), min_size=1, max_size=12), st.data())
def test_an_input_has_the_same_row_whatever_it_comes_with_and_numbers_only_with_a_volatility(
    batch: list[OptionInput], data: st.DataObject
) -> None:
    valued = value(batch)
    place = data.draw(st.integers(0, len(batch) - 1))
    alone, among = row(value([batch[place]])), row(valued, place)
    # vector and scalar paths of numpy's exp and log may differ in the last digit
    assert alone == pytest.approx(among, rel=1e-9, abs=1e-12, nan_ok=True)
    has_volatility = np.isin(valued.state, [VolatilityState.FOUND, VolatilityState.ZERO, VolatilityState.GIVEN])
    np.testing.assert_array_equal(has_volatility, ~np.isnan(valued.volatility))
    assert not np.isnan(valued.price[has_volatility]).any()
    for name in Greeks._fields:
        figures = getattr(valued, name)
        assert not np.isinf(figures).any()
        assert np.isnan(figures[~has_volatility]).all()
