"""Binance by REST: python-binance's client behind typed calls, one weight budget, and obedience to bans."""

import asyncio
import importlib
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from core.base.clock import Clock
from core.base.errors import BadInput, QuintetError, VenueBanned, VenueUnavailable
from core.domain.market import DepthSnapshot, Kline, Trade
from core.venues.binance.rest_wire import (
    parse_depth,
    parse_klines,
    parse_last_id,
    parse_ticker,
    parse_time,
    parse_trades,
)
from core.venues.binance.weight_budget import LIMIT_PER_MINUTE, WeightBudget
from core.venues.binance.wire import EARLIEST_MS, FUTURE_MS, INTERVALS_MS
from core.venues.connector import VenueRefused

#: rows per page of klines and trades
PAGE = 1_000
#: requests on their way at one time
_CONCURRENT = 8
#: round trips of one clock measurement: the shortest tells most
_CLOCK_SAMPLES = 3
#: error codes that say: not without a (valid) API key (errors.md)
_KEY_CODES = (-1002, -2014, -2015)
#: "Timestamp for this request is outside of the recvWindow", or ahead of the venue's time (errors.md)
_TIME_CODE = -1021
#: how long to stay away when the venue does not say
_BAN_S = {429: 60, 418: 120}


class BinanceRest:
    """All REST calls. Raises VenueBanned (with the time until), VenueUnavailable, VenueRefused or BadInput, nothing else.

    After a 429 or 418 no request leaves before the venue's `Retry-After` has passed.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        api_key: str | None = None,
        timeout_s: float = 10.0,
        weight_per_minute: int = LIMIT_PER_MINUTE,
    ) -> None:
        """`url`: scheme and host, without `/api`. `weight_per_minute`: what the venue allows an address."""
        self._url = url
        self._clock = clock
        self._api_key = api_key
        self._timeout_s = timeout_s
        self._client: Any = None
        self._library: Any = None
        self._opening = asyncio.Lock()
        self._slots = asyncio.Semaphore(_CONCURRENT)
        self.budget = WeightBudget(clock, weight_per_minute)
        self.banned_until_ms = 0
        #: how long the last ban was told to last
        self.banned_for_s = 0
        self.ban_cause = ""
        self.requests = 0
        #: venue time minus ours, None before it was measured
        self.clock_offset_ms: float | None = None
        #: the shortest round trip of the last clock measurement
        self.round_trip_ms: float | None = None
        #: the venue's own counts of orders, as its answers told them: 10 s and 1 day windows
        self.order_counts: dict[str, int] = {}
        self.on_ban: Callable[[], None] = lambda: None
        #: a request was refused for its time stamp
        self.on_time_refused: Callable[[], None] = lambda: None
        #: is given each depth answer as the venue worded it
        self.on_depth: Callable[[str, object], None] = lambda symbol, answer: None

    async def open(self) -> None:
        """Load python-binance (about a second, in a thread) and make the client. Later calls do nothing."""
        async with self._opening:
            if self._client is None:
                self._library = await asyncio.to_thread(importlib.import_module, "binance.async_client")
                self._client = self._new_client()

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.session.close()

    @property
    def is_banned(self) -> bool:
        return self._clock.now_ms() < self.banned_until_ms

    async def klines(self, symbol: str, interval: str, rows: int, end_ms: int | None = None) -> list[Kline]:
        """The last `rows` bars up to `end_ms` (now), oldest first; fewer when the venue has fewer. The last is running
        unless `end_ms` is given."""
        klines: list[Kline] = []
        while len(klines) < rows:
            params: dict[str, Any] = {"symbol": symbol, "interval": interval, "limit": min(PAGE, rows - len(klines))}
            if klines:
                params["endTime"] = klines[0].open_ms - 1
            elif end_ms is not None:
                params["endTime"] = end_ms
            answer = await self._call(2, "get_klines", **params)
            page = parse_klines(answer, symbol, interval, self._latest_ms())
            if klines or end_ms is not None:
                page = [_closed(k) for k in page]
            klines = page + klines
            if len(page) < params["limit"]:
                break
        return klines

    async def klines_between(self, symbol: str, interval: str, from_ms: int, to_ms: int) -> list[Kline]:
        """The bars that overlap [from_ms, to_ms], oldest first; the last may be running."""
        step_ms = INTERVALS_MS[interval]
        start_ms, klines = from_ms - from_ms % step_ms, list[Kline]()
        while start_ms <= to_ms:
            params = {"symbol": symbol, "interval": interval, "limit": PAGE, "startTime": start_ms, "endTime": to_ms}
            answer = await self._call(2, "get_klines", **params)
            page = parse_klines(answer, symbol, interval, self._latest_ms())
            if not page:
                break
            klines = [_closed(k) for k in klines] + page
            start_ms = page[-1].open_ms + step_ms
        return klines

    async def trades_from(self, symbol: str, first_id: int, limit: int = PAGE) -> list[Trade]:
        """Trades from an id on, oldest first, at most 1,000. Raises VenueRefused where the venue wants a key for it."""
        answer = await self._call(25, "get_historical_trades", symbol=symbol, fromId=first_id, limit=min(limit, PAGE))
        return parse_trades(answer, symbol, EARLIEST_MS, self._latest_ms())

    async def recent_trades(self, symbol: str) -> list[Trade]:
        """The last 1,000 trades, oldest first."""
        answer = await self._call(25, "get_recent_trades", symbol=symbol, limit=PAGE)
        return parse_trades(answer, symbol, EARLIEST_MS, self._latest_ms())

    async def depth(self, symbol: str) -> DepthSnapshot:
        """The best 1,000 levels of each side."""
        answer = await self._call(50, "get_order_book", symbol=symbol, limit=1_000)
        snapshot = parse_depth(answer, symbol)
        self.on_depth(symbol, answer)
        return snapshot

    async def ticker(self, symbol: str) -> dict[str, float]:
        """Statistics of the last 24 hours."""
        return parse_ticker(await self._call(2, "get_ticker", symbol=symbol))

    async def last_trade_id(self, symbol: str) -> int:
        """Id of the symbol's newest trade, by the cheapest request that tells it; -1 when there was none in 24 hours."""
        return parse_last_id(await self._call(2, "get_ticker", symbol=symbol))

    async def measure_clock(self) -> float:
        """Venue time minus ours in ms, good to half the shortest of three round trips; also kept in `clock_offset_ms`."""
        await self.open()
        samples = []
        for _ in range(_CLOCK_SAMPLES):
            before_ms, before_ns = self._clock.now_ms(), self._clock.monotonic_ns()
            venue_ms = parse_time(await self._call(1, "get_server_time"))
            trip_ms = (self._clock.monotonic_ns() - before_ns) / 1e6
            samples.append((trip_ms, venue_ms - (before_ms + trip_ms / 2)))
        trip_ms, offset_ms = min(samples)
        self.round_trip_ms, self.clock_offset_ms = round(trip_ms, 1), round(offset_ms, 1)
        return self.clock_offset_ms

    def _latest_ms(self) -> int:
        return self._clock.now_ms() + FUTURE_MS

    async def _call(self, weight: int, method: str, **params: object) -> object:
        """One call of python-binance's `method` within budget and bans."""
        what = method.removeprefix("get_").replace("_", " ")
        await self.open()
        async with self._slots:
            await self.budget.spend(weight)
            if self.is_banned:
                raise VenueBanned(self.ban_cause, self.banned_until_ms)
            if self._client is None:
                raise VenueUnavailable(f"{what}: the client is closed")
            self.requests += 1
            try:
                answer: object = await getattr(self._client, method)(**params)
                return answer
            except TimeoutError:
                raise VenueUnavailable(f"{what}: no answer within {self._timeout_s:g} s") from None
            except (aiohttp.ClientError, OSError) as error:
                raise VenueUnavailable(f"{what}: {error}") from error
            except Exception as error:
                raise self._translated(what, error) from error

    def _translated(self, what: str, error: Exception) -> QuintetError:
        """python-binance's exceptions as ours; whatever else an odd answer makes it raise is an unusable answer."""
        status = getattr(error, "status_code", None)
        if isinstance(error, QuintetError):
            return error
        if status is None:
            return BadInput(f"{what}: unusable answer: {type(error).__name__} {str(error)[:120]}")
        if status in (418, 429):
            return self._banned(status, getattr(error, "response", None))
        code, message = getattr(error, "code", 0), str(getattr(error, "message", ""))[:120]
        if code == _TIME_CODE:
            self.on_time_refused()
            return VenueUnavailable(f"{what}: {code} {message}")
        if status in (401, 403) or code in _KEY_CODES:
            return VenueRefused(f"{what}: refused ({status}, {code} {message})")
        if 400 <= status < 500 and status != 408:
            return VenueRefused(f"{what}: {code} {message} ({status})")
        return VenueUnavailable(f"{what}: HTTP {status}")

    def _banned(self, status: int, response: Any) -> VenueBanned:
        after = str(response.headers.get("Retry-After", "")) if response is not None else ""
        wait_s = int(after) if after.isdigit() else _BAN_S[status]
        self.banned_until_ms = max(self.banned_until_ms, self._clock.now_ms() + wait_s * 1000)
        self.banned_for_s = wait_s
        word = "rate limited" if status == 429 else "banned"
        self.ban_cause = f"{word} ({status})"
        self.on_ban()
        return VenueBanned(self.ban_cause, self.banned_until_ms)

    def _observe(self, headers: Mapping[str, str]) -> None:
        used = headers.get("X-MBX-USED-WEIGHT-1M", "")
        if used.isdigit():
            self.budget.observe(int(used))
        for window in ("10S", "1D"):
            count = headers.get(f"X-MBX-ORDER-COUNT-{window}", "")
            if count.isdigit():
                self.order_counts[window] = int(count)

    def _new_client(self) -> Any:
        observe = self._observe

        class Client(self._library.AsyncClient):  # type: ignore[misc, name-defined]
            """Reads the weight of each answer where it arrives: `client.response` is only the last one's."""

            async def _handle_response(self, response: aiohttp.ClientResponse) -> object:
                observe(response.headers)
                return await super()._handle_response(response)

        client = Client(api_key=self._api_key or None, loop=asyncio.get_running_loop())
        client.API_URL = f"{self._url}/api"
        # the library hands a bare number to aiohttp, which has deprecated that
        client.REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=self._timeout_s)
        return client


def _closed(kline: Kline) -> Kline:
    """The same bar, known to be over."""
    if kline.closed:
        return kline
    return Kline(
        kline.symbol, kline.interval, kline.open_ms, kline.open, kline.high, kline.low, kline.close, kline.volume,
        kline.first_id, kline.last_id, True, kline.event_ms, kline.recv_ns, kline.origin,
    )  # fmt: skip
