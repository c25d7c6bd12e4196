"""The channels of the order-book page over real sockets: `cob`, `heat`, `books`, and those of symbols that come later."""

import itertools
import json
import time
from typing import Any

import pytest

from core.base.clock import ManualClock
from core.domain.health import Source
from core.domain.instrument import AAPL, ETH_PERP, INSTRUMENTS, Instrument
from core.domain.market import BookView
from tests.patience import PATIENCE
from web.feed_books import FOLLOWED_FRAMES, HeatChannel

NUMBERS = ("mid", "spread", "microprice", "imbalance", "event_ms")


def view(bid: float, symbol: str = "ETHUSDT", levels: int = 3, **facts: Any) -> BookView:
    """A book whose best bid is `bid` and whose levels lie a cent apart."""
    bids = tuple((round(bid - i / 100, 2), 1.0 + i) for i in range(levels))
    asks = tuple((round(bid + 0.01 + i / 100, 2), 2.0 + i) for i in range(levels))
    return BookView(symbol, 7, bids, asks, 1_000, venue=INSTRUMENTS[symbol].venue if symbol in INSTRUMENTS else "", **facts)


def test_a_consolidated_book_comes_with_its_measures_its_source_and_its_known_range(server: Any):
    server.system.stream.publish_book(view(100.0, known_range=(99.5, 100.5)))
    with server.feed(channels=["cob:ETHUSDT"]) as viewer:
        frame = viewer.frame()
    assert (frame["state"], frame["source"], frame["known_range"]) == ("SYNCED", "SIMULATED", [99.5, 100.5])
    assert (frame["bids"][0], frame["asks"][0]) == ([100.0, 1.0], [100.01, 2.0])
    assert frame["sources"] == ["binance"]
    assert frame["mid"] == pytest.approx(100.005)
    assert frame["spread"] == pytest.approx(0.01)
    assert 100.0 < frame["microprice"] < frame["mid"]
    assert -1 < frame["imbalance"] < 0
    assert {row[0] for row in frame["depth"]} == {1, 2, 5, 10, 25, 50}


def test_a_view_of_two_hundred_levels_is_sent_as_its_best_twenty_five(server: Any):
    server.system.stream.publish_book(view(100.0, levels=200))
    with server.feed(channels=["book:ETHUSDT", "cob:ETHUSDT"]) as viewer:
        for _ in range(2):
            frame = viewer.frame()
            assert (len(frame["bids"]), len(frame["asks"])) == (25, 25)
            assert (frame["bids"][24][0], frame["asks"][24][0]) == (99.76, 100.25)


def test_a_consolidated_book_comes_at_most_ten_times_a_second_and_its_last_state_always(server: Any):
    stream = server.system.stream
    stream.publish_book(view(100.0))
    with server.feed(channels=["cob:ETHUSDT"]) as viewer:
        viewer.frame()
        started, arrivals, bid = time.monotonic(), list[float](), 100.0
        while time.monotonic() - started < 0.8:
            bid = round(bid + 0.01, 2)
            stream.publish_book(view(bid))
            time.sleep(0.004)
        while True:
            frame = viewer.frame(2)
            arrivals.append(frame["sent_ms"])
            if frame["bids"][0][0] == bid:
                break
    assert 4 <= len(arrivals) <= 11
    assert min(later - earlier for earlier, later in itertools.pairwise(arrivals)) >= 95


def test_a_withheld_book_has_no_number_at_all_and_comes_back(server: Any):
    stream = server.system.stream
    stream.publish_book(view(100.0))
    with server.feed(channels=["cob:ETHUSDT"]) as viewer:
        assert viewer.frame()["state"] == "SYNCED"
        stream.book_lost("ETHUSDT")
        lost = viewer.frame()
        assert (lost["state"], lost["bids"], lost["asks"], lost["depth"], lost["known_range"]) == (
            "WITHHELD",
            [],
            [],
            [],
            None,
        )
        assert [lost[name] for name in NUMBERS] == [None] * len(NUMBERS)
        stream.publish_book(view(101.0))
        back = viewer.until(lambda f: f["state"] == "SYNCED")
        assert back["bids"][0] == [101.0, 1.0]


