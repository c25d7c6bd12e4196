"""Hyperliquid's layouts: values of the made market as the JSON that the venue sends.

Source: Hyperliquid docs, "Info endpoint" and "WebSocket / Subscriptions"; the recorded samples under `shared/data`.
"""

from typing import Any

from core.venues.simulated.hyperliquid.market import CoinMarket
from core.venues.simulated.instruments import E8
from core.venues.simulated.model_book import STEP_MS
from core.venues.simulated.noise import derive_key
from core.venues.simulated.source import Candle, Depth, Level, TradeRow

_NO_HASH = "0x" + "0" * 64


def decimal(value: int) -> str:
    """A multiple of 1e-8 as the venue writes it: no trailing zeros but for one decimal."""
    whole, part = divmod(value, E8)
    return f"{whole}.{part:08d}".rstrip("0") + ("0" if part == 0 else "")


def trade(market: CoinMarket, row: TradeRow) -> dict[str, Any]:
    return {
        "coin": market.coin,
        "side": "A" if row.is_buyer_maker else "B",
        "px": decimal(row.price),
        "sz": decimal(row.quantity),
        "time": row.ts_ms,
        "hash": _NO_HASH,
        "tid": market.tid(row.trade_id),
        "users": [f"0x{derive_key(row.trade_id, side):040x}" for side in ("buyer", "seller")],
    }


def book(coin: str, depth: Depth, time_ms: int) -> dict[str, Any]:
    return {"coin": coin, "time": time_ms, "levels": [_levels(depth.bids), _levels(depth.asks)]}


def bbo(coin: str, depth: Depth, time_ms: int) -> dict[str, Any]:
    """Either side is null when nothing rests there."""
    best = [_levels(side[:1]) for side in (depth.bids, depth.asks)]
    return {"coin": coin, "time": time_ms, "bbo": [side[0] if side else None for side in best]}


def candle(coin: str, interval: str, bar: Candle) -> dict[str, Any]:
    return {
        "t": bar.open_ms,
        "T": bar.close_ms,
        "s": coin,
        "i": interval,
        "o": decimal(bar.open),
        "c": decimal(bar.close),
        "h": decimal(bar.high),
        "l": decimal(bar.low),
        "v": decimal(bar.volume),
        "n": bar.trades,
    }


def mid(depth: Depth) -> str:
    """The middle of the best bid and ask."""
    return decimal((depth.bids[0][0] + depth.asks[0][0]) // 2)


def book_time(now_ms: int) -> int:
    """When the book that is known at `now_ms` stood."""
    return now_ms // STEP_MS * STEP_MS


def _levels(side: list[Level]) -> list[dict[str, Any]]:
    return [{"px": decimal(price), "sz": decimal(size), "n": 1 + size // E8 % 5} for price, size in side]
