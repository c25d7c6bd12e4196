"""A recording as the server's source: its frames byte for byte, and answers from what has been shown so far.

Time is the venue's: the largest event time shown. Nothing later is ever told, at any speed.
"""

import asyncio

from core.venues.simulated.recording import Record, Recording, event_ms_of, parse_snapshot
from core.venues.simulated.replay_history import BookHistory, TradeHistory
from core.venues.simulated.source import AggTradeRow, Candle, Depth, Outlet, TradeRow

#: a client may send several SUBSCRIBE messages; playing begins when none has come for this long
_SETTLE_S = 0.05
#: at speed 0: bytes sent before waiting until the clients have taken them
_CHUNK_BYTES = 64 * 1024


class ReplaySource:
    """Plays a recording at `speed` times its own pace; 0 = as fast as every client reads."""

    def __init__(self, recording: Recording, speed: float = 1.0) -> None:
        self._recording = recording
        self._speed = speed
        self.symbols = recording.symbols
        self.streams: tuple[str, ...] | None = recording.streams
        self._trades = {symbol: TradeHistory() for symbol in self.symbols}
        self._books = {symbol: BookHistory(recording.snapshots.get(symbol)) for symbol in self.symbols}
        self._now_ms = recording.first_event_ms
        self._frames_sent = 0
        self._latest: Record | None = None
        self._ended = False

    def now_ms(self) -> int:
        """The position in the venue's time."""
        for symbol in self.symbols:
            trades, book = self._trades[symbol], self._books[symbol]
            trades.settle()
            book.settle()
            self._now_ms = max(self._now_ms, trades.event_ms, book.event_ms)
        if self._latest is not None:
            self._now_ms = max(self._now_ms, event_ms_of(self._latest.payload))
        return self._now_ms

    def candles(self, symbol: str, interval: str, start_ms: int | None, end_ms: int | None, limit: int) -> list[Candle]:
        return self._trades[symbol].candles(interval, start_ms, end_ms, limit, self.now_ms())

    def trades(self, symbol: str, from_id: int | None, limit: int) -> list[TradeRow]:
        return self._trades[symbol].page(from_id, limit)

    def agg_trades(
        self, symbol: str, from_id: int | None, start_ms: int | None, end_ms: int | None, limit: int
    ) -> list[AggTradeRow]:
        return self._trades[symbol].agg_page(from_id, start_ms, end_ms, limit)

    def depth(self, symbol: str, limit: int) -> Depth:
        return self._books[symbol].depth(limit)

    def depth_at(self, symbol: str, update_id: int | None, limit: int) -> Depth | None:
        """Only the present book is known."""
        depth = self._books[symbol].depth(limit)
        return depth if update_id in (None, depth.last_update_id) else None

    def trades_between(self, symbol: str, from_ms: int, to_ms: int, limit: int) -> list[TradeRow]:
        return self._trades[symbol].between(from_ms, to_ms, limit)

    def day(self, symbol: str) -> Candle:
        return self._trades[symbol].day(self.now_ms())

    def stats(self) -> dict[str, object]:
        return {
            "kind": "replay",
            "speed": self._speed,
            "position_ms": self.now_ms(),
            "ended": self._ended,
            "frames_sent": self._frames_sent,
            "frames": self._recording.frames,
            "bad_lines": self._recording.bad_lines,
        }

    async def run(self, outlet: Outlet) -> None:
        await outlet.listened()
        await asyncio.sleep(_SETTLE_S)
        if self._speed > 0:
            await self._play_paced(outlet)
        else:
            await self._play_flat_out(outlet)
        self._ended = True
        await asyncio.Event().wait()

    async def _play_paced(self, outlet: Outlet) -> None:
        loop = asyncio.get_running_loop()
        began, first_ns = loop.time(), None
        for record in self._recording.records():
            first_ns = record.recv_ns if first_ns is None else first_ns
            ahead_s = (record.recv_ns - first_ns) / 1e9 / self._speed - (loop.time() - began)
            if ahead_s > 0:
                await asyncio.sleep(ahead_s)
            self._show(record, outlet)

    async def _play_flat_out(self, outlet: Outlet) -> None:
        unsent = 0
        for record in self._recording.records():
            self._show(record, outlet)
            unsent += len(record.frame)
            if unsent >= _CHUNK_BYTES:
                unsent = 0
                await outlet.writable()
                await outlet.listened()
        await outlet.writable()

    def _show(self, record: Record, outlet: Outlet) -> None:
        """Remember what the record tells, and send it if it is a stream's frame."""
        if not record.stream:
            if record.symbol in self._books:
                self._books[record.symbol].snapshot(parse_snapshot(record.payload))
            return
        channel = record.stream.partition("@")[2]
        if channel == "trade":
            self._trades[record.symbol].add(record.payload)
        elif channel in ("depth", "depth@100ms"):
            self._books[record.symbol].add(record.payload)
        elif channel != "bookTicker":
            self._latest = record
        self._frames_sent += 1
        outlet.publish_recorded(record.stream, record.frame, record.payload)
