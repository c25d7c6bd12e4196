"""Instruments: what is traded, where, and how finely."""

from typing import Literal

import msgspec


class Instrument(msgspec.Struct, frozen=True):
    """A tradable symbol of one venue.

    `tick_size` and `lot_size` are the venue's smallest price and quantity steps (quote and base currency);
    `price_decimals` is how many decimals a price is shown with. `venue_symbol` is the venue's own name of it.
    """

    symbol: str
    venue: str
    base: str
    quote: str
    tick_size: float
    lot_size: float
    price_decimals: int
    kind: Literal["spot", "perpetual", "stock"] = "spot"
    venue_symbol: str = ""

    @property
    def pair(self) -> str:
        return self.symbol if self.kind == "stock" else f"{self.base}/{self.quote}"


ETHUSDT = Instrument("ETHUSDT", "binance", "ETH", "USDT", 0.01, 0.0001, 2, "spot", "ETHUSDT")
BTCUSDT = Instrument("BTCUSDT", "binance", "BTC", "USDT", 0.01, 0.00001, 2, "spot", "BTCUSDT")
AAPL = Instrument("AAPL", "ibkr", "AAPL", "USD", 0.01, 1.0, 2, "stock", "AAPL")
MSFT = Instrument("MSFT", "ibkr", "MSFT", "USD", 0.01, 1.0, 2, "stock", "MSFT")
GOOGL = Instrument("GOOGL", "ibkr", "GOOGL", "USD", 0.01, 1.0, 2, "stock", "GOOGL")
ETH_PERP = Instrument("ETH-PERP", "hyperliquid", "ETH", "USD", 0.1, 0.0001, 1, "perpetual", "ETH")
BTC_PERP = Instrument("BTC-PERP", "hyperliquid", "BTC", "USD", 1.0, 0.00001, 0, "perpetual", "BTC")

#: symbol -> instrument that is there from the start, in the order pages show them
INSTRUMENTS: dict[str, Instrument] = {i.symbol: i for i in (ETHUSDT, BTCUSDT, AAPL, MSFT, GOOGL, ETH_PERP, BTC_PERP)}


def instruments_of(venue: str) -> tuple[Instrument, ...]:
    """The instruments that a venue has from the start."""
    return tuple(i for i in INSTRUMENTS.values() if i.venue == venue)
