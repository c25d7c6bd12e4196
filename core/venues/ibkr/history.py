"""The past of a stock from a TWS: bars and trades, within what the venue allows."""

from typing import Any

from core.base.errors import BadInput
from core.domain.market import Kline, Origin
from core.market.second_trades import Tick, by_second
from core.venues.connector import VenueRefused
from core.venues.ibkr.client import IbClient, epoch
from core.venues.ibkr.desk import Desk
from core.venues.ibkr.line import SymbolLine
from core.venues.ibkr.trade_flow import Wanted

#: our interval -> (IB's bar size, seconds)
SIZES: dict[str, tuple[str, int]] = {
    "5s": ("5 secs", 5),
    "1m": ("1 min", 60),
    "5m": ("5 mins", 300),
    "15m": ("15 mins", 900),
    "1h": ("1 hour", 3_600),
    "1d": ("1 day", 86_400),
}
TIMEOUT_S = 20.0
#: of the requests in ten minutes, so many are kept for trades that were missed
RESERVE = 15
#: trades a request gives at most
_PAGE = 1_000
#: pages of one fill; what is missing beyond is asked for in the next
_MOST_PAGES = 30
_DAY_S, _YEAR_DAYS = 86_400, 365


def duration_of(interval: str, rows: int) -> str:
    """IB's duration for at least `rows` bars: stocks trade 16 of 24 hours, on 5 of 7 days. Raises VenueRefused."""
    if interval not in SIZES:
        raise VenueRefused(f"IB has no bars of {interval}; it has {', '.join(SIZES)}")
    seconds = max(rows, 1) * SIZES[interval][1]
    if interval == "1d":
        days = rows * 7 // 5 + 5
    elif seconds * 3 // 2 <= _DAY_S // 2:
        return f"{max(60, seconds * 3 // 2)} S"
    else:
        days = seconds * 3 // 2 * 7 // 5 // _DAY_S + 3
    return f"{days} D" if days <= _YEAR_DAYS else f"{-(-days // _YEAR_DAYS)} Y"


def klines_of(symbol: str, interval: str, bars: list[Any], venue_ms: float) -> list[Kline]:
    """The library's bars as ours, oldest first. Raises BadInput for a bar that makes no sense."""
    step_ms = SIZES[interval][1] * 1000
    klines = []
    for bar in bars:
        try:
            open_ms = epoch(bar.date) * 1000
        except ValueError as error:
            raise BadInput(str(error)) from None
        if not 0 < bar.low <= bar.high:
            raise BadInput(f"absurd bar of {symbol}: {bar}")
        is_closed = open_ms + step_ms <= venue_ms
        event_ms = min(open_ms + step_ms, round(venue_ms))
        klines.append(
            Kline(
                symbol, interval, open_ms, bar.open, bar.high, bar.low, bar.close, max(0.0, float(bar.volume)),
                -1, -1, is_closed, event_ms, 0, Origin.REST,
            )
        )  # fmt: skip
    return klines


class History:
    """Requests on one connection."""

    def __init__(self, client: IbClient, desk: Desk) -> None:
        self._client = client
        self._desk = desk

    async def klines(self, line: SymbolLine, interval: str, rows: int) -> list[Kline]:
        """The newest bars. Raises VenueUnavailable, VenueRefused or BadInput."""
        duration = duration_of(interval, rows)
        size = SIZES[interval][0]
        await self._desk.history.spend(line.symbol, ("bars", size, duration), RESERVE)
        await self._desk.messages.spend()
        _, waiting = self._client.ask_history(line.contract, duration, size, keep=False)
        bars = await self._client.answer(waiting, TIMEOUT_S)
        self._desk.history.answered()
        return klines_of(line.symbol, interval, bars, self._desk.venue_s() * 1000)[-rows:]

    async def trades(self, line: SymbolLine, wanted: Wanted, shift: int) -> list[Tick]:
        """All trades of the wanted seconds, in order. Raises VenueUnavailable.

        `shift`: seconds to begin earlier, so that asking again is not an identical request.
        """
        found: dict[int, list[Tick]] = {}
        start = wanted.first - shift
        for _ in range(_MOST_PAGES):
            await self._desk.history.spend(line.symbol, ("trades", start))
            await self._desk.messages.spend()
            page = await self._client.historical_trades(line.contract, start, _PAGE, TIMEOUT_S)
            self._desk.history.answered()
            seconds = by_second([Tick(epoch(tick.time), tick.price, tick.size) for tick in page])
            found |= seconds
            if len(page) < _PAGE or not seconds or max(seconds) > wanted.last:
                break
            # the last second of a full page may be cut: it is asked for again, unless it is all there is
            start = max(seconds) if max(seconds) > start else start + 1
        return [tick for second in sorted(found) for tick in found[second] if second >= wanted.first]
