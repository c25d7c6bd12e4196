"""The made market under Hyperliquid's names: coins, trade ids that are unique but not sequential, candles, books.

Everything is a pure function of seed, rate and time, so that trades, candles and books of any moment agree.
"""

from core.base.clock import Clock
from core.domain.instrument import BTC_PERP, ETH_PERP
from core.venues.simulated.instruments import SymbolSpec
from core.venues.simulated.intervals import FIXED_MS
from core.venues.simulated.model_book import STEP_MS
from core.venues.simulated.noise import derive_key
from core.venues.simulated.source import Candle, Depth, TradeRow
from core.venues.simulated.symbol_market import SymbolMarket

#: perpetuals a little above their spot, whose walk they share
SPECS = (
    SymbolSpec(BTC_PERP, 100_030.0, 0.022, 4.0 * 86_400, 30_000.0, follows="BTCUSDT"),
    SymbolSpec(ETH_PERP, 3_101.0, 0.030, 3.0 * 86_400, 400_000.0, follows="ETHUSDT"),
)
#: the venue's own intervals that the model can make
INTERVALS = tuple(name for name in FIXED_MS if name not in ("1s", "6h"))
#: levels a side that the venue tells
BOOK_LEVELS = 20
#: candles that the venue keeps at most (gitbook, info endpoint: "only the most recent 5000 candles are available")
MOST_CANDLES = 5_000

_ID_BITS = 50
_ID_MASK = (1 << _ID_BITS) - 1
#: odd, so that multiplying is one to one
_SCATTER = 0x2545F4914F6CD


class CoinMarket:
    """One coin. Prices and sizes are whole multiples of 1e-8."""

    def __init__(self, spec: SymbolSpec, seed: int, rate: float) -> None:
        self.spec = spec
        self.coin = spec.instrument.venue_symbol
        self._market = SymbolMarket(spec, seed, rate)
        self._key = derive_key(seed, spec.symbol, "tid") & _ID_MASK

    def tid(self, trade_id: int) -> int:
        """The venue's id of the model's trade: one to one, in no order."""
        return (trade_id * _SCATTER + self._key) & _ID_MASK

    def last_id(self, now_ms: int) -> int:
        """The model's id of the last trade by `now_ms`."""
        return self._market.last_trade_id(now_ms)

    def trades_from(self, first_id: int, limit: int, now_ms: int) -> list[TradeRow]:
        return self._market.trades_from(first_id, limit, now_ms)

    def trades_between(self, from_ms: int, to_ms: int, limit: int) -> list[TradeRow]:
        """Trades with `from_ms` ≤ time < `to_ms`, oldest first."""
        first = self._market.first_id_at(from_ms)
        return self._market.trades_from(first, min(limit, max(0, self.last_id(to_ms - 1) - first + 1)), to_ms - 1)

    def candle(self, interval: str, open_ms: int, until_ms: int) -> Candle:
        return self._market.candle_at(interval, open_ms, until_ms)

    def candles(self, interval: str, start_ms: int, end_ms: int, now_ms: int) -> list[Candle]:
        """The bars that overlap [start, end], at most the latest 5,000."""
        step = FIXED_MS[interval]
        first = max(start_ms // step * step, (now_ms // step - MOST_CANDLES + 1) * step)
        count = min(end_ms, now_ms) // step - first // step + 1
        return self._market.candles(interval, first, end_ms, count, now_ms) if count > 0 else []

    def book(self, at_ms: int) -> Depth:
        """The best 20 levels a side at the end of the step that `at_ms` lies in; `last_update_id` is that time."""
        step = at_ms // STEP_MS
        depth = self._market.depth(step, BOOK_LEVELS)
        return Depth(step * STEP_MS, depth.bids, depth.asks)


class HyperliquidMarket:
    """All coins, run by the clock."""

    def __init__(self, clock: Clock, seed: int = 1, rate: float = 1.0, specs: tuple[SymbolSpec, ...] = SPECS) -> None:
        self._clock = clock
        self._seed, self._rate = seed, rate
        #: coin -> market, in the order of `meta`
        self.coins = {spec.instrument.venue_symbol: CoinMarket(spec, seed, rate) for spec in specs}
        #: our symbol -> market
        self.symbols = {market.spec.symbol: market for market in self.coins.values()}

    def now_ms(self) -> int:
        return self._clock.now_ms()

    def stats(self) -> dict[str, object]:
        return {"kind": "model", "seed": self._seed, "rate": self._rate}
