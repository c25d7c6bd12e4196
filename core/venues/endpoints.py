"""Where the market is: which addresses are used, and what kind of market stands behind them."""

import asyncio
import logging
from urllib.parse import urlsplit

import aiohttp
import msgspec

from core.base.errors import FatalError
from core.base.settings import Settings, is_loopback
from core.domain.health import Source
from core.venues.simulated_status import simulated_status

logger = logging.getLogger(__name__)

#: how long all probing together may take
PROBE_S = 2.0


class Endpoints(msgspec.Struct, frozen=True):
    """Addresses of one Binance, without paths: `rest` and `ws_api` of scheme http(s) and ws(s), `stream` of ws(s).

    `streams`: the streams it has, None for all; a recording names what it holds.
    """

    rest: str
    stream: str
    ws_api: str
    source: Source
    detail: str
    streams: tuple[str, ...] | None = None


#: github.com/binance/binance-spot-api-docs, rest-api.md and web-socket-streams.md
MAIN = Endpoints(
    "https://api.binance.com",
    "wss://stream.binance.com:9443",
    "wss://ws-api.binance.com:443/ws-api/v3",
    Source.LIVE,
    "api.binance.com",
)
#: market data only, no key, answers where the main addresses refuse (HTTP 451 or 403)
DATA_ONLY = Endpoints(
    "https://data-api.binance.vision", "wss://data-stream.binance.vision", "", Source.LIVE, "data-api.binance.vision"
)


async def choose_endpoints(
    settings: Settings, candidates: tuple[Endpoints, ...] = (MAIN, DATA_ONLY), probe_s: float = PROBE_S
) -> Endpoints | None:
    """The endpoints to use; None when the market is to be simulated.

    Addresses from the environment are taken as they are. Else the `candidates` are probed side by side, an earlier one
    is preferred. Raises FatalError when the market must be live and none answers within `probe_s` seconds.
    """
    if settings.market in ("simulated", "replay"):
        return None
    if settings.binance_rest_url or settings.binance_ws_url:
        return await _explicit(settings)
    chosen = await probe(candidates, probe_s)
    if chosen is None and settings.market == "live":
        hosts = " nor ".join(urlsplit(c.rest).hostname or c.rest for c in candidates)
        raise FatalError(f"--market live: neither {hosts} answered within {probe_s:g} s; try --market auto or simulated")
    return chosen


async def probe(candidates: tuple[Endpoints, ...], limit_s: float) -> Endpoints | None:
    """The first candidate (in their order) that answers a ping with HTTP 200 within `limit_s` seconds in all."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=limit_s)) as session:
        pings = [asyncio.ensure_future(_ping(session, c)) for c in candidates]
        try:
            async with asyncio.timeout(limit_s):
                for candidate, ping in zip(candidates, pings, strict=True):
                    if await ping:
                        return candidate
        except TimeoutError:
            # one that hangs must not hide another that has answered by now
            answered = (c for c, p in zip(candidates, pings, strict=True) if p.done() and not p.cancelled() and p.result())
            return next(answered, None)
        finally:
            for ping in pings:
                ping.cancel()
            await asyncio.gather(*pings, return_exceptions=True)
    return None


async def _ping(session: aiohttp.ClientSession, endpoints: Endpoints) -> bool:
    try:
        async with session.get(f"{endpoints.rest}/api/v3/ping") as answer:
            if answer.status != 200:
                logger.info("%s refuses with HTTP %d", endpoints.rest, answer.status)
            return answer.status == 200
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        logger.info("%s does not answer: %s", endpoints.rest, error or type(error).__name__)
        return False


async def _explicit(settings: Settings) -> Endpoints:
    """The environment's addresses. On loopback the venue is asked whether it is simulated: no page must call that live."""
    rest = _base(settings.binance_rest_url or MAIN.rest, "/api/v3", "/api")
    stream = _base(settings.binance_ws_url or MAIN.stream, "/stream", "/ws")
    host = urlsplit(rest).hostname or ""
    source, streams = Source.LIVE, None
    if is_loopback(host) and (status := await simulated_status(rest)) is not None:
        source = Source.REPLAY if status.is_replay else Source.SIMULATED
        streams = status.streams
    return Endpoints(rest, stream, settings.binance_wsapi_url or MAIN.ws_api, source, urlsplit(rest).netloc, streams)


def _base(url: str, *endings: str) -> str:
    """An address without the path that people add to it."""
    url = url.rstrip("/")
    for ending in endings:
        url = url.removesuffix(ending)
    return url.rstrip("/")
