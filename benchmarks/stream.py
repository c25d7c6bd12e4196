"""Trades per second through the stream to nine consumers, against a bare Python loop and NautilusTrader's message bus."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence

import uvloop

from benchmarks.result import Result, publish
from core.base.clock import SystemClock
from core.base.settings import StreamConfig
from core.domain.market import Trade
from core.stream.messages import DataType, Message, Policy
from core.stream.unified_data_stream import UnifiedDataStream

CONSUMERS = 9
COUNT = 200_000
START_MS = 1_750_000_000_000

NAUTILUS = """
import json, time
from nautilus_trader.common.component import LiveClock, MessageBus
from nautilus_trader.model.identifiers import TraderId
bus = MessageBus(trader_id=TraderId("BENCH-001"), clock=LiveClock())
seen = [0]
def handler(message): seen[0] += 1
handlers = [lambda m, n=n: handler(m) for n in range({consumers})]
for h in handlers: bus.subscribe("data.trades.BINANCE.ETHUSDT", h)
message = object()
start = time.perf_counter()
for _ in range({count}): bus.publish("data.trades.BINANCE.ETHUSDT", message)
took = time.perf_counter() - start
assert seen[0] == {count} * {consumers}
print(json.dumps({count} / took))
"""


def trades() -> list[Trade]:
    """ETH and BTC in turn, 20 trades a second each of market time."""
    return [
        Trade(("ETHUSDT", "BTCUSDT")[n % 2], 1 + n // 2, 3000 + n % 997 / 100, 0.0125, START_MS + n * 25, n % 3 == 0)
        for n in range(COUNT)
    ]


def bare_loop(messages: list[Trade]) -> float:
    """The limit: call nine functions for each trade."""
    seen = [0] * CONSUMERS

    def handler(number: int, _message: Trade) -> None:
        seen[number] += 1

    start = time.perf_counter()
    for message in messages:
        for number in range(CONSUMERS):
            handler(number, message)
    took = time.perf_counter() - start
    assert seen == [COUNT] * CONSUMERS
    return COUNT / took


async def ours(messages: list[Trade], data_types: set[DataType]) -> float:
    stream = UnifiedDataStream(StreamConfig(), SystemClock())
    seen = [0] * CONSUMERS

    def consumer(number: int):  # type: ignore[no-untyped-def]
        async def handle(batch: Sequence[Message]) -> None:
            seen[number] += sum(1 for m in batch if type(m) is Trade)

        return handle

    for number in range(CONSUMERS):
        stream.register_consumer(f"model-{number}", data_types, consumer(number), policy=Policy.LOSSLESS, bound=50_000)
    stream.attach()
    start = time.perf_counter()
    for first in range(0, COUNT, 64):
        for message in messages[first : first + 64]:
            stream.publish_trade(message)
        await asyncio.sleep(0)
        if stream.congested:
            await stream.drained()
    while min(seen) < COUNT:  # noqa: ASYNC110 - the handlers are what is timed: they set no events
        await asyncio.sleep(0)
    took = time.perf_counter() - start
    dropped = sum(c["dropped"] for c in stream.consumers())
    assert seen == [COUNT] * CONSUMERS, seen
    assert dropped == 0
    await stream.close()
    return COUNT / took


def nautilus() -> float | None:
    """NautilusTrader's bus in the interpreter that NAUTILUS_PYTHON names (or this one), where it is installed."""
    python = os.environ.get("NAUTILUS_PYTHON", sys.executable)
    code = NAUTILUS.format(consumers=CONSUMERS, count=COUNT)
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return float(json.loads(done.stdout)) if done.returncode == 0 else None


def run() -> list[Result]:
    messages = trades()
    limit = bare_loop(messages)
    ticks = uvloop.run(ours(messages, {DataType.TICKS}))
    everything = uvloop.run(ours(messages, {DataType.TICKS, DataType.OHLCV}))
    results = [
        Result("bare Python loop over 9 functions (no bars, no bounds, no counts)", limit, "trades/s"),
        Result("stream: five series built, trades to 9 consumers", ticks, "trades/s", "bare loop", ticks / limit),
        Result(
            "stream: five series built, trades and bars to 9 consumers",
            everything,
            "trades/s",
            "bare loop",
            everything / limit,
        ),
        Result("updates per consumer", ticks, "/s", budget="≥ 5,000/s", ok=ticks >= 5_000),
    ]
    rival = nautilus()
    if rival is not None:
        results.append(
            Result("NautilusTrader MessageBus, 9 subscribers (no bars)", rival, "trades/s", "bare loop", rival / limit)
        )
        results.append(Result("stream against NautilusTrader's bus", ticks, "trades/s", "NautilusTrader bus", ticks / rival))
    return results


if __name__ == "__main__":
    publish(run)
