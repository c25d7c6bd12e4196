"""`/sim/…`: how a test makes the venue misbehave, and sees what it did and what its own market is.

`POST /sim/fault`, `GET /sim/stats`; `GET /sim/book?symbol=` is the simulator's own book (`update_id=`: as of that update),
`GET /sim/trades?symbol=&from_ms=&to_ms=` its own trades in order (without times: of the last minute).
"""

import asyncio

import msgspec
from aiohttp import web

from core.venues.simulated.binance_rest import Rest
from core.venues.simulated.binance_streams import Streams
from core.venues.simulated.faults import FaultRequest, Faults, garbage
from core.venues.simulated.source import Level, MarketSource
from core.venues.simulated.wire import E8

#: levels told of each side of a book, and trades told at once
_MOST_LEVELS, _MOST_TRADES = 5_000, 200_000


class Control:
    """The test's hand on the venue."""

    def __init__(self, source: MarketSource, streams: Streams, rest: Rest, faults: Faults) -> None:
        self._source, self._streams, self._rest, self._faults = source, streams, rest, faults

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/sim/fault", self._fault),
            web.get("/sim/stats", self._stats),
            web.get("/sim/book", self._book),
            web.get("/sim/trades", self._trades),
        ]

    async def _stats(self, _: web.Request) -> web.Response:
        body = self._streams.stats() | self._rest.stats() | {"source": self._source.stats(), "faults": self._active()}
        return web.json_response(body)

    async def _book(self, request: web.Request) -> web.Response:
        symbol = self._symbol(request)
        update_id = request.query.get("update_id", "")
        if update_id and not update_id.isdigit():
            raise web.HTTPBadRequest(text="update_id must be a whole number")
        depth = self._source.depth_at(symbol, int(update_id) if update_id else None, _MOST_LEVELS)
        if depth is None:
            raise web.HTTPNotFound(text=f"the book as of update {update_id} is not known")
        sides = {"bids": _floats(depth.bids), "asks": _floats(depth.asks)}
        return web.json_response({"symbol": symbol, **sides, "update_id": depth.last_update_id})

    async def _trades(self, request: web.Request) -> web.Response:
        symbol = self._symbol(request)
        try:
            to_ms = int(request.query.get("to_ms", str(self._source.now_ms())))
            from_ms = int(request.query.get("from_ms", str(to_ms - 60_000)))
        except ValueError:
            raise web.HTTPBadRequest(text="from_ms and to_ms must be whole numbers") from None
        rows = self._source.trades_between(symbol, from_ms, to_ms, _MOST_TRADES)
        trades = [[row.ts_ms, row.price / E8, row.quantity / E8] for row in rows]
        return web.json_response({"trades": trades, "first_id": rows[0].trade_id if rows else None})

    def _symbol(self, request: web.Request) -> str:
        symbol = request.query.get("symbol", "")
        if symbol not in self._source.symbols:
            raise web.HTTPNotFound(text=f"no symbol {symbol[:20]!r}; there are {', '.join(self._source.symbols)}")
        return symbol

    async def _fault(self, request: web.Request) -> web.Response:
        try:
            wanted = msgspec.json.decode(await request.read(), type=FaultRequest)
        except msgspec.DecodeError as error:
            return web.json_response({"ok": False, "error": str(error)}, status=400)
        self._faults.apply(wanted, asyncio.get_running_loop().time())
        await self._act(wanted)
        return web.json_response({"ok": True, "active": self._active()})

    async def _act(self, wanted: FaultRequest) -> None:
        streams = self._streams
        match wanted.kind:
            case "drop":
                streams.abort_all("fault: drop")
            case "close":
                await streams.close_all(wanted.code, "fault: close")
            case "half_open" | "black_hole":
                streams.freeze_all()
            case "shutdown":
                streams.announce_shutdown(wanted.seconds)
            case "delay":
                streams.set_delay(self._faults.delay_s)
            case "garbage":
                self._send_garbage(wanted)
            case "clear":
                streams.set_delay(0.0)
                streams.release(self._faults.clear())
                streams.abort_all("fault: half_open", only_frozen=True)

    def _send_garbage(self, wanted: FaultRequest) -> None:
        sent = self._streams.last_payload
        stream = wanted.stream or next((name for name in sent if name.endswith("@trade")), "ethusdt@trade")
        payload = sent.get(stream, "")
        text = payload.decode() if isinstance(payload, bytes) else payload
        frame = garbage(wanted.payload, stream, text)
        for _ in range(max(wanted.n, 1)):
            self._streams.inject(frame, is_text=wanted.payload != "binary")

    def _active(self) -> list[str]:
        return self._faults.active(asyncio.get_running_loop().time())


def _floats(levels: list[Level]) -> list[list[float]]:
    return [[price / E8, quantity / E8] for price, quantity in levels]
