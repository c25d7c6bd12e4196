"""The whole way from the simulated venue's socket into the stream, with the faults that a venue can have."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from core.base.clock import SystemClock
from core.base.settings import Settings, StreamConfig
from core.domain.health import Source
from core.domain.market import BookView, Trade
from core.domain.series import SERIES, series_of
from core.stream.messages import DataType, Message, Policy
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.centralized_data_manager import CentralizedDataManager
from core.venues.endpoints import Endpoints

ETH_TRADE = "ethusdt@trade"


class Engine:
    """A stream, a manager on it, and a consumer that keeps all it was given."""

    def __init__(self, venue: Any, source: Source, config: StreamConfig, **options: Any) -> None:
        streams = venue.hello["streams"]
        endpoints = Endpoints(venue.rest, venue.stream, "", source, "simulated", None if streams is None else tuple(streams))
        self.venue = venue
        self.disabled: set[str] = set()
        self.stream = UnifiedDataStream(config, SystemClock())
        self.stream.attach()
        self.trades: list[Trade] = []
        self.books: list[BookView] = []
        self.stream.register_consumer(
            "test", [DataType.TICKS, DataType.UI_DATA], self._keep, policy=Policy.LOSSLESS, bound=100_000
        )
        self.manager = CentralizedDataManager(
            Settings(stream=config), endpoints, self.stream, SystemClock(), lambda key: key not in self.disabled, **options
        )
        self.task = asyncio.create_task(self.manager.run())

    async def _keep(self, messages: Sequence[Message]) -> None:
        self.trades += [m for m in messages if isinstance(m, Trade)]
        self.books += [m for m in messages if isinstance(m, BookView)]

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.stream.close()

    @property
    def status(self) -> dict[str, Any]:
        (status,) = self.manager.connections()
        return status

    @property
    def state(self) -> str:
        return str(self.status["state"])

    def channel(self, name: str) -> dict[str, Any]:
        return next(c for c in self.status["subscriptions"] if c["channel"] == name)

    def ids(self, symbol: str) -> list[int]:
        return [t.trade_id for t in self.trades if t.symbol == symbol]

    def missing(self, symbol: str) -> int:
        """Trades missing between the first and the last one published."""
        ids = self.ids(symbol)
        return max(ids) - min(ids) + 1 - len(set(ids)) if ids else 0

    def duplicates(self, symbol: str) -> int:
        ids = self.ids(symbol)
        return len(ids) - len(set(ids))

    @property
    def causes(self) -> list[str]:
        return [incident["cause"] for incident in self.status["incidents"]]

    async def bars_equal_the_venue_s_own(self, from_ms: int, to_ms: int) -> None:
        """Every full second between the times is the venue's own bar."""
        for spec in SERIES.values():
            if spec.interval != "1s":
                continue
            start_ms, end_ms = from_ms - from_ms % 1000, to_ms - to_ms % 1000 - 1
            ours = {int(row[0]): row[1:] for row in self.stream.rows(spec.name, 5_000, start_ms) if row[0] < end_ms}
            klines = await self.venue.get(
                "/api/v3/klines", symbol=spec.symbol, interval="1s", startTime=start_ms, endTime=end_ms
            )
            theirs = {k[0]: [float(value) for value in k[1:6]] for k in klines}
            assert len(theirs) == (end_ms + 1 - start_ms) // 1000
            assert ours == {open_ms: pytest.approx(row, abs=1e-8) for open_ms, row in theirs.items()}


