"""Hyperliquid by REST: the SDK's blocking `Info` in a thread of its own, within the venue's weights and bans."""

import asyncio
import importlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from core.base.clock import Clock
from core.base.errors import BadInput, QuintetError, VenueBanned, VenueUnavailable
from core.domain.market import Trade
from core.venues.connector import VenueRefused
from core.venues.hyperliquid.weight_window import WeightWindow
from core.venues.hyperliquid.wire import FUTURE_MS, VenueCandle, parse_candles, parse_size_decimals, parse_trades

#: candles that the venue keeps (docs, "Info endpoint")
MOST_CANDLES = 5_000
#: its names of intervals, and their lengths (ms)
INTERVALS_MS = {
    "1m": 60_000, "3m": 180_000, "5m": 300_000, "15m": 900_000, "30m": 1_800_000, "1h": 3_600_000, "2h": 7_200_000,
    "4h": 14_400_000, "8h": 28_800_000, "12h": 43_200_000, "1d": 86_400_000, "3d": 259_200_000, "1w": 604_800_000,
}  # fmt: skip
#: weight of a request of `/info` that the docs do not name otherwise
_WEIGHT = 20
#: trades and candles that add one to the weight of the request they answer
_TRADES_PER_WEIGHT, _CANDLES_PER_WEIGHT = 20, 60
#: how long to stay away when the venue does not say
_BAN_S = 30


class HyperliquidRest:
    """Raises VenueBanned, VenueUnavailable, VenueRefused or BadInput, nothing else. To be made on the engine loop.

    One request at a time: the SDK's session is not for several threads. After a 429 none leaves before `Retry-After` says.
    """

    def __init__(self, symbols: Mapping[str, str], clock: Clock, timeout_s: float = 4.0) -> None:
        """`symbols`: coin -> our symbol, read at each answer."""
        self._symbols = symbols
        self._clock = clock
        self._timeout_s = timeout_s
        self._url = ""
        self._info: Any = None
        self._lock, self._knowing = asyncio.Lock(), asyncio.Lock()
        self._thread: ThreadPoolExecutor | None = None
        self.window = WeightWindow(clock)
        #: coin -> decimals of its sizes, empty until `open` could ask
        self.size_decimals: dict[str, int] = {}
        self.banned_until_ms = 0
        self.requests = 0
        self.on_ban: Callable[[], None] = lambda: None

    def point_to(self, url: str) -> None:
        """Ask there from now on."""
        if url != self._url:
            self._url, self._info, self.size_decimals = url, None, {}

    def close(self) -> None:
        """A request on its way is not waited for."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown(wait=False, cancel_futures=True)

    @property
    def is_banned(self) -> bool:
        return self._clock.now_ms() < self.banned_until_ms

    async def meta(self) -> dict[str, int]:
        """Coin -> decimals of its sizes; from then on the SDK knows all coins."""
        answer = await self._call("meta", lambda info: info.meta())
        self.size_decimals = parse_size_decimals(answer)
        self._info.set_perp_meta(answer, 0)
        return self.size_decimals

    async def recent_trades(self, coin: str) -> list[Trade]:
        """The venue's latest trades, oldest first: how many is up to it."""
        answer = await self._call("recent trades", lambda info: info.post("/info", {"type": "recentTrades", "coin": coin}))
        trades = parse_trades(answer, self._symbols, self._latest_ms())
        self.window.spend(len(trades) // _TRADES_PER_WEIGHT)
        return trades

    async def candles(self, coin: str, interval: str, from_ms: int, to_ms: int) -> list[VenueCandle]:
        """The bars that overlap [from_ms, to_ms], oldest first; the last may be running."""
        if interval not in INTERVALS_MS:
            raise VenueRefused(f"no candles of {interval}; there are {', '.join(INTERVALS_MS)}")
        async with self._knowing:
            if coin not in self.size_decimals:
                await self.meta()
        if coin not in self.size_decimals:
            raise VenueRefused(f"no coin {coin}")
        answer = await self._call("candles", lambda info: info.candles_snapshot(coin, interval, from_ms, to_ms))
        candles = parse_candles(answer, self._symbols, self._latest_ms(), self._clock.now_ms())
        self.window.spend(len(candles) // _CANDLES_PER_WEIGHT)
        return candles

    def _latest_ms(self) -> int:
        return self._clock.now_ms() + FUTURE_MS

    async def _call(self, what: str, ask: Callable[[Any], object]) -> object:
        async with self._lock:
            await self.window.wait(_WEIGHT)
            if self.is_banned:
                raise VenueBanned("rate limited (429)", self.banned_until_ms)
            if not self._url:
                raise VenueUnavailable(f"{what}: no address yet")
            self.requests += 1
            self.window.spend(_WEIGHT)
            self._thread = self._thread or ThreadPoolExecutor(1, "hyperliquid-rest")
            status: list[tuple[int, str]] = []
            try:
                answer = await asyncio.get_running_loop().run_in_executor(self._thread, self._ask, ask, status)
            except Exception as error:
                raise self._translated(what, error, status[-1] if status else None) from error
            if isinstance(answer, dict) and set(answer) == {"error"}:
                raise BadInput(f"{what}: {str(answer['error'])[:120]}")
            return answer

    def _ask(self, ask: Callable[[Any], object], status: list[tuple[int, str]]) -> object:
        """In the thread. `status` gets the HTTP status and `Retry-After`: the SDK's exceptions may lose them."""
        if self._info is None:
            sdk = importlib.import_module("hyperliquid.info")
            # without both of these its constructor asks the venue
            self._info = sdk.Info(
                self._url, skip_ws=True, meta={"universe": []}, spot_meta={"universe": [], "tokens": []},
                timeout=self._timeout_s,
            )  # fmt: skip

        def note(response: Any, *_: object, **__: object) -> None:
            status.append((int(response.status_code), str(response.headers.get("Retry-After", ""))))

        self._info.session.hooks["response"] = [note]
        return ask(self._info)

    def _translated(self, what: str, error: Exception, status: tuple[int, str] | None) -> QuintetError:
        """The SDK's exceptions as ours, by the HTTP status; whatever else it raises on an answer is an unusable answer."""
        if isinstance(error, QuintetError):
            return error
        if status is None:
            return VenueUnavailable(f"{what}: {str(error)[:160] or type(error).__name__}")
        code, after = status
        if code == 429:
            wait_s = int(after) if after.isdigit() else _BAN_S
            self.banned_until_ms = max(self.banned_until_ms, self._clock.now_ms() + wait_s * 1000)
            self.on_ban()
            return VenueBanned("rate limited (429)", self.banned_until_ms)
        if 400 <= code < 500 and code != 408:
            return VenueRefused(f"{what}: HTTP {code}")
        if code >= 400:
            return VenueUnavailable(f"{what}: HTTP {code}")
        return BadInput(f"{what}: unusable answer: {type(error).__name__} {str(error)[:120]}")
