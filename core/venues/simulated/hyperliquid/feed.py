"""One coin's live frames: what happened since the last block, as the channels' messages."""

from collections.abc import Callable
from typing import Any

from core.venues.simulated.hyperliquid import wire
from core.venues.simulated.hyperliquid.market import CoinMarket
from core.venues.simulated.intervals import FIXED_MS
from core.venues.simulated.source import Level

#: a book is sent when this time has passed since the last one (docs: "each block that is at least 0.5 since last push")
BOOK_PERIOD_MS = 500
_MOST_TRADES = 5_000
#: a feed that fell further behind (a suspended machine) goes on at the present
_TOO_LATE_MS = 30_000

#: (channel, coin or interval key, message data)
Publish = Callable[[str, str, Any], None]


class CoinFeed:
    """`publish(channel, key, data)` is called only for what `wanted(channel, key)` says that somebody listens to.

    Books, quotes and candles are told at once to who begins to listen: `renew(channel, key)` asks for that.
    """

    def __init__(self, market: CoinMarket, now_ms: int, wanted: Callable[[str, str], bool], publish: Publish) -> None:
        self._market = market
        self._wanted = wanted
        self._publish = publish
        self._at_ms = now_ms
        self._next_id = market.last_id(now_ms) + 1
        self._book_ms = 0
        self._best: tuple[Level, Level] | None = None
        self._new: set[tuple[str, str]] = set()

    def renew(self, channel: str, key: str) -> None:
        """Tell the present state of a channel with the next block, whether it changed or not."""
        self._new.add((channel, key))

    def emit(self, now_ms: int, skew_ms: int) -> None:
        """Publish the block that ends at `now_ms`; its book is stamped with a time that is wrong by `skew_ms`."""
        market, coin = self._market, self._market.coin
        if now_ms - self._at_ms > _TOO_LATE_MS:
            self._next_id = market.last_id(now_ms) + 1
        rows = market.trades_from(self._next_id, _MOST_TRADES, now_ms)
        if rows:
            self._next_id = rows[-1].trade_id + 1
            if self._wanted("trades", coin):
                self._publish("trades", coin, [wire.trade(market, row) for row in rows])
        self._candles(now_ms, bool(rows))
        self._at_ms = now_ms
        wants_book, wants_best = self._wanted("l2Book", coin), self._wanted("bbo", coin)
        if not wants_book and not wants_best:
            return
        is_new = ("bbo", coin) in self._new
        is_due = wants_book and (now_ms - self._book_ms >= BOOK_PERIOD_MS or ("l2Book", coin) in self._new)
        self._new.clear()
        if not is_due and not is_new and not (wants_best and rows):
            return
        depth, time_ms = market.book(now_ms), wire.book_time(now_ms) + skew_ms
        best = depth.bids[0], depth.asks[0]
        if wants_best and (is_new or best != self._best):
            self._best = best
            self._publish("bbo", coin, wire.bbo(coin, depth, time_ms))
        if is_due:
            self._book_ms = now_ms
            self._publish("l2Book", coin, wire.book(coin, depth, time_ms))

    def _candles(self, now_ms: int, traded: bool) -> None:
        """The running candle after every block that traded; the last word on a candle that ended comes first."""
        coin = self._market.coin
        for interval, step in FIXED_MS.items():
            key = f"{coin},{interval}"
            if not self._wanted("candle", key):
                continue
            open_ms, before_ms = now_ms // step * step, self._at_ms // step * step
            if before_ms != open_ms:
                self._publish(
                    "candle", key, wire.candle(coin, interval, self._market.candle(interval, before_ms, open_ms - 1))
                )
            if traded or before_ms != open_ms or ("candle", key) in self._new:
                self._publish("candle", key, wire.candle(coin, interval, self._market.candle(interval, open_ms, now_ms)))