@pytest.fixture
async def run_engine(shared_venue: Any, wait_until: Any) -> AsyncIterator[Callable[..., Any]]:
    """Start an engine on a venue (the module's own unless another is given), and wait until it is LIVE, or trades flow."""
    engines: list[Engine] = []

    async def run(
        venue: Any = None,
        source: Source = Source.SIMULATED,
        live: bool = True,
        flowing: bool = True,
        config: StreamConfig | None = None,
        **options: Any,
    ) -> Engine:
        config = config or StreamConfig(silence_s=10, history_rows=100)
        engine = Engine(venue or shared_venue, source, config, **options)
        engines.append(engine)
        if live:
            await wait_until(lambda: engine.state == "LIVE", within_s=12, what="LIVE")
        elif flowing:
            await wait_until(lambda: engine.ids("ETHUSDT") and engine.ids("BTCUSDT"), within_s=12, what="trades")
        return engine

    yield run
    for engine in engines:
        await engine.stop()
    await shared_venue.fault(kind="clear")


async def test_history_and_live_data_of_all_series_arrive_on_one_connection(run_engine: Any, wait_until: Any) -> None:
    engine = await run_engine(config=StreamConfig(history_rows=1_500))
    await wait_until(lambda: engine.books and len(engine.trades) > 20 and engine.manager.tickers().get("BTCUSDT"))
    for summary in engine.stream.series_summary():
        assert summary["rows"] >= 1_500
        assert summary["state"] == "LIVE"
        assert summary["source"] == "SIMULATED"
    stats = await engine.venue.get("/sim/stats")
    assert stats["connections"] == 1
    assert set(stats["subscriptions"].values()) == {1}
    status = engine.status
    assert {
        "venue", "state", "since", "cause", "detail", "endpoint", "source", "reconnects", "messages", "rate_per_s",
        "malformed", "weight_used", "clock_offset_ms", "subscriptions", "incidents",
    } <= set(status)  # fmt: skip
    assert (status["venue"], status["source"], status["reconnects"], status["malformed"]) == ("binance", "SIMULATED", 0, 0)
    assert {c["channel"] for c in status["subscriptions"]} == set(stats["subscriptions"])
    assert set(status["subscriptions"][0]) == {
        "channel", "symbol", "state", "age_ms", "messages", "rate_per_s", "gaps", "last_cause", "source",
    }  # fmt: skip
    assert abs(status["clock_offset_ms"]) < 100
    await engine.manager.binance.rest.depth("ETHUSDT")  # the venue's count begins anew each minute: ask, then look
    assert engine.status["weight_used"] > 0
    assert engine.manager.tickers()["ETHUSDT"]["high"] > 0


async def test_a_venue_killed_for_some_seconds_leaves_no_gap_and_no_duplicate(
    run_engine: Any, start_venue: Any, wait_until: Any
) -> None:
    engine = await run_engine(start_venue("--rate", "5"))
    started_ms = int(time.time() * 1000)
    engine.venue.kill()
    killed = time.monotonic()
    await wait_until(lambda: engine.state == "RECONNECTING", within_s=1)
    assert {s["state"] for s in engine.stream.series_summary()} == {"STALE"}
    assert engine.stream.book("ETHUSDT") is None
    await asyncio.sleep(3.0 - (time.monotonic() - killed))
    engine.venue.start()
    await wait_until(lambda: engine.state == "LIVE", within_s=10)
    for symbol in ("ETHUSDT", "BTCUSDT"):
        last = max(engine.ids(symbol))
        await wait_until(lambda s=symbol, last=last: max(engine.ids(s)) > last and engine.missing(s) == 0, within_s=6)
        assert engine.duplicates(symbol) == 0
    assert {s["state"] for s in engine.stream.series_summary()} == {"LIVE"}
    assert engine.status["reconnects"] == 1
    causes = " / ".join(engine.causes)
    assert "connection lost (code 1006)" in causes
    assert "filled in" in causes
    assert all(incident["end_ms"] for incident in engine.status["incidents"])
    await asyncio.sleep(2.5)  # market time: bars wait for late trades before they are settled
    await engine.bars_equal_the_venue_s_own(started_ms, int(time.time() * 1000) - 3_000)
    assert all(s["completeness"] == 1.0 for s in engine.stream.series_summary())


