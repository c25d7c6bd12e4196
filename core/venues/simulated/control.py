"""`POST /sim/fault` and `GET /sim/stats`: how a test makes the venue misbehave and sees what it did."""

import asyncio

import msgspec
from aiohttp import web

from core.venues.simulated.binance_rest import Rest
from core.venues.simulated.binance_streams import Streams
from core.venues.simulated.faults import FaultRequest, Faults, garbage
from core.venues.simulated.source import MarketSource


class Control:
    """The test's hand on the venue."""

    def __init__(self, source: MarketSource, streams: Streams, rest: Rest, faults: Faults) -> None:
        self._source, self._streams, self._rest, self._faults = source, streams, rest, faults

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/sim/fault", self._fault), web.get("/sim/stats", self._stats)]

    async def _stats(self, _: web.Request) -> web.Response:
        body = self._streams.stats() | self._rest.stats() | {"source": self._source.stats(), "faults": self._active()}
        return web.json_response(body)

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
