"""The test's hand on the simulated TWS: `POST /sim/fault`, `GET /sim/stats`, `/sim/book` and `/sim/trades` by HTTP."""

import asyncio

import msgspec
from aiohttp import web

from core.base.errors import FatalError
from core.venues.simulated.tws.fault_desk import FaultDesk
from core.venues.simulated.tws.faults import FaultRequest
from core.venues.simulated.tws.market import Row
from core.venues.simulated.tws.venue import Venue

_MOST_TRADES_MS = 3_600_000


class Control:
    """One HTTP server beside the venue."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._desk = FaultDesk(venue)
        app = web.Application()
        app.add_routes([
            web.post("/sim/fault", self._fault),
            web.get("/sim/stats", self._stats),
            web.get("/sim/book", self._book),
            web.get("/sim/trades", self._trades),
        ])  # fmt: skip
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.2)

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port. Raises FatalError when the address cannot be had."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise FatalError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _fault(self, request: web.Request) -> web.Response:
        try:
            wanted = msgspec.json.decode(await request.read(), type=FaultRequest)
        except msgspec.DecodeError as error:
            return web.json_response({"ok": False, "error": str(error)}, status=400)
        self._desk.apply(wanted)
        return web.json_response({"ok": True, "active": self._active()})

    def _active(self) -> list[str]:
        return self._venue.faults.active(asyncio.get_running_loop().time())

    async def _stats(self, _: web.Request) -> web.Response:
        venue = self._venue
        body = {
            "clients": {str(c.client_id): {"version": c.version, "messages_out": c.sent} for c in venue.started()},
            "connections": len(venue.clients),
            "connects_by_client_id": {str(number): count for number, count in venue.starts_by_client_id.items()},
            "connects_total": venue.connects,
            "client_id_refusals": venue.refusals,
            "messages_in": dict(venue.received_by_type),
            "messages_in_total": venue.received_by_type.total(),
            "history_requests_10min": venue.pacing.used(asyncio.get_running_loop().time()),
            "market_ms": venue.market_ms(),
            "faults": self._active(),
        }
        return web.json_response(body | venue.subscriptions.stats())

    async def _book(self, request: web.Request) -> web.Response:
        """The book last sent; with `recent=N` also the N books before it, newest last."""
        feed = self._venue.feeds.get(request.query.get("symbol", ""))
        if feed is None:
            return web.json_response({"error": "unknown symbol"}, status=404)
        step, bids, asks = feed.book(self._venue.market_ms())
        body: dict[str, object] = _book_body(feed.market.stock.symbol, step, bids, asks)
        recent = _number(request, "recent", 0)
        if recent:
            body["recent"] = [_book_body(feed.market.stock.symbol, *book) for book in feed.books[-recent:]]
        return web.json_response(body)

    async def _trades(self, request: web.Request) -> web.Response:
        """Trades of a span (both ends included, at most an hour) that have happened."""
        market = self._venue.markets.get(request.query.get("symbol", ""))
        if market is None:
            return web.json_response({"error": "unknown symbol"}, status=404)
        now = self._venue.feeds[market.stock.symbol].cursor_ms
        until = min(_number(request, "to_ms", now), now)
        since = max(_number(request, "from_ms", until - 60_000), until - _MOST_TRADES_MS)
        rows = [[t.ts_ms, t.price / 100, t.size] for t in market.trades(since, until)]
        return web.json_response({"symbol": market.stock.symbol, "trades": rows})


def _number(request: web.Request, name: str, otherwise: int) -> int:
    """A query parameter; answers 400 when it is not a number."""
    try:
        return int(request.query.get(name, otherwise))
    except ValueError:
        raise web.HTTPBadRequest(text=f"{name} is not a number") from None


def _book_body(symbol: str, step: int, bids: tuple[Row, ...], asks: tuple[Row, ...]) -> dict[str, object]:
    def levels(rows: tuple[Row, ...]) -> list[list[float]]:
        return [[row.price / 100, row.size] for row in rows]

    return {"symbol": symbol, "update_id": step, "bids": levels(bids), "asks": levels(asks)}