async def test_a_channel_that_goes_silent_is_subscribed_anew_and_its_trades_are_fetched(
    run_engine: Any, wait_until: Any
) -> None:
    engine = await run_engine(config=StreamConfig(silence_s=1.5, history_rows=100))
    await engine.venue.fault(kind="silence", stream=ETH_TRADE, seconds=2.7)
    await wait_until(lambda: engine.channel(ETH_TRADE)["state"] == "STALE", within_s=4)
    assert engine.state == "STALE"
    assert engine.channel("ethusdt@bookTicker")["state"] == "LIVE"
    states = {s["name"]: s["state"] for s in engine.stream.series_summary()}
    assert states["eth_ticks"] == "STALE"
    assert states["btc_ticks"] == "LIVE"
    await wait_until(lambda: engine.state == "LIVE", within_s=5)
    await wait_until(lambda: engine.missing("ETHUSDT") == 0 and any("filled" in c for c in engine.causes), within_s=5)
    assert engine.duplicates("ETHUSDT") == 0
    assert engine.status["reconnects"] == 0
    assert any(c.startswith(f"channel silent: {ETH_TRADE} for ") for c in engine.causes)


async def test_a_silence_that_outlasts_the_new_subscription_costs_the_connection(run_engine: Any, wait_until: Any) -> None:
    engine = await run_engine(config=StreamConfig(silence_s=0.8, history_rows=100))
    await engine.venue.fault(kind="silence", stream="ethusdt@bookTicker", seconds=60)
    await wait_until(lambda: engine.manager.binance.link.connects >= 2, within_s=6)
    assert any("channel silent: ethusdt@bookTicker" in c for c in engine.causes)
    await engine.venue.fault(kind="clear")
    await wait_until(lambda: engine.state == "LIVE", within_s=5)


async def test_a_half_open_connection_is_replaced(run_engine: Any, wait_until: Any) -> None:
    engine = await run_engine(config=StreamConfig(silence_s=1.0, history_rows=100))
    await engine.venue.fault(kind="half_open")
    await wait_until(lambda: engine.manager.binance.link.connects == 2, within_s=5)
    await wait_until(lambda: engine.state == "LIVE", within_s=5)
    assert any(c.startswith("all channels silent") for c in engine.causes)
    await wait_until(lambda: engine.missing("ETHUSDT") == 0 and engine.missing("BTCUSDT") == 0)
    assert engine.duplicates("ETHUSDT") == 0


async def test_lost_and_repeated_and_disordered_trades_come_out_once_each(run_engine: Any, wait_until: Any) -> None:
    engine = await run_engine(live=False)
    await engine.venue.fault(kind="gap", stream=ETH_TRADE, n=31)
    await wait_until(lambda: engine.channel(ETH_TRADE)["gaps"] == 1, within_s=20)
    await engine.venue.fault(kind="duplicate", stream=ETH_TRADE, n=20)
    await engine.venue.fault(kind="reorder", stream="btcusdt@trade", n=5)
    before = max(engine.ids("ETHUSDT"))
    await wait_until(
        lambda: max(engine.ids("ETHUSDT")) > before + 25 and engine.missing("ETHUSDT") == engine.missing("BTCUSDT") == 0,
        within_s=20,
    )
    assert engine.duplicates("ETHUSDT") == engine.duplicates("BTCUSDT") == 0
    assert any(c.startswith("trade gap of 31 ids filled in") for c in engine.causes)
    assert engine.status["reconnects"] == 0


