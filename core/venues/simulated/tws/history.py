"""Historical requests: bar sizes, durations, and the answers to them, made of the market. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.venues.simulated import intervals
from core.venues.simulated.intervals import DAY, HOUR, MINUTE, SECOND
from core.venues.simulated.noise import Ints
from core.venues.simulated.tws import layouts, times
from core.venues.simulated.tws.market import Bar, Quote, StockMarket, Trade, price_text
from core.venues.simulated.tws.wire import Malformed, Value, frame, values_of

_UNITS = {"sec": SECOND, "min": MINUTE, "hour": HOUR}
_SIZES = {"sec": (1, 5, 10, 15, 30), "min": (1, 2, 3, 5, 10, 15, 20, 30), "hour": (1, 2, 3, 4, 8)}
_DURATIONS = {"S": SECOND, "D": DAY, "W": 7 * DAY, "M": 30 * DAY, "Y": 365 * DAY}
_CALENDAR = {"1 day": "1d", "1 week": "1w", "1W": "1w", "1 month": "1M", "1M": "1M"}
WHATS = ("TRADES", "MIDPOINT", "BID", "ASK", "BID_ASK", "ADJUSTED_LAST")
#: more bars than this are refused in one request
MAX_BARS = 20_000
MAX_TICKS = 1_000
_CHUNK = 600


@dataclass(frozen=True, slots=True)
class BarSize:
    """`interval` is the name of one that begins on the calendar (day, week, month); "" for those that divide the day."""

    size_ms: int
    interval: str = ""

    def opens(self, first_ms: int, last_ms: int) -> Ints:
        """Opens of the bars that contain anything of the span, in order."""
        first = self.floor(first_ms)
        if self.interval:
            return intervals.bar_opens(self.interval, first, self.floor(last_ms))
        return np.arange(first, last_ms + 1, self.size_ms, dtype=np.int64)

    def floor(self, at_ms: int) -> int:
        return intervals.floor_open(self.interval, at_ms) if self.interval else at_ms // self.size_ms * self.size_ms


def parse_bar_size(text: str) -> BarSize:
    """E.g. `5 secs`, `1 min`, `1 day`. Raises Malformed on what the venue does not have."""
    if text in _CALENDAR:
        name = _CALENDAR[text]
        return BarSize(intervals.FIXED_MS.get(name, 30 * DAY), name)
    count, _, unit = text.partition(" ")
    unit = unit.removesuffix("s")
    if unit in _UNITS and count.isdigit() and int(count) in _SIZES[unit]:
        return BarSize(int(count) * _UNITS[unit])
    raise Malformed(f"Historical data bar size setting is invalid: {text[:20]!r}")


def parse_duration(text: str) -> int:
    """Milliseconds of e.g. `3600 S`, `2 D`. Raises Malformed."""
    count, _, unit = text.partition(" ")
    if unit not in _DURATIONS or not count.isdigit() or not int(count):
        raise Malformed(f"Historical data query duration is invalid: {text[:20]!r}")
    return int(count) * _DURATIONS[unit]


def bar_date(open_ms: int, size: BarSize, format_date: int) -> str:
    if size.interval:
        return times.day_text(open_ms)
    return str(open_ms // 1000) if format_date == 2 else times.local_text(open_ms)


def bars_of(market: StockMarket, size: BarSize, from_ms: int, until_ms: int) -> Iterator[list[Bar]]:
    """Bars of a span that have a trade, some at a time, so that others may have their turn."""
    opens = size.opens(max(from_ms, market.first_ms), until_ms)
    for start in range(0, len(opens), _CHUNK):
        part = opens[start : start + _CHUNK]
        last = until_ms if start + _CHUNK >= len(opens) else int(opens[start + _CHUNK]) - 1
        yield [bar for bar in market.bars(part, size.size_ms, last) if bar.trades]


def bar_values(bar: Bar, date: str, what: str) -> dict[str, Value]:
    """A bar as fields. What is not of trades has the trades' prices and, as the venue has it, -1 for volume and count."""
    volumes = what in ("TRADES", "ADJUSTED_LAST")
    return {
        "date": date,
        "open": price_text(bar.open),
        "high": price_text(bar.high),
        "low": price_text(bar.low),
        "close": price_text(bar.close),
        "volume": bar.volume if volumes else -1,
        "average": f"{bar.average:.4f}" if volumes else -1,
        "barCount": bar.trades if volumes else -1,
    }


