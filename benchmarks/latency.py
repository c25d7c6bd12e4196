"""Source → consumer with nine consumers at 2,000 trades/s: paced beside a blocked web loop, then in bursts beside a page."""

import sys
import time
from collections.abc import Sequence

from playwright.sync_api import sync_playwright

from benchmarks import app as apps
from benchmarks.blaster import blaster
from benchmarks.pixel import launch
from benchmarks.result import Result, publish
from core.base.clock import SystemClock
from core.base.loop_thread import LoopThread
from core.base.settings import StreamConfig
from core.domain.market import Trade
from core.stream.messages import DataType, Message
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.binance.wire import parser_for
from core.venues.link import Link
from core.venues.symbol_feed import SymbolFeed

#: times the model's usual ~50 trades a second of both symbols
RATE = 40.0
WARM_UP_S = 70.0
READ_S = 30.0


PACED_S = 20


def paced() -> list[Result]:
    """One trade each 0.5 ms through a socket, while the main thread is in pure Python for 50 ms ten times a second."""
    clock = SystemClock()
    stream = UnifiedDataStream(StreamConfig(), clock)
    feeds = {symbol: SymbolFeed(symbol, stream, lambda toggle: True) for symbol in ("ETHUSDT", "BTCUSDT")}
    parsers = {f"{symbol.lower()}@trade".encode(): parser_for(f"{symbol.lower()}@trade") for symbol in feeds}
    latest_ms = clock.now_ms() + 86_400_000
    for feed in feeds.values():
        feed.flow()

    def on_frame(payload: bytes, recv_ns: int) -> None:
        trade = parsers[payload[11 : payload.index(b'"', 11)]](payload, recv_ns, latest_ms)
        assert isinstance(trade, Trade)
        feeds[trade.symbol].on_trade(trade)

    async def consume(messages: Sequence[Message]) -> None:
        for message in messages:
            _ = message

    with blaster(2_000 * (PACED_S + 2), 2_000) as url:

        async def engine() -> None:
            stream.attach()
            for number in range(9):
                stream.register_consumer(f"model-{number}", {DataType.TICKS, DataType.OHLCV}, consume)
            await Link("bench", lambda: url, on_frame, lambda state, cause: None, clock).run()

        thread = LoopThread("engine", engine)
        sys.setswitchinterval(0.0001)
        thread.start()
        end = time.perf_counter() + PACED_S
        while time.perf_counter() < end:
            block = time.perf_counter() + 0.05
            while time.perf_counter() < block:
                pass
            time.sleep(0.05)
        consumers = stream.consumers()
        thread.stop(2)
    worst = max(c["latency_us"]["p99"] for c in consumers) / 1e3
    return [
        Result("paced: trades to each of 9 consumers", stream.totals()["trades"] / PACED_S, "/s"),
        Result("paced, main thread blocked half the time: p99, worst", worst, "ms", budget="≤ 1 ms", ok=worst <= 1),
        Result("paced: p50, median consumer", sorted(c["latency_us"]["p50"] for c in consumers)[4] / 1e3, "ms"),
    ]


def run() -> list[Result]:
    return paced() + in_bursts()


def in_bursts() -> list[Result]:
    """The whole app on the market model at forty times its usual pace, a page open in Chromium on the same cores."""
    with (
        apps.folder() as folder,
        apps.venue(RATE) as environ,
        sync_playwright() as playwright,
        apps.app(folder, "--market", "live", module="-m benchmarks.loaded_app", **environ) as app,
    ):
        app.wait_first_candle()
        page = launch(playwright).new_page()
        page.goto(app.base + "/")
        # latencies are those of the last 30 to 60 s: let the start fall out of them
        time.sleep(WARM_UP_S)
        before = app.get("/api/v1/consumers")["consumers"]
        time.sleep(READ_S)
        consumers = app.get("/api/v1/consumers")["consumers"]
        rss = next(m for m in app.get("/api/v1/slo")["slo"] if m["name"].startswith("Memory"))
    models = [c for c in consumers if c["name"].startswith("model-")]
    trades = sum(c["delivered"] for c in models) - sum(c["delivered"] for c in before if c["name"].startswith("model-"))
    worst = max(c["latency_us"]["p99"] for c in models) / 1e3
    own = {c["name"]: c["latency_us"] for c in consumers}
    return [
        Result("consumers", len(consumers), "", budget="≥ 9", ok=len(consumers) >= 9),
        Result("in bursts: messages per consumer (trades, quotes, bars)", trades / len(models) / READ_S, "/s"),
        Result("in bursts, page open: p99, worst of 7 models", worst, "ms", budget="≤ 1 ms", ok=worst <= 1),
        Result("in bursts: source → storage, p99", own["storage"]["p99"] / 1e3, "ms"),
        Result("in bursts: source → dashboard (across threads), p99", own["dashboard"]["p99"] / 1e3, "ms"),
        Result("in bursts: p50, median model", sorted(c["latency_us"]["p50"] for c in models)[3] / 1e3, "ms"),
        Result("dropped or failed", sum(c["dropped"] + c["errors"] for c in consumers), "messages", budget="0",
               ok=not any(c["dropped"] or c["errors"] for c in consumers)),
        Result("memory of the main process under this load", rss["value"], "MB", budget="≤ 300 MB", ok=bool(rss["ok"])),
    ]  # fmt: skip


if __name__ == "__main__":
    publish(run)