async def test_a_depth_gap_hides_the_book_until_it_is_in_step_again(run_engine: Any, wait_until: Any) -> None:
    engine = await run_engine(live=False)
    await wait_until(lambda: engine.stream.book("ETHUSDT") is not None)
    book = engine.manager.binance.book_keeper("ETHUSDT").book
    lost: list[str] = []
    withhold = engine.stream.book_lost
    engine.stream.book_lost = lambda symbol, venue: (lost.append(symbol), withhold(symbol, venue))  # type: ignore[method-assign]
    await engine.venue.fault(kind="gap", stream="ethusdt@depth@100ms", n=2)
    await wait_until(lambda: book.gaps == 1 and book.synced, within_s=4)
    await wait_until(lambda: engine.stream.book("ETHUSDT") is not None)
    assert lost == ["ETHUSDT"]
    assert engine.channel("ethusdt@depth@100ms")["gaps"] == 1
    assert "depth gap: ETHUSDT" in engine.causes
    last = 0
    for view in engine.books:
        assert view.bids[0][0] < view.asks[0][0]
        assert view.last_update_id >= last
        last = view.last_update_id


async def test_garbage_is_counted_by_kind_and_changes_nothing_else(run_engine: Any, wait_until: Any) -> None:
    engine = await run_engine()
    kinds = {
        "truncated": "json",
        "not_json": "json",
        "unknown_stream": "stream",
        "nan_price": "price",
        "negative_price": "price",
        "time_1970": "time",
        "time_2100": "time",
        "binary": "json",
    }
    for payload in kinds:
        await engine.venue.fault(kind="garbage", payload=payload, n=3)
    await wait_until(lambda: engine.status["malformed"] == 3 * len(kinds))
    count = len(engine.trades)
    await wait_until(lambda: len(engine.trades) > count + 5)
    assert engine.state == "LIVE"
    assert engine.status["reconnects"] == 0
    assert engine.duplicates("ETHUSDT") == engine.missing("ETHUSDT") == 0
    assert engine.status["malformed_kinds"] == {k: 3 * list(kinds.values()).count(k) for k in kinds.values()}


async def test_a_ban_stops_all_requests_and_is_shown_while_data_flows(run_engine: Any, wait_until: Any) -> None:
    engine = await run_engine()
    await engine.venue.fault(kind="http_status", status=418, retry_after=2)
    await engine.venue.fault(kind="gap", stream=ETH_TRADE, n=5)
    await wait_until(lambda: engine.state == "BANNED", within_s=6)
    assert engine.status["cause"].startswith("banned (418) until ")
    await engine.venue.fault(kind="clear")
    count, calls = len(engine.trades), (await engine.venue.get("/sim/stats"))["rest_calls"]
    await wait_until(lambda: len(engine.trades) > count + 5, within_s=2)
    assert engine.stream.series_summary()[0]["state"] == "LIVE"
    assert engine.state == "BANNED"
    assert (await engine.venue.get("/sim/stats"))["rest_calls"] == calls
    await wait_until(lambda: engine.state == "LIVE" and engine.missing("ETHUSDT") == 0, within_s=6)


async def test_history_that_fails_at_first_does_not_hold_live_data_back_and_comes_later(
    run_engine: Any, shared_venue: Any, wait_until: Any
) -> None:
    await shared_venue.fault(kind="http_status", status=503)
    engine = await run_engine(live=False, flowing=False)
    await wait_until(lambda: len(engine.trades) > 5, within_s=4)
    assert engine.state == "SYNCING"
    await shared_venue.fault(kind="clear")
    await wait_until(lambda: engine.state == "LIVE", within_s=10)
    assert all(s["rows"] >= 100 for s in engine.stream.series_summary())
    rows = engine.stream.rows("eth_ticks", 5_000)
    assert [row[0] for row in rows] == [rows[0][0] + 1000 * i for i in range(len(rows))]


async def test_what_was_missed_since_the_last_stored_trade_is_fetched(
    run_engine: Any, shared_venue: Any, wait_until: Any
) -> None:
    stored = (await shared_venue.get("/api/v3/trades", symbol="ETHUSDT", limit=300))[0]["id"]
    engine = await run_engine(live=False, flowing=False, last_trade_id={"ETHUSDT": stored, "BTCUSDT": None}.get)
    await wait_until(lambda: engine.ids("ETHUSDT") and min(engine.ids("ETHUSDT")) == stored + 1, within_s=8)
    await wait_until(lambda: engine.missing("ETHUSDT") == 0)
    assert engine.duplicates("ETHUSDT") == 0


