"""The venue's REST side, `/api/v3/…`: parameters checked, weights counted and errors worded as the real one does.

Rules: github.com/binance/binance-spot-api-docs, rest-api.md and errors.md.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from aiohttp import web

from core.base.clock import Clock
from core.domain.instrument import INSTRUMENTS
from core.venues.simulated import wire
from core.venues.simulated.faults import Faults
from core.venues.simulated.intervals import INTERVALS
from core.venues.simulated.request_weight import LIMIT_PER_MINUTE, Refusal, RequestWeight
from core.venues.simulated.source import MarketSource

#: times asked for are cut to the year 2100
_LAST_MS = 4_102_444_800_000
#: how often a request in a black hole looks whether it is over
_DARK_POLL_S = 0.02
#: wordings of the errors that a fault may ask for
_WORDS = {-1021: "Timestamp for this request was 1000ms ahead of the server's time."}

Params = dict[str, str]
Body = bytes | str


class ApiError(Exception):
    """An error answer with the venue's own code."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


@dataclass(frozen=True, slots=True)
class Endpoint:
    answer: Callable[[Params], Body]
    parameters: tuple[str, ...]
    weight: Callable[[Params], int]


def _flat(weight: int) -> Callable[[Params], int]:
    return lambda _: weight


def _depth_weight(params: Params) -> int:
    limit = int(params.get("limit", "100"))
    return 5 if limit <= 100 else 25 if limit <= 500 else 50 if limit <= 1_000 else 250


def _ticker_weight(one: int, all_symbols: int) -> Callable[[Params], int]:
    return lambda params: one if "symbol" in params else all_symbols


