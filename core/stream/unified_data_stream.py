"""The one stream that everything subscribes to."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from core.base.clock import Clock
from core.base.settings import StreamConfig
from core.domain.health import Source
from core.domain.instrument import INSTRUMENTS, Instrument
from core.domain.market import BarFlag, BarUpdate, BookView, ConsolidatedBook, Kline, Origin, Quote, Trade
from core.domain.series import SERIES, SERIES_NAMES, series_for
from core.domain.snapshot import UniversalDataStream
from core.market.consolidated_book import consolidate
from core.stream.handlers import AsyncHandler, PlainHandler
from core.stream.messages import DataType, Policy
from core.stream.parallel_distributor import ParallelDataDistributor
from core.stream.quality import completeness
from core.stream.subscription import Subscription
from core.stream.symbol_state import SymbolState
from core.stream.universal_data_adapter import UniversalDataAdapter

#: the series whose passing seconds bring TRAINING_DATA
_BEAT = "eth_ticks"

_T = TypeVar("_T")


class UnifiedDataStream:
    """Publishes market facts of every venue to consumers, and keeps what they add up to.

    The symbols of the five series are there from the start, others join by `add_instrument`; facts of an unknown symbol
    change nothing. State is updated before consumers are told. `publish_*`, `seed`, `advance`, `mark_partial`, `book_lost`,
    `touch`, `set_link` and `set_source` are called on the engine thread only; registering and all reads are safe from any.
    """

    def __init__(self, settings: StreamConfig, clock: Clock) -> None:
        self._clock = clock
        self._config = settings.freshness
        #: SIMULATED until told otherwise: never claim that numbers are live
        self._source = Source.SIMULATED
        self.adapter = UniversalDataAdapter(clock)
        self.distributor = ParallelDataDistributor(clock)
        self._symbols: dict[str, SymbolState] = {}
        for symbol in self.adapter.tapes:
            self.add_instrument(INSTRUMENTS[symbol])
        self._trade_count = 0
        self._bar_count = 0
        #: timestamp of the newest eth_ticks row, so that its successor is noticed
        self._beat_ms = 0

    # -- consumers: any thread

    def register_consumer(
        self,
        name: str,
        data_types: Iterable[DataType],
        handler: AsyncHandler | PlainHandler | None = None,
        *,
        policy: Policy = Policy.BOUNDED,
        bound: int = 10_000,
        on_ready: Callable[[], None] | None = None,
    ) -> Subscription:
        """Add a consumer. Handlers get batches: `handler(messages)`.

        An async handler runs in a task on the engine loop, a plain one on its own thread. Without a handler the owner calls
        `Subscription.drain()` from any thread; `on_ready()` is called on the engine thread when an empty mailbox gets its
        first message. Raises ValueError for a taken name, an unknown data type or policy, or a bound below 1.
        """
        consumer = self.distributor.register(name, data_types, handler, policy=policy, bound=bound, on_ready=on_ready)
        return Subscription(consumer, self.unregister_consumer)

    def unregister_consumer(self, name: str) -> None:
        """Remove a consumer; an unknown name changes nothing."""
        self.distributor.unregister(name)

    def set_enabled(self, name: str, enabled: bool) -> None:
        """Switch a consumer off or on. Raises KeyError for an unknown name."""
        self.distributor.set_enabled(name, enabled)

    def attach(self) -> None:
        """Called once on the engine loop: async handlers run there."""
        self.distributor.attach()

    @property
    def congested(self) -> bool:
        """Whether a lossless consumer is so far behind that links should stop reading."""
        return self.distributor.congested

    async def drained(self) -> None:
        """Wait until the stream is no longer congested."""
        await self.distributor.drained()

    async def close(self, timeout_s: float = 2.0) -> None:
        """Unregister all consumers; lossless ones get what they still have, within `timeout_s`."""
        await self.distributor.close(timeout_s)

    # -- symbols

    @property
    def instruments(self) -> dict[str, Instrument]:
        """Symbol -> instrument, of all that joined, in the order they came."""
        return {symbol: state.instrument for symbol, state in self._symbols.copy().items()}

    def add_instrument(self, instrument: Instrument) -> None:
        """Let a symbol's facts in; adding it again changes nothing."""
        if instrument.symbol not in self._symbols:
            self._symbols[instrument.symbol] = SymbolState(instrument, self.source, self._config, self._clock)

    @property
    def source(self) -> Source:
        """What kind of market stands behind the five series."""
        return self._source

    @source.setter
    def source(self, source: Source) -> None:
        self._source = source
        for symbol in self.adapter.tapes:
            self._symbols[symbol].source = source

    def set_source(self, symbol: str, source: Source) -> None:
        """What kind of market stands behind a symbol's numbers."""
        self._symbols[symbol].source = source

    def source_of(self, symbol: str) -> Source:
        """Raises KeyError for an unknown symbol."""
        return self._symbols[symbol].source

    # -- publishing: engine thread

    def publish_trade(self, trade: Trade) -> bool:
        """One trade. False: a duplicate, or no symbol of ours; nobody was told.

        Only symbols of the five series have a tape that finds duplicates; of others, whoever publishes lets none through.
        """
        state = self._symbols.get(trade.symbol)
        if state is None:
            return False
        if trade.symbol in self.adapter.tapes:
            updates = self.adapter.on_trade(trade)
            if updates is None:
                return False
        else:
            updates = []
        state.trades.append(trade)
        state.trade_count += 1
        self._trade_count += 1
        self._bar_count += len(updates)
        if trade.ts_ms > state.market_ms:
            state.market_ms = trade.ts_ms
        if trade.origin is Origin.STREAM:
            now_ns = trade.recv_ns or self._clock.monotonic_ns()
            state.freshness.touch(now_ns)
            state.count(now_ns)
        self.distributor.publish_trade(trade, updates)
        if updates and self.adapter.buffers[_BEAT].last_timestamp > self._beat_ms:
            self._publish_training_data()
        return True

    def publish_kline(self, kline: Kline) -> None:
        """The venue's own bar: fresh news of the symbol, and what our bar is compared with, or all that there is."""
        state = self._symbols.get(kline.symbol)
        if state is None:
            return
        if kline.origin is Origin.STREAM:
            state.freshness.touch(kline.recv_ns or self._clock.monotonic_ns())
            self.advance(kline.symbol, kline.event_ms, kline.recv_ns)
        if series_for(kline.symbol, kline.interval) is None:
            state.put_bar(kline)
        else:
            self._publish_bars(self.adapter.on_kline(kline))

    def publish_quote(self, quote: Quote) -> None:
        """Best bid and ask."""
        state = self._symbols.get(quote.symbol)
        if state is None:
            return
        state.quote = quote
        state.quote_count += 1
        self._touch_other(state, quote.recv_ns)
        self.distributor.publish(Quote, (quote,))

    def publish_book(self, view: BookView) -> None:
        """The top of a book that is in step with its venue."""
        state = self._symbols.get(view.symbol)
        if state is None:
            return
        state.views[view.venue or state.instrument.venue] = view
        state.level2.append(view)
        state.book_count += 1
        self._touch_other(state, view.recv_ns)
        self.distributor.publish(BookView, (view,))
        if self.distributor.wants(ConsolidatedBook):
            self.distributor.publish(ConsolidatedBook, (consolidate(view.symbol, tuple(state.views.values())),))

    def book_lost(self, symbol: str, venue: str = "") -> None:
        """Withhold a symbol's book of a venue (its own, unless another is named) until the next `publish_book`."""
        state = self._symbols.get(symbol)
        if state is not None:
            state.views.pop(venue or state.instrument.venue, None)

    def _touch_other(self, state: SymbolState, recv_ns: int) -> None:
        """Quotes and books are a sign of life of a symbol; the five series ask for more: trades, or the venue's bars."""
        now_ns = recv_ns or self._clock.monotonic_ns()
        state.count(now_ns)
        if state.instrument.symbol not in self.adapter.tapes:
            state.freshness.touch(now_ns)

    def touch(self, symbol: str, recv_ns: int) -> None:
        """A sign of life of a symbol that has nothing to say."""
        if symbol in self._symbols:
            self._symbols[symbol].freshness.touch(recv_ns)

    def seed(self, symbol: str, interval: str, klines: Sequence[Kline]) -> None:
        """History by REST, oldest first; after a reconnect again, for what was missed."""
        self._publish_bars(self.adapter.seed(symbol, interval, klines))

    def advance(self, symbol: str, market_ms: int, recv_ns: int = 0) -> None:
        """Venue time of a symbol, from any of its frames. Opens and closes bars; does not make the series look fresh."""
        state = self._symbols.get(symbol)
        if state is not None and market_ms > state.market_ms:
            state.market_ms = market_ms
            self._publish_bars(self.adapter.advance(symbol, market_ms, recv_ns))

    def mark_partial(self, symbol: str, from_ms: int, to_ms: int) -> None:
        """Trades between two market times are missing for good."""
        self._publish_bars(self.adapter.mark_partial(symbol, from_ms, to_ms))

    def set_link(self, symbol: str, live: bool, cause: str) -> None:
        """The link that brings a symbol's facts came up or went down, and why."""
        if symbol in self._symbols:
            self._symbols[symbol].freshness.set_link(live, cause)

    def _publish_bars(self, updates: Sequence[BarUpdate]) -> None:
        self._bar_count += len(updates)
        self.distributor.publish(BarUpdate, updates)
        if self.adapter.buffers[_BEAT].last_timestamp > self._beat_ms:
            self._publish_training_data()

    def _publish_training_data(self) -> None:
        """A second of eth_ticks is over: one snapshot, shared by all who want it."""
        self._beat_ms = self.adapter.buffers[_BEAT].last_timestamp
        if self.distributor.wants(UniversalDataStream):
            self.distributor.publish(UniversalDataStream, (self.snapshot(),))

    # -- reading: any thread

    def snapshot(self) -> UniversalDataStream:
        """The five series, as models get them: read-only views, with source and quality in `metadata`."""
        quality = {
            summary["name"]: {
                "freshness": summary["state"],
                "age_ms": summary["age_ms"],
                "completeness": summary["completeness"],
            }
            for summary in self.series_summary()
        }
        return self.adapter.snapshot({"source": self.source.value, **quality})

    def series_summary(self) -> list[dict[str, Any]]:
        """Each series' extent, freshness and counters.

        Ages in ms: `age_ms` since the last message, `event_age_ms` by the venue's own time (negative when our clock is
        behind); None as long as there was nothing.
        """
        now_ms = self._clock.now_ms()
        summaries = []
        for name, spec in SERIES.items():
            buffer, builder = self.adapter.buffers[name], self.adapter.builders[name]
            symbol_state = self._symbols[spec.symbol]
            monitor, market_ms = symbol_state.freshness, symbol_state.market_ms
            state, cause, since_ms = monitor.state()
            age_ns = monitor.age_ns()
            rows, first, last = buffer.rows, buffer.first_timestamp, buffer.last_timestamp
            due, partial = rows, self.adapter.partial_rows(name)
            if rows and self.adapter.flags(name, first).get(first, 0) & BarFlag.PARTIAL:
                # the bar in which observation began was never due: no history stands before it (a replay)
                due, partial, first = rows - 1, partial - 1, first + spec.step_ms
            whole = completeness(due, partial, first, last, spec.step_ms) if due or not rows else 1.0
            summaries.append(
                {
                    "name": name,
                    "title": spec.title,
                    "symbol": spec.symbol,
                    "rows": rows,
                    "first_timestamp": buffer.first_timestamp,
                    "last_timestamp": last,
                    "age_ms": None if age_ns is None else round(age_ns / 1e6, 1),
                    "event_age_ms": now_ms - market_ms if market_ms else None,
                    "state": state.value,
                    "cause": cause,
                    "since_ms": since_ms,
                    "completeness": round(whole, 6),
                    "source": symbol_state.source.value,
                    "reconciled": builder.reconciled,
                    "differences": builder.differences,
                    "late": builder.late,
                    "filled": builder.filled,
                }
            )
        return summaries

    def rows(self, name: str, limit: int, since: int | None = None) -> list[list[float]]:
        """The newest `limit` rows of a series, or the first `limit` from `since` (Unix ms) on; oldest first.

        Raises KeyError for an unknown series.
        """
        buffer = self.adapter.buffers[name]
        found: list[list[float]] = (buffer.copy(limit) if since is None else buffer.since(since, limit)).tolist()
        return found

    def flags(self, name: str, since_ms: int = 0) -> dict[int, int]:
        """Timestamp -> `BarFlag` bits of the rows that are gap fills by REST, corrected, or partial."""
        return self.adapter.flags(name, since_ms)

    def consumer_names(self) -> list[str]:
        return self.distributor.names()

    def latency_p99_us(self, name: str) -> float | None:
        """p99 of a consumer over the last minute, microseconds; None when there is no such consumer."""
        return self.distributor.latency_p99_us(name)

    def consumers(self) -> list[dict[str, Any]]:
        """Each consumer's registration, counters and latencies."""
        return self.distributor.summaries()

    def symbols(self) -> list[dict[str, Any]]:
        """Each symbol: venue, source, freshness, price, counters and what its circular buffers hold."""
        return [state.summary() for state in self._symbols.copy().values()]

    def market_ms(self, symbol: str) -> int:
        """The largest venue event time seen of a symbol, Unix ms; 0 before its first frame."""
        return self._symbols[symbol].market_ms

    def quote(self, symbol: str) -> Quote | None:
        state = self._symbols.get(symbol)
        return state.quote if state is not None else None

    def book(self, symbol: str) -> BookView | None:
        """The symbol's book at its own venue; None while it is not in step with that."""
        state = self._symbols.get(symbol)
        return state.views.get(state.instrument.venue) if state is not None else None

    def cob(self, symbol: str) -> ConsolidatedBook | None:
        """All synced books of a symbol as one; None while there is none."""
        state = self._symbols.get(symbol)
        views = tuple(state.views.copy().values()) if state is not None else ()
        return consolidate(symbol, views) if views else None

    def level2(self, symbol: str, n: int = 200) -> list[BookView]:
        """The newest `n` book views, oldest first; at most 200 are kept."""
        state = self._symbols.get(symbol)
        return _newest(state.level2, n) if state is not None else []

    def trades(self, symbol: str, n: int) -> list[Trade]:
        """The newest `n` trades of a symbol in order of arrival, oldest first; at most 1,000 are kept."""
        state = self._symbols.get(symbol)
        return _newest(state.trades, n) if state is not None else []

    def prices(self, symbol: str, n: int) -> list[list[float]]:
        """The newest `n` prices, oldest first: [venue time in Unix ms, price, quantity]."""
        return [[float(trade.ts_ms), trade.price, trade.quantity] for trade in self.trades(symbol, n)]

    def bars(self, symbol: str, interval: str, limit: int) -> list[list[float]]:
        """The newest bars of an interval that is no series (AAPL `5s`), oldest first, in the columns of a series."""
        state = self._symbols.get(symbol)
        return state.bars(interval, limit) if state is not None else []

    def totals(self) -> dict[str, Any]:
        """Counts since start, and bytes held by the series' buffers."""
        return {
            "trades": self._trade_count,
            "bars": self._bar_count,
            "duplicates": sum(tape.duplicates for tape in self.adapter.tapes.values()),
            "failed_distributions": self.distributor.errors,
            "bytes": sum(self.adapter.buffers[name].nbytes for name in SERIES_NAMES),
        }


def _newest(kept: deque[_T], n: int) -> list[_T]:
    """The last `n`, while another thread may be adding."""
    while n > 0:
        try:
            return list(kept)[-n:]
        except RuntimeError:
            continue
    return []
