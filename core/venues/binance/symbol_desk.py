"""Everything that one symbol of Binance has: its feed, its channels, its book, and who fills its gaps."""

from collections.abc import Awaitable, Callable, Collection

from core.base.clock import Clock
from core.base.settings import StreamConfig
from core.domain.health import LinkState
from core.domain.market import DepthDiff, Kline, Quote, Trade
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.binance.channels import channels_of, stream_of
from core.venues.binance.rest import BinanceRest
from core.venues.binance.trade_witness import TradeWitness
from core.venues.binance.wire import StreamValue
from core.venues.book_keeper import BookKeeper
from core.venues.channel import Channel
from core.venues.connector import IsEnabled
from core.venues.gap_filler import GapFiller
from core.venues.incident_log import IncidentLog
from core.venues.symbol_feed import SymbolFeed


class SymbolDesk:
    """Made once per symbol; `tasks` are to be run by the connector for as long as the symbol stays."""

    def __init__(
        self,
        feed: SymbolFeed,
        rest: BinanceRest,
        stream: UnifiedDataStream,
        config: StreamConfig,
        clock: Clock,
        incidents: IncidentLog,
        is_enabled: IsEnabled,
        available: Collection[str] | None,
    ) -> None:
        """`available`: the streams that a recording has, None for all."""
        symbol = feed.symbol
        self.symbol, self.feed = symbol, feed
        self.channels: dict[str, Channel] = channels_of(symbol, config.silence_s, available)
        self.trade = self.channels.get(stream_of(symbol, "trade"))
        self.bars = self.channels.get(stream_of(symbol, "kline_1s"))
        self.depth = self.channels.get(stream_of(symbol, "depth@100ms"))
        self.book: BookKeeper | None = None
        if self.depth is not None:
            self.book = BookKeeper(symbol, stream, rest.depth, config.book_levels, clock, incidents, is_enabled)
        self.filler = GapFiller(feed, rest, stream, clock, incidents, is_enabled, config.backfill_max_trades)
        feed.on_gap = self._on_gap

    def tasks(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """Name -> what to run."""
        tasks: dict[str, Callable[[], Awaitable[None]]] = {
            f"feed {self.symbol}": self.feed.run,
            f"gaps {self.symbol}": self.filler.run,
        }
        if self.book is not None:
            tasks[f"book {self.symbol}"] = self.book.run
        return tasks

    def take(self, value: StreamValue) -> None:
        """A value of this symbol."""
        kind = type(value)
        if kind is Trade:
            self.feed.on_trade(value)  # type: ignore[arg-type]
        elif kind is Quote:
            self.feed.on_quote(value)  # type: ignore[arg-type]
        elif isinstance(value, DepthDiff):
            self._take_diff(value)
        elif isinstance(value, Kline):
            self.feed.on_kline(value)

    def _take_diff(self, diff: DepthDiff) -> None:
        if self.book is not None and self.depth is not None:
            gaps = self.book.book.gaps
            self.book.on_diff(diff)
            self.depth.gaps += self.book.book.gaps - gaps
        self.feed.on_time(diff.event_ms, diff.recv_ns)

    def flows(self, cause: str) -> tuple[bool, str]:
        """Whether the symbol's trades are known to flow, and why not; `cause` is what was told last."""
        if self.trade is None:
            return False, "the venue has no trades of it"
        if self.trade.state is LinkState.LIVE:
            return True, ""
        return False, cause if self.trade.state is LinkState.SYNCING else self.trade.cause

    def excuses(self, channel: Channel, witness: TradeWitness | None) -> bool:
        """No trade is no fault when the venue itself, by its bars or asked, knows of none that we have not."""
        last_id = self.feed.tape.last_id
        if self.bars is None and channel is not self.trade:
            # a quiet book may have nothing to say: it is subscribed anew once, but never costs the connection of all
            return channel.resubscribed
        if channel is not self.trade or last_id is None or channel.state is not LinkState.LIVE:
            return False
        if self.bars is None:
            return witness is not None and witness.had_nothing_after(self.symbol, last_id)
        return self.bars.state is LinkState.LIVE and self.feed.venue_last_id <= last_id

    def _on_gap(self, feed: SymbolFeed) -> None:
        if self.trade is not None:
            self.trade.gaps += 1
        self.filler.notice(feed)