async def test_a_store_that_fails_costs_nothing_else(run_engine: Any) -> None:
    def fail(symbol: str) -> int | None:
        raise OSError("no store")

    await run_engine(live=False, last_trade_id=fail)


async def test_a_replay_is_read_whole_once_and_then_stops(
    run_engine: Any, start_venue: Any, wait_until: Any, shared_data: Path
) -> None:
    files = [str(shared_data / "binance" / f"spot_{name}_20240808.jsonl.gz") for name in ("ethusdt", "btcusdt")]
    venue = start_venue("--replay", *files, "--speed", "0")
    engine = await run_engine(venue, source=Source.REPLAY, live=False, flowing=False)
    await wait_until(lambda: engine.state == "STOPPED", within_s=15)
    assert engine.status["cause"] == "replay ended"
    assert {symbol: len(set(engine.ids(symbol))) for symbol in ("ETHUSDT", "BTCUSDT")} == {
        "ETHUSDT": 6_106,
        "BTCUSDT": 9_757,
    }
    for symbol in ("ETHUSDT", "BTCUSDT"):
        assert engine.duplicates(symbol) == engine.missing(symbol) == 0
    connects = engine.manager.binance.link.connects
    await asyncio.sleep(0.6)
    assert engine.manager.binance.link.connects == connects == 1
    assert engine.stream.series_summary()[0]["cause"] == "replay ended"
    assert engine.status["malformed"] == 0


async def test_a_switched_off_back_fill_waits_until_it_is_switched_on(run_engine: Any, wait_until: Any) -> None:
    engine = await run_engine(live=False)
    engine.disabled.add("gap_backfill")
    await engine.venue.fault(kind="gap", stream=ETH_TRADE, n=10)
    await wait_until(lambda: engine.missing("ETHUSDT") == 10, within_s=6)
    await wait_until(lambda: any("switched off" in c for c in engine.causes))
    engine.disabled.clear()
    await wait_until(lambda: engine.missing("ETHUSDT") == 0, within_s=4)


async def test_a_gap_too_long_for_trades_is_filled_from_bars(run_engine: Any, wait_until: Any) -> None:
    engine = await run_engine(live=False, config=StreamConfig(silence_s=5, history_rows=100, backfill_max_trades=20))
    started_ms = int(time.time() * 1000)
    await engine.venue.fault(kind="gap", stream=ETH_TRADE, n=60)
    await wait_until(lambda: any("filled from bars: longer than 20 trades" in c for c in engine.causes), within_s=8)
    assert engine.missing("ETHUSDT") == 60
    assert engine.manager.feeds["ETHUSDT"].tape.gaps == []
    filled_ms = int(time.time() * 1000)
    await asyncio.sleep(2.5)
    await engine.bars_equal_the_venue_s_own(started_ms - 2_000, filled_ms + 1_000)
    for spec in series_of("ETHUSDT"):
        assert engine.stream.adapter.partial_rows(spec.name) == 0


async def test_a_renewal_loses_nothing(run_engine: Any, wait_until: Any) -> None:
    engine = await run_engine(live=False)
    link = engine.manager.binance.link
    for done in range(1, 4):
        link.renew("serverShutdown")
        await wait_until(lambda done=done: link.renewals == done)
        await asyncio.sleep(0.3)
    await wait_until(lambda: engine.state == "LIVE")
    assert engine.status["reconnects"] == 0
    for symbol in ("ETHUSDT", "BTCUSDT"):
        await wait_until(lambda s=symbol: engine.missing(s) == 0)
        assert engine.duplicates(symbol) == 0
    assert not any("filled" in cause for cause in engine.causes)
