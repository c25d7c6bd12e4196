"""The made perpetuals stay close to the made spot: a screen that shows both must make sense."""

import pytest

from core.venues.simulated import instruments
from core.venues.simulated.hyperliquid import market
from core.venues.simulated.symbol_market import SymbolMarket

MINUTE = 60_000
NOON = 29_000_000 * MINUTE


@pytest.mark.parametrize(("spot", "perpetual"), [("ETHUSDT", "ETH-PERP"), ("BTCUSDT", "BTC-PERP")])
def test_a_perpetual_follows_its_spot_within_ten_basis_points(spot: str, perpetual: str) -> None:
    specs = {spec.symbol: spec for spec in (*instruments.SPECS, *market.SPECS)}
    both = [SymbolMarket(specs[symbol], 1, 1.0) for symbol in (spot, perpetual)]
    for minute in range(0, 600, 37):
        open_ms = NOON + minute * MINUTE
        one, other = (made.candle_at("1m", open_ms, open_ms + MINUTE).close for made in both)
        assert abs(other / one - 1) < 1e-3
        assert one != other
