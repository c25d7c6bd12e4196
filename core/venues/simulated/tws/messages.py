"""What the server tells about market data and about itself, as frames. Pure."""

from core.venues.simulated.tws import layouts, times
from core.venues.simulated.tws.depth import Change
from core.venues.simulated.tws.history import bar_values, midpoint_text, tick_values
from core.venues.simulated.tws.market import Bar, Quote, Trade, price_text
from core.venues.simulated.tws.stocks import DEPTH_SERVICES, ORDER_TYPES, VALID_EXCHANGES, Stock
from core.venues.simulated.tws.wire import Layout, Value, encode, frame, values_of

BID, ASK = 1, 0
LAST, ALL_LAST, BID_ASK, MIDPOINT = "Last", "AllLast", "BidAsk", "MidPoint"
#: tick types of prices and sizes; delayed ones are the same with other numbers
LIVE_TICKS = {"bid": 1, "ask": 2, "last": 4, "high": 6, "low": 7, "close": 9, "open": 14}
LIVE_SIZES = {"bid": 0, "ask": 3, "last": 5, "volume": 8}
DELAYED_TICKS = {"bid": 66, "ask": 67, "last": 68, "high": 72, "low": 73, "close": 75, "open": 76}
DELAYED_SIZES = {"bid": 69, "ask": 70, "last": 71, "volume": 74}


def error(req_id: int, code: int, text: str, version: int) -> bytes:
    return encode(layouts.ERROR, version, reqId=req_id, code=code, text=text)


def contract_details(req_id: int, stock: Stock, exchange: str, at_ms: int, is_open: bool, version: int) -> bytes:
    hours = times.hours_text(at_ms, is_open)
    values = stock.contract() | {
        "reqId": req_id,
        "exchange": exchange or "SMART",
        "marketName": "NMS",
        "minTick": "0.01",
        "orderTypes": ORDER_TYPES,
        "validExchanges": ",".join(VALID_EXCHANGES),
        "longName": stock.long_name,
        "industry": stock.industry,
        "category": stock.category,
        "subcategory": stock.subcategory,
        "timeZoneId": times.ZONE_NAME,
        "tradingHours": hours,
        "liquidHours": hours,
        "secIdValue": stock.isin,
        "marketRuleIds": ",".join("26" for _ in VALID_EXCHANGES),
    }
    return encode(layouts.CONTRACT_DETAILS, version, **values)


def stream_tick(req_id: int, kind: str, tick: Trade | Quote, version: int) -> bytes:
    """One tick-by-tick message."""
    if isinstance(tick, Trade):
        number = 1 if kind == LAST else 2
        return encode(layouts.STREAM_LAST, version, reqId=req_id, tickType=number, **tick_values(tick, "TRADES"))
    if kind == MIDPOINT:
        return encode(layouts.STREAM_MIDPOINT, version, reqId=req_id, time=tick.ts_ms // 1000, price=midpoint_text(tick))
    return encode(layouts.STREAM_BID_ASK, version, reqId=req_id, **tick_values(tick, "BID_ASK"))


def depth_row(req_id: int, side: int, change: Change, is_smart: bool, version: int) -> bytes:
    """A row change: of the whole market with the venue that quotes, of one exchange without."""
    position, operation, row = change
    shape = layouts.DEPTH_L2 if is_smart else layouts.DEPTH
    maker: dict[str, Value] = {"marketMaker": row.maker, "isSmartDepth": True} if is_smart else {}
    return encode(
        shape, version, reqId=req_id, position=position, operation=int(operation), side=side,
        price=price_text(row.price), size=row.size, **maker,
    )  # fmt: skip


def depth_exchanges(version: int) -> bytes:
    fields = values_of(layouts.DEPTH_EXCHANGES, version, {"count": len(DEPTH_SERVICES)})
    for group, (exchange, service) in enumerate(DEPTH_SERVICES, 1):
        values: dict[str, Value] = {"exchange": exchange, "serviceDataType": service, "aggGroup": group}
        fields += values_of(layouts.DEPTH_EXCHANGE, version, values)
    return frame(fields)


def realtime_bar(req_id: int, bar: Bar, what: str, version: int) -> bytes:
    values = bar_values(bar, "", what)
    del values["date"]
    return encode(layouts.REALTIME_BAR, version, reqId=req_id, time=bar.open_ms // 1000, **values)


def history_update(req_id: int, bar: Bar, date: str, what: str, version: int) -> bytes:
    return encode(layouts.HISTORY_UPDATE, version, reqId=req_id, **bar_values(bar, date, what))


def price_tick(req_id: int, tick_type: int, ticks: int, size: int, version: int) -> bytes:
    return encode(layouts.TICK_PRICE, version, reqId=req_id, tickType=tick_type, price=price_text(ticks), size=size)


def size_tick(req_id: int, tick_type: int, size: int, version: int) -> bytes:
    return encode(layouts.TICK_SIZE, version, reqId=req_id, tickType=tick_type, size=size)


def of_id(shape: Layout, req_id: int, version: int) -> bytes:
    """A message that is only an id, such as the ends."""
    return encode(shape, version, reqId=req_id)
