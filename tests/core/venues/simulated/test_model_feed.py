"""The made market's live frames, driven by hand: contiguous ids, a book that never crosses, no trade missing."""

import itertools
import json
from collections import defaultdict

import pytest

from core.base.clock import ManualClock
from core.venues.simulated.model_feed import SymbolFeed
from core.venues.simulated.model_source import ModelSource
from core.venues.simulated.wire import parse_decimal

START_MS = 1_780_000_123_456


class Collector:
    """An outlet that keeps what it gets."""

    def __init__(self) -> None:
        self.frames: dict[str, list[dict]] = defaultdict(list)
        self.order: list[str] = []

    def wanted(self, stream: str) -> bool:
        return True

    def publish(self, stream: str, payload: str) -> None:
        self.frames[stream].append(json.loads(payload))
        self.order.append(stream)

    def event_ms(self, now_ms: int) -> int:
        return now_ms


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START_MS)


@pytest.fixture
def source(clock: ManualClock) -> ModelSource:
    return ModelSource(clock, seed=11)


def play(source: ModelSource, symbol: str, seconds: float, from_ms: int = START_MS) -> Collector:
    outlet = Collector()
    feed = SymbolFeed(source.market(symbol), outlet, from_ms)
    for now in range(from_ms, from_ms + int(seconds * 1000) + 1, 7):
        feed.emit(now)
    feed.emit(from_ms + int(seconds * 1000))
    return outlet


def apply(book: dict[str, dict[int, int]], diff: dict) -> None:
    for side in ("b", "a"):
        for price, quantity in ((parse_decimal(p), parse_decimal(q)) for p, q in diff[side]):
            if quantity:
                book[side][price] = quantity
            else:
                book[side].pop(price, None)


def test_a_client_that_follows_the_official_rule_never_sees_a_gap_or_a_crossed_book(
    source: ModelSource, clock: ManualClock
) -> None:
    snapshot = source.depth("ETHUSDT", 5_000)
    diffs = play(source, "ETHUSDT", 30).frames["ethusdt@depth@100ms"]
    book = {"b": dict(snapshot.bids), "a": dict(snapshot.asks)}
    last = snapshot.last_update_id
    assert len(snapshot.bids) >= 1_000
    assert len(snapshot.asks) >= 1_000
    assert len(diffs) == 300
    for diff in diffs:
        assert diff["U"] == last + 1
        last = diff["u"]
        apply(book, diff)
        assert max(book["b"]) < min(book["a"])
    clock.advance(30)
    later = source.depth("ETHUSDT", 5_000)
    assert later.last_update_id == last
    assert book == {"b": dict(later.bids), "a": dict(later.asks)}


def test_one_second_diffs_cover_the_same_ids_as_the_fast_ones(source: ModelSource) -> None:
    frames = play(source, "BTCUSDT", 5).frames
    slow, fast = frames["btcusdt@depth"], frames["btcusdt@depth@100ms"]
    assert len(slow) == 5
    assert all(later["U"] == earlier["u"] + 1 for earlier, later in itertools.pairwise(slow))
    assert {d["u"] for d in slow} <= {d["u"] for d in fast}


def test_the_book_ticker_agrees_with_the_book_of_the_same_update_id(source: ModelSource) -> None:
    frames = play(source, "ETHUSDT", 20).frames
    ids = [t["u"] for t in frames["ethusdt@bookTicker"]]
    assert ids == sorted(set(ids))
    tops = {p["lastUpdateId"]: (p["bids"][0], p["asks"][0]) for p in frames["ethusdt@depth5@100ms"]}
    compared = [t for t in frames["ethusdt@bookTicker"] if t["u"] in tops]
    assert len(compared) > 20
    for ticker in compared:
        assert tops[ticker["u"]] == ([ticker["b"], ticker["B"]], [ticker["a"], ticker["A"]])
    spreads = [parse_decimal(t["a"]) - parse_decimal(t["b"]) for t in frames["ethusdt@bookTicker"]]
    assert min(spreads) == 1_000_000
    assert spreads.count(1_000_000) > len(spreads) * 0.8


