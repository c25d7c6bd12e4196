"""`POST /info`: the market data that the SDK's `Info` asks for.

Rules (Hyperliquid docs, "Rate limits and user limits"): weight 2 for l2Book and allMids, else 20; one more per 20 trades or
60 candles answered; 1,200 a minute. An unknown type or coin is answered as the venue does: 422 and 500.
"""

import asyncio
from collections import Counter
from typing import Any

import msgspec
from aiohttp import web

from core.venues.simulated.faults import Faults
from core.venues.simulated.hyperliquid import wire
from core.venues.simulated.hyperliquid.market import INTERVALS, CoinMarket, HyperliquidMarket

_LIGHT = ("l2Book", "allMids")
_MINUTE_MS = 60_000


class Info:
    """The REST front. `recent`: how many trades `recentTrades` gives."""

    def __init__(self, market: HyperliquidMarket, faults: Faults, recent: int, weight_per_minute: int) -> None:
        self._market = market
        self._faults = faults
        self._recent = recent
        self._allowed = weight_per_minute
        self._minute = 0
        self.weight = 0
        self.requests: Counter[str] = Counter()
        self._types = {
            "meta": self._meta,
            "spotMeta": lambda _: {"universe": [], "tokens": []},
            "allMids": self._all_mids,
            "l2Book": self._book,
            "candleSnapshot": self._candles,
            "recentTrades": self._recent_trades,
            "metaAndAssetCtxs": self._contexts,
        }

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/info", self._info)]

    async def _info(self, request: web.Request) -> web.Response:
        if self._faults.http_failing(asyncio.get_running_loop().time()):
            self.requests[f"refused {self._faults.http_status}"] += 1
            after = self._faults.retry_after
            headers = {} if after is None else {"Retry-After": str(after)}
            return web.json_response(None, status=self._faults.http_status, headers=headers)
        try:
            body = msgspec.json.decode(await request.read())
            handler = self._types[body["type"]]
        except (msgspec.DecodeError, KeyError, TypeError):
            return web.Response(status=422, text="Failed to deserialize the JSON body into the target type")
        self.requests[body["type"]] += 1
        self._turn()
        if self.weight >= self._allowed:
            return web.json_response(None, status=429)
        try:
            answer = handler(body)
        except (KeyError, TypeError, ValueError):
            return web.json_response(None, status=500)
        self.weight += 2 if body["type"] in _LIGHT else 20
        if body["type"] in ("recentTrades", "candleSnapshot"):
            self.weight += len(answer) // (20 if body["type"] == "recentTrades" else 60)
        return web.json_response(answer)

    def _turn(self) -> None:
        minute = self._market.now_ms() // _MINUTE_MS
        if minute != self._minute:
            self._minute, self.weight = minute, 0

    def _coin(self, body: dict[str, Any]) -> CoinMarket:
        return self._market.coins[body["coin"]]

    def _meta(self, _: dict[str, Any]) -> dict[str, Any]:
        universe = []
        for coin, market in self._market.coins.items():
            decimals = len(f"{market.spec.instrument.lot_size:.8f}".rstrip("0").partition(".")[2])
            universe.append({"name": coin, "szDecimals": decimals, "maxLeverage": 50})
        return {"universe": universe}

    def _contexts(self, body: dict[str, Any]) -> list[Any]:
        now = self._market.now_ms()
        contexts = []
        for market in self._market.coins.values():
            day = market.candles("1d", now, now, now)[-1]
            middle = wire.mid(market.book(now))
            volumes = {"dayNtlVlm": wire.decimal(day.quote_volume), "dayBaseVlm": wire.decimal(day.volume)}
            prices = {"prevDayPx": wire.decimal(day.open), "markPx": middle, "midPx": middle, "oraclePx": middle}
            contexts.append(volumes | prices | {"funding": "0.0000125", "openInterest": "1000.0", "premium": "0.0"})
        return [self._meta(body), contexts]

    def _all_mids(self, _: dict[str, Any]) -> dict[str, str]:
        now = self._market.now_ms()
        return {coin: wire.mid(market.book(now)) for coin, market in self._market.coins.items()}

    def _book(self, body: dict[str, Any]) -> dict[str, Any]:
        now = self._market.now_ms()
        market = self._coin(body)
        return wire.book(market.coin, market.book(now), wire.book_time(now))

    def _candles(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        wanted = body["req"]
        interval, market = wanted["interval"], self._coin(wanted)
        if interval not in INTERVALS:
            raise ValueError(interval)
        end_ms = int(wanted.get("endTime") or self._market.now_ms())
        bars = market.candles(interval, int(wanted["startTime"]), end_ms, self._market.now_ms())
        return [wire.candle(market.coin, interval, bar) for bar in bars]

    def _recent_trades(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """Newest first."""
        now, market = self._market.now_ms(), self._coin(body)
        rows = market.trades_from(market.last_id(now) - self._recent + 1, self._recent, now)
        return [wire.trade(market, row) for row in reversed(rows)]
