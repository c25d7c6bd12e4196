"""One aiohttp server: `/info`, `/ws` and the control API on one port."""

import asyncio
from collections.abc import Callable

import msgspec
from aiohttp import web

from core.base.errors import FatalError
from core.venues.simulated.faults import Faults
from core.venues.simulated.hyperliquid import wire
from core.venues.simulated.hyperliquid.faults import HyperliquidFault, frame_faults, garbage
from core.venues.simulated.hyperliquid.info import Info
from core.venues.simulated.hyperliquid.market import CoinMarket, HyperliquidMarket
from core.venues.simulated.hyperliquid.streams import CHANNELS, Streams
from core.venues.simulated.instruments import E8
from core.venues.simulated.source import Level

#: trades that one answer of `/sim/trades` may have
_MOST_TRADES = 200_000
#: trades that `recentTrades` gives. How many the real venue gives is not documented; no rule of ours depends on it
RECENT_TRADES = 200


class HyperliquidServer:
    """Serves the market until stopped; `/sim/fault`, `/sim/stats`, `/sim/book`, `/sim/trades` are the test's hand on it."""

    def __init__(self, market: HyperliquidMarket, recent: int = RECENT_TRADES, weight_per_minute: int = 1_200) -> None:
        self._market = market
        self._faults = Faults()
        self.streams = Streams(market, self._faults)
        self._info = Info(market, self._faults, recent, weight_per_minute)
        app = web.Application()
        app.add_routes([*self._info.routes(), *self.streams.routes()])
        app.add_routes([web.post("/sim/fault", self._fault), web.get("/sim/stats", self._stats)])
        app.add_routes([web.get("/sim/book", self._book), web.get("/sim/trades", self._trades)])
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.2)
        self._feed: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port. Raises FatalError when the address cannot be had."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise FatalError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        self._feed = asyncio.create_task(self.streams.run(), name="market")
        return int(self._runner.addresses[0][1])

    async def ended(self) -> None:
        """Returns never while the market runs; raises what ended it."""
        if self._feed is not None:
            await self._feed

    async def stop(self) -> None:
        if self._feed is not None:
            self._feed.cancel()
            await asyncio.gather(self._feed, return_exceptions=True)
        self.streams.abort_all("shutdown")
        await self._runner.cleanup()

    # -- control

    async def _stats(self, _: web.Request) -> web.Response:
        rest = {"rest": dict(self._info.requests), "rest_weight": self._info.weight}
        return web.json_response(
            self.streams.stats() | rest | {"source": self._market.stats(), "faults": self._faults.active(self._now())}
        )

    async def _book(self, request: web.Request) -> web.Response:
        """The book now, or as it stood at `update_id`, which is a time."""

        def answer(market: CoinMarket) -> dict[str, object]:
            depth = market.book(int(request.query.get("update_id", self._market.now_ms())))
            body = {"symbol": market.spec.symbol, "update_id": depth.last_update_id}
            return body | {"bids": _numbers(depth.bids), "asks": _numbers(depth.asks)}

        return self._of_symbol(request, answer)

    async def _trades(self, request: web.Request) -> web.Response:
        """Trades with from_ms ≤ time < to_ms (the last minute up to now), and their ids beside them."""

        def answer(market: CoinMarket) -> dict[str, object]:
            now = self._market.now_ms()
            to_ms = min(int(request.query.get("to_ms", now)), now)
            rows = market.trades_between(int(request.query.get("from_ms", to_ms - 60_000)), to_ms, _MOST_TRADES)
            trades = [[row.ts_ms, row.price / E8, row.quantity / E8] for row in rows]
            return {"trades": trades, "ids": [market.tid(row.trade_id) for row in rows]}

        return self._of_symbol(request, answer)

    def _of_symbol(self, request: web.Request, answer: Callable[[CoinMarket], dict[str, object]]) -> web.Response:
        market = self._market.symbols.get(request.query.get("symbol", ""))
        if market is None:
            return web.json_response({"error": f"symbol must be one of {', '.join(self._market.symbols)}"}, status=404)
        try:
            return web.json_response(answer(market))
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)

    async def _fault(self, request: web.Request) -> web.Response:
        try:
            wanted = msgspec.json.decode(await request.read(), type=HyperliquidFault)
        except msgspec.DecodeError as error:
            return web.json_response({"ok": False, "error": str(error)}, status=400)
        for one in frame_faults(wanted, CHANNELS, self._market.coins):
            self._faults.apply(one, self._now())
        await self._act(wanted)
        return web.json_response({"ok": True, "active": self._faults.active(self._now())})

    async def _act(self, wanted: HyperliquidFault) -> None:
        streams = self.streams
        match wanted.kind:
            case "drop":
                streams.abort_all("fault: drop")
            case "close":
                await streams.close_all(wanted.code, "fault: close")
            case "half_open":
                streams.freeze_all()
            case "delay":
                streams.set_delay(self._faults.delay_s)
            case "garbage":
                self._send_garbage(wanted)
            case "clear":
                streams.set_delay(0.0)
                streams.release(self._faults.clear())
                streams.abort_all("fault: half_open", only_frozen=True)

    def _send_garbage(self, wanted: HyperliquidFault) -> None:
        now = self._market.now_ms()
        market = self._market.coins.get(wanted.coin) or next(iter(self._market.coins.values()))
        (row,) = market.trades_from(market.last_id(now), 1, now)
        book = wire.book(market.coin, market.book(now), wire.book_time(now) + 1)
        frame = garbage(wanted.payload, market.coin, wire.trade(market, row), book)
        for _ in range(max(wanted.n, 1)):
            self.streams.inject(frame, is_text=wanted.payload != "binary")

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _numbers(levels: list[Level]) -> list[list[float]]:
    return [[price / E8, size / E8] for price, size in levels]
