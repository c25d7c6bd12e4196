"""Binance Spot's JSON: payloads of stream events and bodies of REST answers, key order as the venue's.

Layouts: github.com/binance/binance-spot-api-docs, web-socket-streams.md and rest-api.md. Numbers come as whole multiples
of 1e-8 and leave as strings with eight decimals.
"""

from collections.abc import Iterable

import msgspec

from core.venues.simulated.source import AggTradeRow, Candle, Depth, Level, TradeRow

E8 = 100_000_000


def decimal(value: int) -> str:
    """Eight decimals, e.g. 268380000000 → 2683.80000000."""
    if value < 0:
        return f"-{decimal(-value)}"
    return f"{value // E8}.{value % E8:08d}"


def parse_decimal(text: str) -> int:
    """The inverse of `decimal`, exact. Raises ValueError on anything but a plain decimal with up to eight decimals."""
    whole, _, fraction = text.partition(".")
    if not whole.lstrip("-").isascii() or not whole.lstrip("-").isdigit() or len(fraction) > 8:
        raise ValueError(f"not a decimal: {text[:40]!r}")
    size = int(whole.lstrip("-")) * E8 + (int(fraction.ljust(8, "0")) if fraction else 0)
    return -size if whole.startswith("-") else size


def _bool(value: bool) -> str:
    return "true" if value else "false"


def trade_event(symbol: str, event_ms: int, row: TradeRow) -> str:
    return (
        f'{{"e":"trade","E":{event_ms},"s":"{symbol}","t":{row[0]},"p":"{decimal(row[1])}","q":"{decimal(row[2])}",'
        f'"T":{row[3]},"m":{"true" if row[4] else "false"},"M":true}}'
    )


def agg_trade_event(symbol: str, event_ms: int, row: AggTradeRow) -> str:
    return (
        f'{{"e":"aggTrade","E":{event_ms},"s":"{symbol}","a":{row.agg_id},"p":"{decimal(row.price)}",'
        f'"q":"{decimal(row.quantity)}","f":{row.first_id},"l":{row.last_id},"T":{row.ts_ms},'
        f'"m":{_bool(row.is_buyer_maker)},"M":true}}'
    )


def book_ticker_event(symbol: str, update_id: int, bid: Level, ask: Level) -> str:
    return (
        f'{{"u":{update_id},"s":"{symbol}","b":"{decimal(bid[0])}","B":"{decimal(bid[1])}",'
        f'"a":"{decimal(ask[0])}","A":"{decimal(ask[1])}"}}'
    )


def _levels(levels: Iterable[Level]) -> str:
    return ",".join(f'["{decimal(price)}","{decimal(quantity)}"]' for price, quantity in levels)


def depth_event(
    symbol: str, event_ms: int, first_id: int, final_id: int, bids: Iterable[Level], asks: Iterable[Level]
) -> str:
    return (
        f'{{"e":"depthUpdate","E":{event_ms},"s":"{symbol}","U":{first_id},"u":{final_id},'
        f'"b":[{_levels(bids)}],"a":[{_levels(asks)}]}}'
    )


def depth_body(depth: Depth) -> str:
    return f'{{"lastUpdateId":{depth.last_update_id},"bids":[{_levels(depth.bids)}],"asks":[{_levels(depth.asks)}]}}'


def kline_event(symbol: str, interval: str, event_ms: int, bar: Candle, closed: bool) -> str:
    return (
        f'{{"e":"kline","E":{event_ms},"s":"{symbol}","k":{{"t":{bar.open_ms},"T":{bar.close_ms},"s":"{symbol}",'
        f'"i":"{interval}","f":{bar.first_id},"L":{bar.last_id},"o":"{decimal(bar.open)}","c":"{decimal(bar.close)}",'
        f'"h":"{decimal(bar.high)}","l":"{decimal(bar.low)}","v":"{decimal(bar.volume)}","n":{bar.trades},'
        f'"x":{_bool(closed)},"q":"{decimal(bar.quote_volume)}","V":"{decimal(bar.taker_volume)}",'
        f'"Q":"{decimal(bar.taker_quote_volume)}","B":"0"}}}}'
    )


def kline_row(bar: Candle) -> list[object]:
    return [
        bar.open_ms, decimal(bar.open), decimal(bar.high), decimal(bar.low), decimal(bar.close), decimal(bar.volume),
        bar.close_ms, decimal(bar.quote_volume), bar.trades, decimal(bar.taker_volume), decimal(bar.taker_quote_volume), "0",
    ]  # fmt: skip


def trade_row(row: TradeRow) -> dict[str, object]:
    price, quantity = row.price, row.quantity
    return {
        "id": row.trade_id,
        "price": decimal(price),
        "qty": decimal(quantity),
        "quoteQty": decimal(price * quantity // E8),
        "time": row.ts_ms,
        "isBuyerMaker": row.is_buyer_maker,
        "isBestMatch": True,
    }


def agg_trade_row(row: AggTradeRow) -> dict[str, object]:
    return {
        "a": row.agg_id,
        "p": decimal(row.price),
        "q": decimal(row.quantity),
        "f": row.first_id,
        "l": row.last_id,
        "T": row.ts_ms,
        "m": row.is_buyer_maker,
        "M": True,
    }


def statistics(symbol: str, day: Candle, top: Depth) -> dict[str, object]:
    """Body of `ticker/24hr`; `top` holds the best bid and ask."""
    change = day.close - day.open
    bid = top.bids[0] if top.bids else (0, 0)
    ask = top.asks[0] if top.asks else (0, 0)
    return {
        "symbol": symbol,
        "priceChange": decimal(change),
        "priceChangePercent": f"{100 * change / day.open if day.open else 0.0:.3f}",
        "weightedAvgPrice": decimal(day.quote_volume * E8 // day.volume if day.volume else 0),
        "prevClosePrice": decimal(day.open),
        "lastPrice": decimal(day.close),
        "lastQty": decimal(0),
        "bidPrice": decimal(bid[0]),
        "bidQty": decimal(bid[1]),
        "askPrice": decimal(ask[0]),
        "askQty": decimal(ask[1]),
        "openPrice": decimal(day.open),
        "highPrice": decimal(day.high),
        "lowPrice": decimal(day.low),
        "volume": decimal(day.volume),
        "quoteVolume": decimal(day.quote_volume),
        "openTime": day.open_ms,
        "closeTime": day.close_ms,
        "firstId": day.first_id,
        "lastId": day.last_id,
        "count": day.trades,
    }


_TICKER_KEYS = (
    ("p", "priceChange"), ("P", "priceChangePercent"), ("w", "weightedAvgPrice"), ("x", "prevClosePrice"),
    ("c", "lastPrice"), ("Q", "lastQty"), ("b", "bidPrice"), ("B", "bidQty"), ("a", "askPrice"), ("A", "askQty"),
    ("o", "openPrice"), ("h", "highPrice"), ("l", "lowPrice"), ("v", "volume"), ("q", "quoteVolume"),
    ("O", "openTime"), ("C", "closeTime"), ("F", "firstId"), ("L", "lastId"), ("n", "count"),
)  # fmt: skip


def ticker_event(event_ms: int, body: dict[str, object]) -> str:
    """The `24hrTicker` event with the numbers of a `ticker/24hr` body."""
    event: dict[str, object] = {"e": "24hrTicker", "E": event_ms, "s": body["symbol"]}
    event |= {short: body[name] for short, name in _TICKER_KEYS}
    return msgspec.json.encode(event).decode()
