"""Level I data of one subscription: the prices and sizes that differ from what the client has. Live, or 15 minutes late."""

from core.venues.simulated.tws import layouts, messages
from core.venues.simulated.tws.market import StockMarket, price_text
from core.venues.simulated.tws.subscriptions import Subscription
from core.venues.simulated.tws.wire import encode

DELAY_MS = 15 * 60_000
_RT_VOLUME, _LAST_TIME, _DELAYED_LAST_TIME = 48, 45, 88
#: which size goes with a price
_SIZE_OF = {"bid": "bid", "ask": "ask", "last": "last"}


def ticks_of(market: StockMarket, s: Subscription, now_ms: int) -> list[bytes]:
    """Frames for everything that changed; remembers it as sent."""
    at_ms = now_ms - DELAY_MS if s.is_delayed else now_ms
    prices, sizes, last_ms = _values(market, at_ms)
    price_types = messages.DELAYED_TICKS if s.is_delayed else messages.LIVE_TICKS
    size_types = messages.DELAYED_SIZES if s.is_delayed else messages.LIVE_SIZES
    version, frames = s.client.version, []
    for name, value in prices.items():
        size = sizes[name] if name in _SIZE_OF else 0
        if _differs(s, price_types[name], value):
            frames.append(messages.price_tick(s.req_id, price_types[name], value, size, version))
    for name, value in sizes.items():
        if _differs(s, size_types[name], value):
            frames.append(messages.size_tick(s.req_id, size_types[name], value, version))
    time_type = _DELAYED_LAST_TIME if s.is_delayed else _LAST_TIME
    if _differs(s, time_type, last_ms):
        time = str(last_ms // 1000)
        frames.append(encode(layouts.TICK_STRING, version, reqId=s.req_id, tickType=time_type, value=time))
        if s.rt_volume and not s.is_delayed:
            average = market.day(at_ms)[0].average
            text = f"{price_text(prices['last'])};{sizes['last']};{last_ms};{sizes['volume']};{average:.4f};true"
            frames.append(encode(layouts.TICK_STRING, version, reqId=s.req_id, tickType=_RT_VOLUME, value=text))
    return frames


def _differs(s: Subscription, tick_type: int, value: int) -> bool:
    if s.sent.get(tick_type) == value:
        return False
    s.sent[tick_type] = value
    return True


def _values(market: StockMarket, at_ms: int) -> tuple[dict[str, int], dict[str, int], int]:
    """Prices (ticks) and sizes by name at a moment, and when the last trade was."""
    quote, last = market.quote_at(at_ms), market.last_trade(at_ms)
    day, close = market.day(at_ms)
    prices = {
        "bid": quote.bid, "ask": quote.ask, "last": last.price, "high": day.high, "low": day.low, "close": close,
        "open": day.open,
    }  # fmt: skip
    sizes = {"bid": quote.bid_size, "ask": quote.ask_size, "last": last.size, "volume": day.volume}
    return prices, sizes, last.ts_ms