def test_streamed_trades_are_those_that_rest_tells(source: ModelSource, clock: ManualClock) -> None:
    frames = play(source, "ETHUSDT", 70).frames
    trades = frames["ethusdt@trade"]
    clock.advance(70)
    told = source.trades("ETHUSDT", trades[0]["t"], len(trades) + 10)
    assert [(t["t"], parse_decimal(t["p"]), parse_decimal(t["q"]), t["T"], t["m"]) for t in trades] == [
        tuple(t) for t in told
    ]
    assert all(START_MS < t["T"] <= START_MS + 70_000 for t in trades)
    aggregated = frames["ethusdt@aggTrade"]
    assert sum(a["l"] - a["f"] + 1 for a in aggregated) == len(trades)
    assert [a["a"] for a in aggregated] == list(range(aggregated[0]["a"], aggregated[0]["a"] + len(aggregated)))
    rows = source.agg_trades("ETHUSDT", aggregated[0]["a"], None, None, len(aggregated))
    assert [(r.agg_id, r.first_id, r.last_id, r.quantity) for r in rows] == [
        (a["a"], a["f"], a["l"], parse_decimal(a["q"])) for a in aggregated
    ]


def test_closed_streamed_klines_are_those_that_rest_tells_and_the_sum_of_the_trades(
    source: ModelSource, clock: ManualClock
) -> None:
    frames = play(source, "ETHUSDT", 130).frames
    clock.advance(130)
    for interval in ("1s", "1m"):
        closed = [f["k"] for f in frames[f"ethusdt@kline_{interval}"] if f["k"]["x"]]
        told = source.candles("ETHUSDT", interval, closed[0]["t"], closed[-1]["t"], 1_000)
        assert len(told) == len(closed) == (130 if interval == "1s" else 2)
        for event, row in zip(closed, told, strict=True):
            names = ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q", "f", "L")
            values = [parse_decimal(event[n]) if isinstance(event[n], str) else event[n] for n in names]
            assert tuple(values) == tuple(row)
        for event in closed[1:]:
            inside = [t for t in frames["ethusdt@trade"] if event["t"] <= t["T"] <= event["T"]]
            assert len(inside) == event["n"]
            if inside:
                prices = [parse_decimal(t["p"]) for t in inside]
                bar = (prices[0], max(prices), min(prices), prices[-1], sum(parse_decimal(t["q"]) for t in inside))
                assert bar == tuple(parse_decimal(event[k]) for k in "ohlcv")
                assert (event["f"], event["L"]) == (inside[0]["t"], inside[-1]["t"])
            else:
                assert (event["f"], event["L"]) == (-1, -1)


def test_a_feed_that_starts_later_sends_the_very_same_frames(source: ModelSource) -> None:
    long = play(source, "BTCUSDT", 20).frames
    other = ModelSource(ManualClock(START_MS), seed=11)
    short = play(other, "BTCUSDT", 10, START_MS + 10_000).frames
    for stream in ("btcusdt@trade", "btcusdt@aggTrade"):
        tail = [{**f, "E": 0} for f in long[stream] if f["T"] > START_MS + 10_000]
        assert [{**f, "E": 0} for f in short[stream]] == tail
    diffs = {d["u"]: (d["U"], d["b"], d["a"]) for d in long["btcusdt@depth@100ms"]}
    assert all(diffs[d["u"]] == (d["U"], d["b"], d["a"]) for d in short["btcusdt@depth@100ms"])


def test_a_feed_that_was_suspended_goes_on_at_the_present(source: ModelSource) -> None:
    outlet = Collector()
    feed = SymbolFeed(source.market("ETHUSDT"), outlet, START_MS)
    feed.emit(START_MS + 3_600_000)
    feed.emit(START_MS + 3_601_000)
    assert all(t["T"] > START_MS + 3_600_000 for t in outlet.frames["ethusdt@trade"])


def test_one_call_publishes_no_more_than_a_bound_and_the_next_goes_on_without_a_gap() -> None:
    outlet = Collector()
    feed = SymbolFeed(ModelSource(ManualClock(START_MS), seed=11, rate=2_000).market("ETHUSDT"), outlet, START_MS)
    sizes = []
    for _ in range(3):
        assert feed.emit(START_MS + 2_000) == START_MS + 2_000
        sizes.append(len(outlet.frames["ethusdt@aggTrade"]))
    assert sizes[0] <= 5_000 < sizes[1] <= 10_000 < sizes[2] <= 15_000
    ids = [t["t"] for t in outlet.frames["ethusdt@trade"]]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
