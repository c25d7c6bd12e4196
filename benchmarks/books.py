"""Order-book updates per second on recorded Binance frames against a book of plain dicts, and what each view costs."""

import gzip
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.result import Result, publish
from core.base.codec import from_json
from core.domain.market import BookView, DepthDiff, DepthSnapshot, Level
from core.market.consolidated_book import consolidate
from core.market.liquidity import PERIOD_MS, LiquidityHistory
from core.market.order_book import OrderBook
from core.venues.binance.rest_wire import parse_depth
from core.venues.binance.wire import Parser, depth_parser, stream_name

RECORDINGS = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "binance"
LATEST_MS = 1_800_000_000_000
LEVELS = 200
#: a run is repeated, and its fastest pass counts: what disturbs it can only make it slower
PASSES = 3


class Recording:
    """Depth frames of one symbol after its snapshot, raw and parsed."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.parse: Parser = depth_parser(symbol)
        self.frames: list[bytes] = []
        depth = f"{symbol.lower()}@depth@100ms".encode()
        with gzip.open(RECORDINGS / f"spot_{symbol.lower()}_20240808.jsonl.gz") as lines:
            for line in lines:
                frame = line.partition(b" ")[2].strip()
                if frame.startswith(b'{"lastUpdateId"'):
                    self.snapshot: DepthSnapshot = parse_depth(from_json(frame), symbol)
                elif stream_name(frame) == depth:
                    self.frames.append(frame)
        self.diffs = [diff for frame in self.frames if isinstance(diff := self.parse(frame, 0, LATEST_MS), DepthDiff)]
        joined = self.snapshot.last_update_id
        kept = [n for n, diff in enumerate(self.diffs) if diff.final_id > joined]
        self.frames, self.diffs = [self.frames[n] for n in kept], [self.diffs[n] for n in kept]
        self.changes = sum(len(diff.bids) + len(diff.asks) for diff in self.diffs)


class PlainBook:
    """The reference: a dict a side, searched or sorted when it is asked for; ids are not looked at."""

    def __init__(self, snapshot: DepthSnapshot) -> None:
        self.bids, self.asks = dict(snapshot.bids), dict(snapshot.asks)

    def apply(self, bids: tuple[Level, ...], asks: tuple[Level, ...]) -> None:
        for side, levels in ((self.bids, bids), (self.asks, asks)):
            for price, size in levels:
                if size:
                    side[price] = size
                else:
                    side.pop(price, None)

    def top(self, levels: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        if levels == 1:
            bid, ask = max(self.bids), min(self.asks)
            return ((bid, self.bids[bid]),), ((ask, self.asks[ask]),)
        bids = tuple(sorted(self.bids.items(), reverse=True)[:levels])
        return bids, tuple(sorted(self.asks.items())[:levels])


def per_s(count: int, *works: Callable[[], object]) -> list[float]:
    """`count` per second of processor time in the fastest pass of each; they take turns, so that noise hits all alike."""
    fastest = [float("inf")] * len(works)
    for _ in range(PASSES):
        for n, work in enumerate(works):
            start = time.thread_time()
            work()
            fastest[n] = min(fastest[n], time.thread_time() - start)
    return [count / seconds for seconds in fastest]


def ours(recording: Recording, levels: int) -> OrderBook:
    book = OrderBook()
    book.apply_snapshot(recording.snapshot)
    for diff in recording.diffs:
        book.apply(diff)
        book.top(levels)
    return book


def ours_from_frames(recording: Recording, levels: int) -> None:
    book = OrderBook()
    book.apply_snapshot(recording.snapshot)
    parse = recording.parse
    for frame in recording.frames:
        diff = parse(frame, 0, LATEST_MS)
        assert isinstance(diff, DepthDiff)
        book.apply(diff)
        book.top(levels)


def plain(recording: Recording, levels: int) -> PlainBook:
    book = PlainBook(recording.snapshot)
    for diff in recording.diffs:
        book.apply(diff.bids, diff.asks)
        book.top(levels)
    return book


def plain_from_frames(recording: Recording, levels: int) -> None:
    book = PlainBook(recording.snapshot)
    for frame in recording.frames:
        data = json.loads(frame)["data"]
        bids, asks = (tuple((float(price), float(size)) for price, size in data[side]) for side in "ba")
        book.apply(bids, asks)
        book.top(levels)


def books(recording: Recording) -> list[Result]:
    count, changes = len(recording.diffs), recording.changes / len(recording.diffs)
    results = []
    for levels in (1, LEVELS):
        book, reference = ours(recording, levels), plain(recording, levels)
        assert (book.gaps, book.crossed) == (0, 0)
        assert book.top(LEVELS) == reference.top(LEVELS)
        plain_rate, rate, plain_frames_rate, frames_rate = per_s(
            count,
            partial(plain, recording, levels),
            partial(ours, recording, levels),
            partial(plain_from_frames, recording, levels),
            partial(ours_from_frames, recording, levels),
        )
        what = f"{recording.symbol}, {changes:.0f} levels a diff, best {levels} read each time"
        results += [
            Result(f"{what}: parsed diffs", rate, "diffs/s", "plain dicts", rate / plain_rate),
            Result(f"{what}: frames", frames_rate, "diffs/s", "json and plain dicts", frames_rate / plain_frames_rate),
        ]
    return results


def measures(recording: Recording) -> list[Result]:
    """What each published book costs after it was updated: consolidation with its measures, and a heat map's column."""
    bids, asks = ours(recording, LEVELS).top(LEVELS)
    view = BookView(recording.symbol, 1, bids, asks, 0, 0, "binance")
    other = BookView(recording.symbol, 1, bids[::2], asks[::2], 0, 0, "other")
    history, now_ms = LiquidityHistory(0.01, 0.0001), [0]
    rounds = 2_000

    def consolidated(*views: BookView) -> None:
        for _ in range(rounds):
            consolidate(recording.symbol, views)

    def columns() -> None:
        history.on_book(view)
        for _ in range(rounds):
            now_ms[0] += PERIOD_MS
            history.tick(now_ms[0])

    rates = per_s(rounds, partial(consolidated, view), partial(consolidated, view, other), columns)
    one_us, two_us, column_us = (1e6 / rate for rate in rates)
    return [
        Result(f"consolidated book of one venue, {LEVELS} levels", one_us, "µs", budget="≤ 30 µs", ok=one_us <= 30),
        Result(f"consolidated book of two venues, {LEVELS} and {LEVELS // 2} levels", two_us, "µs"),
        Result(f"heat-map column, {LEVELS} levels", column_us, "µs"),
    ]


def run() -> list[Result]:
    recordings = [Recording("ETHUSDT"), Recording("BTCUSDT")]
    return [result for recording in recordings for result in books(recording)] + measures(recordings[0])


if __name__ == "__main__":
    publish(run)