def history_frame(req_id: int, start: str, end: str, rows: list[dict[str, Value]], version: int) -> bytes:
    fields = values_of(layouts.HISTORY, version, {"reqId": req_id, "start": start, "end": end, "count": len(rows)})
    for row in rows:
        fields += values_of(layouts.HISTORY_BAR, version, row)
    return frame(fields)


def ticks_frame(
    market: StockMarket, req_id: int, what: str, span: tuple[int | None, int | None], count: int, now_ms: int, version: int
) -> bytes:
    """Up to about `count` ticks from the start of the span on, or the last before its end; no second is cut in two.

    Raises Malformed on a request the venue refuses.
    """
    from_ms, end_ms = span
    if from_ms is None and end_ms is None:
        raise Malformed("Failed to request historical ticks: no start and no end date")
    if not 1 <= count <= MAX_TICKS or what not in ("TRADES", "BID_ASK", "MIDPOINT"):
        raise Malformed(f"Failed to request historical ticks: {count} of {what[:20]!r}")
    until = now_ms if end_ms is None else min(end_ms - 1, now_ms)
    ticks = _collect(market, what, from_ms, until, count)
    head, row = _TICK_LAYOUTS[what]
    fields = values_of(head, version, {"reqId": req_id, "count": len(ticks)})
    for tick in ticks:
        fields += values_of(row, version, tick_values(tick, what))
    return frame([*fields, "1"])


_TICK_LAYOUTS = {
    "TRADES": (layouts.TICKS_LAST, layouts.TICK_LAST),
    "BID_ASK": (layouts.TICKS_BID_ASK, layouts.TICK_BID_ASK),
    "MIDPOINT": (layouts.TICKS_MIDPOINT, layouts.TICK_MIDPOINT),
}


def tick_values(tick: Trade | Quote, what: str) -> dict[str, Value]:
    """A trade or quote as fields; the venue's ticks have whole seconds."""
    time = tick.ts_ms // 1000
    if isinstance(tick, Trade):
        return {"time": time, "price": price_text(tick.price), "size": tick.size, "exchange": tick.exchange}
    if what == "MIDPOINT":
        return {"time": time, "price": midpoint_text(tick)}
    bid, ask = price_text(tick.bid), price_text(tick.ask)
    return {"time": time, "bid": bid, "ask": ask, "bidSize": tick.bid_size, "askSize": tick.ask_size}


def midpoint_text(quote: Quote) -> str:
    return f"{(quote.bid + quote.ask) / 200:.3f}"


def _collect(market: StockMarket, what: str, from_ms: int | None, until: int, count: int) -> list[Trade | Quote]:
    """Ticks in order of time, from the start on or back from the end."""
    forward = from_ms is not None
    ticks: list[Trade | Quote] = []
    at_ms = max(from_ms, market.first_ms) if from_ms is not None else until
    while market.first_ms <= at_ms <= until and len(ticks) < count:
        block = market.block(at_ms)
        found: list[Trade] | list[Quote] = block.trades if what == "TRADES" else block.quotes
        part = [tick for tick in found if tick.ts_ms <= until and (from_ms is None or tick.ts_ms >= from_ms)]
        ticks = [*ticks, *part] if forward else [*part, *ticks]
        at_ms = block.end_ms if forward else block.start_ms - 1
    if len(ticks) <= count:
        return ticks
    if forward:
        edge = ticks[count - 1].ts_ms // 1000
        return [tick for tick in ticks if tick.ts_ms // 1000 <= edge]
    edge = ticks[-count].ts_ms // 1000
    return [tick for tick in ticks if tick.ts_ms // 1000 >= edge]
