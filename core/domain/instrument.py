"""Instruments: what is traded, where, and how finely."""

import msgspec


class Instrument(msgspec.Struct, frozen=True):
    """A tradable symbol of one venue.

    `tick_size` and `lot_size` are the venue's smallest price and quantity steps (quote and base currency);
    `price_decimals` is how many decimals a price is shown with.
    """

    symbol: str
    venue: str
    base: str
    quote: str
    tick_size: float
    lot_size: float
    price_decimals: int

    @property
    def pair(self) -> str:
        return f"{self.base}/{self.quote}"


ETHUSDT = Instrument("ETHUSDT", "binance", "ETH", "USDT", 0.01, 0.0001, 2)
BTCUSDT = Instrument("BTCUSDT", "binance", "BTC", "USDT", 0.01, 0.00001, 2)

#: symbol -> instrument, in the order pages show them
INSTRUMENTS: dict[str, Instrument] = {i.symbol: i for i in (ETHUSDT, BTCUSDT)}