def test_every_instrument_has_its_channels_even_before_a_venue_brings_it(server: Any):
    wanted = [f"{kind}:{symbol}" for kind in ("cob", "heat", "trades", "book") for symbol in INSTRUMENTS]
    with server.feed(channels=wanted) as viewer:
        frames = {frame["channel"]: frame for frame in (viewer.frame() for _ in wanted)}
    assert set(frames) == set(wanted)
    assert (frames["cob:AAPL"]["state"], frames["cob:AAPL"]["source"]) == ("WITHHELD", None)
    assert frames["heat:AAPL"]["columns"] == []


def test_channels_of_a_symbol_that_joins_at_run_time_are_made_when_first_asked_for(server: Any, market: Any):
    stream = server.system.stream
    solana = Instrument("SOL-PERP", "hyperliquid", "SOL", "USD", 0.01, 0.01, 2, "perpetual", "SOL")
    with server.feed(channels=["cob:SOL-PERP", "trades:SOL-PERP"]) as viewer:
        errors = {viewer.frame()["error"], viewer.frame()["error"]}
        assert errors == {"unknown channel: cob:SOL-PERP", "unknown channel: trades:SOL-PERP"}
        stream.add_instrument(solana)
        stream.set_source("SOL-PERP", Source.DELAYED)
        viewer.send({"op": "subscribe", "channels": ["cob:SOL-PERP", "trades:SOL-PERP", "cob:../../x", "nope:SOL-PERP"]})
        stream.publish_book(view(150.0, "SOL-PERP"))
        trade = market.trade("SOL-PERP")
        told: dict[str, Any] = {}  # either may come first
        viewer.until(lambda f: told.update({f.get("channel"): f}) or _has_both(told, trade.trade_id))
        assert told["cob:SOL-PERP"]["source"] == "DELAYED"
    assert "cob:../../x" not in server.hub.channels
    assert "nope:SOL-PERP" not in server.hub.channels


def _has_both(told: dict[str, Any], trade_id: int) -> bool:
    book, trades = told.get("cob:SOL-PERP"), told.get("trades:SOL-PERP")
    return bool(book and trades) and book["state"] == "SYNCED" and [row[0] for row in trades["rows"]] == [trade_id]


def test_the_integrity_of_books_and_the_symbols_come_once_a_second(server: Any, market: Any):
    server.system.book_list = [{"symbol": "ETHUSDT", "venue": "binance", "state": "SYNCED", "gaps": 0}]
    market.trade()
    with server.feed(channels=["books"]) as viewer:
        started = time.monotonic()
        frames = [viewer.frame(), viewer.frame(), viewer.frame()]
        assert 1.5 < time.monotonic() - started < 3.5 * PATIENCE
    assert frames[0]["books"] == server.system.book_list
    symbols = {entry["symbol"]: entry for entry in frames[0]["symbols"]}
    assert {"state", "source", "price", "age_ms", "cause"} <= symbols["ETHUSDT"].keys()


def test_the_heat_map_comes_whole_first_and_then_each_column_once(server: Any):
    system = server.system
    recorder = system.liquidity
    system.stream.publish_book(view(100.0))
    recorder.record()
    with server.feed(channels=["heat:ETHUSDT"]) as viewer:
        whole = viewer.frame()
        assert whole["full"] is True
        assert [(c["bid"], c["ask"]) for c in whole["columns"]] == [(100.0, 100.01)]
        newest, times = whole["last"], [whole["columns"][-1]["t"]]
        while len(times) < 4:
            recorder.record()
            if recorder.full("ETHUSDT")["last"] == newest:
                time.sleep(0.02)
                continue
            frame = viewer.frame()
            assert frame["full"] is False
            newest = frame["last"]
            times += [column["t"] for column in frame["columns"]]
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == [500] * 3