class Rest:
    """Answers requests from a market source."""

    def __init__(self, source: MarketSource, faults: Faults, clock: Clock) -> None:
        self._source = source
        self._faults = faults
        self._clock = clock
        self._weights: dict[str, RequestWeight] = {}
        self.calls: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        paged = ("symbol", "fromId", "startTime", "endTime", "limit")
        self._endpoints = {
            "ping": Endpoint(lambda _: b"{}", (), _flat(1)),
            "time": Endpoint(self._time, (), _flat(1)),
            "exchangeInfo": Endpoint(
                self._exchange_info, ("symbol", "symbols", "permissions", "showPermissionSets", "symbolStatus"), _flat(20)
            ),
            "klines": Endpoint(self._klines, ("symbol", "interval", "startTime", "endTime", "timeZone", "limit"), _flat(2)),
            "aggTrades": Endpoint(self._agg_trades, paged, _flat(4)),
            "trades": Endpoint(self._recent_trades, ("symbol", "limit"), _flat(25)),
            "historicalTrades": Endpoint(self._historical_trades, ("symbol", "limit", "fromId"), _flat(25)),
            "depth": Endpoint(self._depth, ("symbol", "limit"), _depth_weight),
            "ticker/24hr": Endpoint(self._day, ("symbol", "symbols", "type"), _ticker_weight(2, 80)),
            "ticker/price": Endpoint(self._price, ("symbol", "symbols"), _ticker_weight(2, 4)),
            "ticker/bookTicker": Endpoint(self._book_ticker, ("symbol", "symbols"), _ticker_weight(2, 4)),
        }

    def routes(self) -> list[web.RouteDef]:
        return [web.route("*", "/api/v3/{path:.*}", self._handle)]

    def stats(self) -> dict[str, object]:
        return {
            "rest_calls": dict(self.calls),
            "rest_statuses": {str(status): count for status, count in self.statuses.items()},
            "weight_used": {address: budget.used for address, budget in self._weights.items()},
            "bans": sum(budget.bans for budget in self._weights.values()),
        }

    async def _handle(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        self.calls[path] += 1
        while self._faults.is_dark(asyncio.get_running_loop().time()):  # noqa: ASYNC110 - faults know no loop
            await asyncio.sleep(_DARK_POLL_S)
        response = self._respond(path, request)
        self.statuses[response.status] += 1
        return response

    def _respond(self, path: str, request: web.Request) -> web.Response:
        if self._faults.http_failing(asyncio.get_running_loop().time()):
            return self._failure(self._faults.http_status, self._faults.retry_after)
        endpoint = self._endpoints.get(path)
        if endpoint is None:
            return web.Response(
                status=404, text="<html><body><h2>404 Not found</h2></body></html>", content_type="text/html"
            )
        if request.method != "GET":
            return _error(-1000, f"Request method '{request.method}' is not supported.", 405, {})
        params = dict(request.query)
        weights = self._weights.setdefault(request.remote or "", RequestWeight())
        try:
            weight = endpoint.weight(params)
        except ValueError:
            weight = 1
        refusal = weights.spend(weight, self._clock.now_ms())
        headers = {"X-MBX-USED-WEIGHT": str(weights.used), "X-MBX-USED-WEIGHT-1M": str(weights.used)}
        if refusal is not None:
            return _refused(refusal, headers)
        try:
            self._check_names(endpoint, params)
            body = endpoint.answer(params)
        except ApiError as error:
            return _error(error.code, str(error), error.status, headers)
        return _json(body, 200, headers)

    def _failure(self, status: int, retry_after: int | None) -> web.Response:
        headers = {"Retry-After": str(retry_after)} if retry_after is not None else {}
        if code := self._faults.api_code:
            return _error(code, _WORDS.get(code, "An error of the fault's own."), status, headers)
        if status in (418, 429):
            until = self._clock.now_ms() + 1000 * (retry_after or 0)
            text = f"Way too much request weight used; IP banned until {until}." if status == 418 else "Too many requests."
            return _error(-1003, text, status, headers)
        if status == 451:
            text = "Service unavailable from a restricted location according to 'b. Eligibility'."
            return _error(0, text, status, headers)
        return web.Response(status=status, text="<html>unavailable</html>", content_type="text/html", headers=headers)

    def _check_names(self, endpoint: Endpoint, params: Params) -> None:
        known = sum(name in endpoint.parameters for name in params)
        if known < len(params):
            raise ApiError(-1101, f"Too many parameters; expected '{known}' and received '{len(params)}'.")

    # parameters

    def _symbol(self, params: Params) -> str:
        symbol = params.get("symbol", "")
        if not symbol:
            raise ApiError(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        if (
            not symbol.isascii()
            or not symbol.replace("-", "").replace("_", "").replace(".", "").isalnum()
            or len(symbol) > 20
        ):
            raise ApiError(-1100, "Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,20}$'.")
        if symbol not in self._source.symbols:
            raise ApiError(-1121, "Invalid symbol.")
        return symbol

    def _number(self, params: Params, name: str) -> int | None:
        text = params.get(name)
        if text is None:
            return None
        if not text.isascii() or not text.isdigit() or len(text) > 20:
            raise ApiError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
        return int(text)

    def _limit(self, params: Params, default: int, most: int) -> int:
        limit = self._number(params, "limit")
        if limit == 0:
            raise ApiError(-1130, "Data sent for parameter 'limit' is not valid.")
        return min(limit or default, most)

    def _span(self, params: Params) -> tuple[int | None, int | None]:
        start, end = (
            min(moment, _LAST_MS) if moment is not None else None
            for moment in (self._number(params, "startTime"), self._number(params, "endTime"))
        )
        if start is not None and end is not None and end < start:
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        return start, end

    def _symbols(self, params: Params) -> tuple[list[str], bool]:
        """The symbols asked for, and whether it was one by name (whose answer is no list)."""
        if "symbol" in params and "symbols" in params:
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        if "symbol" in params:
            return [self._symbol(params)], True
        if "symbols" in params:
            try:
                names = msgspec.json.decode(params["symbols"], type=list[str])
            except msgspec.DecodeError:
                raise ApiError(-1100, "Illegal characters found in parameter 'symbols'.") from None
            return [self._symbol({"symbol": name}) for name in names], False
        return list(self._source.symbols), False

    # answers

    def _time(self, _: Params) -> Body:
        return f'{{"serverTime":{self._source.now_ms() + self._faults.skew_ms}}}'

    def _exchange_info(self, params: Params) -> Body:
        symbols, _ = self._symbols(params)
        minute = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": LIMIT_PER_MINUTE}
        return msgspec.json.encode(
            {
                "timezone": "UTC",
                "serverTime": self._source.now_ms() + self._faults.skew_ms,
                "rateLimits": [minute],
                "exchangeFilters": [],
                "symbols": [_symbol_info(symbol) for symbol in symbols],
            }
        )

    def _klines(self, params: Params) -> Body:
        symbol = self._symbol(params)
        interval = params.get("interval", "")
        if not interval:
            raise ApiError(-1102, "Mandatory parameter 'interval' was not sent, was empty/null, or malformed.")
        if interval not in INTERVALS:
            raise ApiError(-1120, "Invalid interval.")
        start, end = self._span(params)
        candles = self._source.candles(symbol, interval, start, end, self._limit(params, 500, 1_000))
        return msgspec.json.encode([wire.kline_row(bar) for bar in candles])

    def _agg_trades(self, params: Params) -> Body:
        symbol, limit = self._symbol(params), self._limit(params, 500, 1_000)
        from_id = self._number(params, "fromId")
        start, end = self._span(params)
        if from_id is not None and (start is not None or end is not None):
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        rows = self._source.agg_trades(symbol, from_id, start, end, limit)
        return msgspec.json.encode([wire.agg_trade_row(row) for row in rows])

    def _recent_trades(self, params: Params) -> Body:
        rows = self._source.trades(self._symbol(params), None, self._limit(params, 500, 1_000))
        return msgspec.json.encode([wire.trade_row(row) for row in rows])

    def _historical_trades(self, params: Params) -> Body:
        symbol, limit = self._symbol(params), self._limit(params, 500, 1_000)
        rows = self._source.trades(symbol, self._number(params, "fromId"), limit)
        return msgspec.json.encode([wire.trade_row(row) for row in rows])

    def _depth(self, params: Params) -> Body:
        symbol = self._symbol(params)
        depth = self._source.depth(symbol, self._limit(params, 100, 5_000))
        if not (depth.bids and depth.asks):
            raise ApiError(-1000, "The recording does not tell the book so far from its snapshot.", 503)
        return wire.depth_body(depth)

    def _day(self, params: Params) -> Body:
        symbols, single = self._symbols(params)
        rows = [wire.statistics(s, self._source.day(s), self._source.depth(s, 1)) for s in symbols]
        return msgspec.json.encode(rows[0] if single else rows)

    def _price(self, params: Params) -> Body:
        symbols, single = self._symbols(params)
        rows = [{"symbol": s, "price": wire.decimal(self._source.day(s).close)} for s in symbols]
        return msgspec.json.encode(rows[0] if single else rows)

    def _book_ticker(self, params: Params) -> Body:
        symbols, single = self._symbols(params)
        names = ("symbol", "bidPrice", "bidQty", "askPrice", "askQty")
        rows = []
        for symbol in symbols:
            body = wire.statistics(symbol, self._source.day(symbol), self._source.depth(symbol, 1))
            rows.append({name: body[name] for name in names})
        return msgspec.json.encode(rows[0] if single else rows)


def _symbol_info(symbol: str) -> dict[str, object]:
    instrument = INSTRUMENTS.get(symbol)
    base, quote = (instrument.base, instrument.quote) if instrument else (symbol[:-4], symbol[-4:])
    tick = wire.decimal(round((instrument.tick_size if instrument else 1e-8) * wire.E8))
    lot = wire.decimal(round((instrument.lot_size if instrument else 1e-8) * wire.E8))
    return {
        "symbol": symbol,
        "status": "TRADING",
        "baseAsset": base,
        "baseAssetPrecision": 8,
        "quoteAsset": quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "9000.00000000", "stepSize": lot},
            {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
    }


def _json(body: Body, status: int, headers: dict[str, str]) -> web.Response:
    data = body.encode() if isinstance(body, str) else body
    return web.Response(status=status, body=data, content_type="application/json", charset="UTF-8", headers=headers)


def _error(code: int, message: str, status: int, headers: dict[str, str]) -> web.Response:
    return _json(msgspec.json.encode({"code": code, "msg": message}), status, headers)


def _refused(refusal: Refusal, headers: dict[str, str]) -> web.Response:
    if refusal.until_ms:
        text = f"Way too much request weight used; IP banned until {refusal.until_ms}."
    else:
        text = f"Too much request weight used; current limit is {LIMIT_PER_MINUTE} request weight per 1 MINUTE."
    text += " Please use WebSocket Streams for live updates to avoid polling the API."
    return _error(-1003, text, refusal.status, headers | {"Retry-After": str(refusal.retry_after_s)})
