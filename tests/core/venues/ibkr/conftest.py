"""A simulated TWS as a process, and a connector on it whose every trade is written down."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from core.base.clock import SystemClock
from core.base.settings import IbkrConfig, Settings, StreamConfig, VenuesConfig
from core.domain.health import Source
from core.domain.market import Trade
from core.stream import DataType, Policy, UnifiedDataStream
from core.venues.connector import Address
from core.venues.ibkr.connector import IbkrConnector
from tests.patience import Deadline, until

ROOT = Path(__file__).resolve().parents[4]


class SimulatedTws:
    """`python -m core.venues.simulated.tws` and its control."""

    def __init__(self, *arguments: str) -> None:
        command = ["-m", "core.venues.simulated.tws", "--port", "0", "--parent-pipe", *arguments]
        self._process = subprocess.Popen([sys.executable, *command], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        hello = json.loads(self._process.stdout.readline())
        self.port, self._control = hello["port"], f"http://127.0.0.1:{hello['control_port']}"

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    async def fault(self, kind: str, **options: object) -> None:
        body = {"kind": kind, **options}
        async with aiohttp.ClientSession() as session, session.post(f"{self._control}/sim/fault", json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def get(self, what: str, **params: object) -> Any:
        query = {name: str(value) for name, value in params.items()}
        async with aiohttp.ClientSession() as session, session.get(f"{self._control}/sim/{what}", params=query) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()


class Rig:
    """A connector on a simulated TWS, the stream it publishes to, and all trades that came out of that."""

    def __init__(self, tws: SimulatedTws, config: IbkrConfig, enabled: Callable[[str], bool] = lambda _: True) -> None:
        self.tws = tws
        self.clock = SystemClock()
        self.settings = Settings(venues=VenuesConfig(ibkr=config), stream=StreamConfig(history_rows=60))
        self.stream = UnifiedDataStream(self.settings.stream, self.clock)
        self.connector = IbkrConnector(self.settings, self._locate, self.stream, self.clock, enabled)
        self._trades = self.stream.register_consumer("test", [DataType.UI_DATA], policy=Policy.BOUNDED, bound=1_000_000)
        self.trades: dict[str, list[Trade]] = {symbol: [] for symbol in self.connector.desk.lines}
        self._task: asyncio.Task[None] | None = None

    async def _locate(self) -> Address:
        return Address(f"127.0.0.1:{self.tws.port}", Source.LIVE, "test")

    def start(self) -> None:
        self._task = asyncio.create_task(self.connector.run())

    async def stop(self) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def collect(self) -> None:
        """Take in what was published."""
        for message in self._trades.drain():
            if isinstance(message, Trade):
                self.trades[message.symbol].append(message)

    async def until(self, what: str, condition: Callable[[], Any], within_s: float) -> float:
        """Wait for a condition; gives the seconds it took, fails when that is too long."""
        return await until(condition, within_s, lambda: f"{what}; {self.tell()}")

    def tell(self) -> str:
        connector = self.connector
        states = {s["channel"]: s["state"] for s in connector.status()["subscriptions"] if s["state"] != "LIVE"}
        return f"{connector.state.state} {connector.state.cause!r} {states} {list(connector.desk.incidents.snapshot())[:3]}"

    @property
    def is_live(self) -> bool:
        self.collect()
        lines = self.connector.desk.lines.values()
        return self.connector.state.state == "LIVE" and all(line.flow.is_joined for line in lines)

    def subscription(self, channel: str) -> dict[str, Any]:
        return next(s for s in self.connector.status()["subscriptions"] if s["channel"] == channel)

    def book_state(self, symbol: str) -> str:
        return str(next(b["state"] for b in self.connector.books() if b["symbol"] == symbol))

    def kinds_since(self, since_ms: int) -> set[str]:
        return {str(i.kind) for i in self.connector.desk.incidents.snapshot() if i.start_ms >= since_ms}

    async def market_s(self) -> int:
        """The simulator's epoch second."""
        return int((await self.tws.get("stats"))["market_ms"]) // 1000

    async def compare_trades(self, from_s: int, until_s: int) -> int:
        """Every trade of the simulator in these seconds is here once, and no other; gives how many there were."""
        compared = 0
        for symbol in self.trades:
            flow = self.connector.desk.lines[symbol].flow
            await self.until(f"{symbol} whole", lambda flow=flow: flow.is_decided(until_s), 15)
            self.collect()
            told = await self.tws.get("trades", symbol=symbol, from_ms=from_s * 1000, to_ms=until_s * 1000 + 999)
            theirs = Counter((at // 1000, price, float(size)) for at, price, size in told["trades"])
            mine = [t for t in self.trades[symbol] if from_s <= t.ts_ms // 1000 <= until_s]
            ours = Counter((t.ts_ms // 1000, t.price, t.quantity) for t in mine)
            assert ours == theirs, f"{symbol}: missing {theirs - ours}, too many {ours - theirs}; {self.tell()}"
            assert len({t.trade_id for t in mine}) == len(mine), "an id was given twice"
            compared += len(mine)
        return compared

    async def compare_books(self, *symbols: str) -> None:
        """Each book equals one that the simulator sent within the last seconds."""
        for symbol in symbols or self.trades:
            deadline = Deadline(5)
            while True:
                mine = self.stream.book(symbol)
                told = await self.tws.get("book", symbol=symbol, recent=50)
                theirs = [(b["bids"], b["asks"]) for b in (*told["recent"], told)]
                if mine is not None and _top(mine.bids, mine.asks) in [_top(*b) for b in theirs]:
                    break
                deadline.check(f"{symbol}: the book is none of the simulator's: {mine} {theirs[-1]}; {self.tell()}")
                await asyncio.sleep(0.05)


def _top(bids: Any, asks: Any) -> tuple[list[tuple[float, float]], ...]:
    return tuple([(float(price), float(size)) for price, size in list(side)[:10]] for side in (bids, asks))


@pytest.fixture(scope="module")
def start_tws() -> Iterator[Callable[..., SimulatedTws]]:
    """Start simulated TWSs; all are killed at the end of the module."""
    started: list[SimulatedTws] = []

    def start(*arguments: str) -> SimulatedTws:
        started.append(SimulatedTws(*arguments))
        return started[-1]

    yield start
    for tws in started:
        tws.kill()


@pytest.fixture(scope="module")
def make_rig() -> Callable[..., Rig]:
    return Rig
