"""Greeks that vendors sent with their chains: Upstox (Black-Scholes, r = 0), Deribit (Black-76), Interactive Brokers."""

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from core.workers.greeks import black_76, black_scholes_merton
from core.workers.options.implied_volatility import VolatilityState, implied_volatility, implied_volatility_76
from core.workers.universal_symbol_parser import UniversalSymbolParser


def test_the_nifty_chain_of_upstox_six_days_before_expiry(shared_data: Path, tell: Callable[[str, object], None]) -> None:
    chain = json.loads((shared_data / "options" / "upstox_nifty_chain_exp2024-07-25_spot24530.9.json").read_text())["data"]
    rows = []
    for strike in chain:
        for side, is_call in (("call_options", 1.0), ("put_options", 0.0)):
            told = strike[side]["option_greeks"]
            if told["iv"] > 0:
                greeks = [told[name] for name in ("delta", "gamma", "vega", "theta")]
                rows.append([strike["underlying_spot_price"], strike["strike_price"], told["iv"] / 100, is_call, *greeks])
    spot, strikes, volatility, is_call, delta, gamma, vega, theta = np.array(rows).T
    assert spot.size > 200
    ours = black_scholes_merton(spot, strikes, 6 / 365, 0.0, 0.0, volatility, is_call)
    assert np.abs(ours.delta - delta).mean() < 0.0007
    assert np.abs(ours.gamma - gamma).max() <= 5.1e-5  # told to four decimals
    assert np.abs(ours.vega / 100 - vega).max() < 0.03  # of up to 12.5, iv told to two decimals
    assert np.abs(ours.theta / 365 - theta).max() < 0.06  # of up to 68
    figures = {
        "delta": np.abs(ours.delta - delta),
        "gamma": np.abs(ours.gamma - gamma),
        "vega": np.abs(ours.vega / 100 - vega),
        "theta": np.abs(ours.theta / 365 - theta),
    }
    tell("largest errors against Upstox's NIFTY chain", ", ".join(f"{k} {v.max():.1e}" for k, v in figures.items()))


@pytest.mark.parametrize(
    ("file", "days", "largest_mean"),
    [
        ("upstox_nifty_chain_exp2024-06-27_spot23501.1.json", 6.25, 0.009),
        ("upstox_nifty_chain_exp2024-06-27_spot23868.8.json", 1.0, 0.003),
    ],
)
def test_nifty_chains_whose_spot_is_of_another_moment_than_their_greeks(
    shared_data: Path, file: str, days: float, largest_mean: float
) -> None:
    spots, strikes, volatilities, calls, deltas = [], [], [], [], []
    for strike in json.loads((shared_data / "options" / file).read_text())["data"]:
        for side in ("call_options", "put_options"):
            told = strike[side]["option_greeks"]
            if told["iv"] > 0:
                spots.append(strike["underlying_spot_price"])
                strikes.append(strike["strike_price"])
                volatilities.append(told["iv"] / 100)
                calls.append(side == "call_options")
                deltas.append(told["delta"])
    assert len(deltas) > 190
    ours = black_scholes_merton(spots, strikes, days / 365, 0.0, 0.0, volatilities, calls)
    assert np.abs(ours.delta - deltas).mean() < largest_mean


def test_deribits_tickers(shared_data: Path, tell: Callable[[str, object], None]) -> None:
    parser, rows = UniversalSymbolParser(), []
    with (shared_data / "options" / "deribit_option_tickers_greeks_20210722.csv").open() as lines:
        for row in csv.DictReader(lines):
            symbol = parser.parse(row["instrument_name"], "DERIBIT")
            assert symbol.expiry is not None
            assert symbol.strike is not None
            expiry = datetime(symbol.expiry.year, symbol.expiry.month, symbol.expiry.day, 8, tzinfo=UTC).timestamp()
            years = (expiry - float(row["timestamp"]) / 1000) / (365 * 86_400)
            told = [float(row[name]) for name in ("underlying_price", "mark_price", "delta", "gamma", "vega")]
            rows.append([symbol.strike, years, float(row["mark_iv"]) / 100, float(symbol.right == "C"), *told])
    strike, years, volatility, is_call, future, mark, delta, gamma, vega = np.array(rows).T
    assert future.size == 89
    ours = black_76(future, strike, years, 0.0, volatility, is_call)
    assert np.abs(ours.delta - delta).max() < 1e-5
    assert np.abs(ours.gamma - gamma).max() <= 5.1e-6  # told to five decimals
    assert np.abs(ours.vega / 100 - vega).max() < 0.002  # of up to 97
    implied = implied_volatility_76(mark * future, future, strike, years, 0.0, is_call)
    assert (implied.state == VolatilityState.FOUND).all()
    assert np.median(np.abs(implied.volatility - volatility)) < 1e-4  # told in hundredths of a percent
    errors = [np.abs(a - b).max() for a, b in ((ours.delta, delta), (ours.gamma, gamma), (ours.vega / 100, vega))]
    tell("largest errors against Deribit's tickers", "delta {:.1e}, gamma {:.1e}, vega {:.1e}".format(*errors))


def test_interactive_brokers_spx_put(shared_data: Path) -> None:
    """16.6 days before expiry; IB's rate and its clock are not told, so these are bounds, not fits."""
    with (shared_data / "options" / "ib_spx_option_greeks_20191231.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 4
    for row in rows:
        spot = float(row["undPrice"]) - float(row["pvDividend"])
        inputs = (spot, float(row["strike"]), 16.6 / 365, 0.016, 0.0)
        ours = black_scholes_merton(*inputs, float(row["impliedVol"]), False)
        assert abs(ours.delta - float(row["delta"])) < 0.001
        assert abs(ours.gamma / float(row["gamma"]) - 1) < 0.03
        assert abs(ours.vega / 100 / float(row["vega"]) - 1) < 0.03
        assert abs(ours.theta / 365 / float(row["theta"]) - 1) < 0.03
        assert abs(implied_volatility(float(row["optPrice"]), *inputs, False).volatility - float(row["impliedVol"])) < 0.005