def test_a_stretch_without_a_book_is_told_as_a_hole_with_its_cause(server: Any, market: Any):
    market.trade()
    server.system.liquidity.record()
    with server.feed(channels=["heat:ETHUSDT"]) as viewer:
        column = viewer.frame()["columns"][-1]
    assert column["hole"]
    assert "bids" not in column


class Recorder:
    """Counts columns; each call of `since` finds those made meanwhile."""

    def __init__(self) -> None:
        self.made = 0
        self.is_new_grid = False

    def _answer(self, full: bool, first: int) -> dict[str, Any]:
        columns = [{"t": n * 500} for n in range(first, self.made)]
        return {"full": full, "last": self.made - 1, "bin": 1.0, "period_ms": 500, "scale": {}, "columns": columns}

    def full(self, symbol: str) -> dict[str, Any]:
        return self._answer(True, 0)

    def since(self, symbol: str, last: int) -> dict[str, Any]:
        return self._answer(True, 0) if self.is_new_grid else self._answer(False, last + 1)


@pytest.fixture
def heat(server: Any) -> tuple[HeatChannel, Recorder]:
    """A channel nobody is connected to, and what it reads from."""

    class System:
        clock, stream, liquidity = ManualClock(), server.system.stream, Recorder()

    return HeatChannel("ETHUSDT", System()), System.liquidity  # type: ignore[arg-type]


def times_of(text: str) -> list[int]:
    return [column["t"] // 500 for column in json.loads(text)["columns"]]


def test_a_follower_that_missed_frames_gets_their_columns_in_one(heat: tuple[HeatChannel, Recorder]):
    channel, recorder = heat
    recorder.made = 2
    assert channel.poll() is False, "nobody was given the whole yet"
    assert times_of(channel.frame_since(-1) or "") == [0, 1]
    start = channel.seq
    for _ in range(3):
        recorder.made += 1
        assert channel.poll() is True
        assert channel.poll() is False
    text = channel.frame_since(start)
    assert times_of(text or "") == [2, 3, 4]
    assert json.loads(text or "")["full"] is False
    assert channel.frame_since(start) is text, "encoded once"
    assert channel.frame_since(channel.seq) is None


def test_a_follower_that_is_too_far_behind_gets_the_whole_again(heat: tuple[HeatChannel, Recorder]):
    channel, recorder = heat
    channel.frame_since(-1)
    start = channel.seq
    for _ in range(FOLLOWED_FRAMES + 1):
        recorder.made += 1
        channel.poll()
    assert json.loads(channel.frame_since(start) or "")["full"] is True
    assert json.loads(channel.frame_since(start + 2) or "")["full"] is False


def test_when_the_bins_change_every_follower_gets_the_whole_again(heat: tuple[HeatChannel, Recorder]):
    channel, recorder = heat
    channel.frame_since(-1)
    start = channel.seq
    recorder.made, recorder.is_new_grid = 5, True
    assert channel.poll() is True
    assert times_of(channel.frame_since(start) or "") == [0, 1, 2, 3, 4]


def test_a_channel_without_listeners_keeps_no_columns(heat: tuple[HeatChannel, Recorder]):
    channel, recorder = heat
    channel.frame_since(-1)
    recorder.made = 3
    channel.poll()
    channel.forget()
    recorder.made = 4
    assert channel.poll() is False
    assert times_of(channel.frame_since(-1) or "") == [0, 1, 2, 3]


def test_quotes_are_told_of_every_symbol_of_the_stream(server: Any, market: Any):
    for instrument in (AAPL, ETH_PERP):
        server.system.stream.add_instrument(instrument)
        market.quote(100.0, instrument.symbol)
    with server.feed(channels=["quotes"]) as viewer:
        assert {row[0] for row in viewer.frame()["rows"]} == {"AAPL", "ETH-PERP"}
