"""When there is something to expect: a contract's trading hours, and the nightly reset of IB's servers."""

import datetime
import logging
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

logger = logging.getLogger(__name__)

_EASTERN = "America/New_York"
#: IB's names of zones that the zone database does not know
_ZONES = {"EST": _EASTERN, "EST5EDT": _EASTERN, "EDT": _EASTERN, "US/Eastern": _EASTERN, "CST": "America/Chicago"}
_DAY_MS = 86_400_000


def zone(name: str) -> datetime.tzinfo:
    """A time zone by IB's name; US/Eastern's winter time where the machine has no zone database."""
    wanted = _ZONES.get(name, name) or _EASTERN
    try:
        return ZoneInfo(wanted)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        logger.warning("time zone %r is not known on this machine, UTC-5 is used", name)
        return datetime.timezone(datetime.timedelta(hours=-5))


class TradingHours(msgspec.Struct, frozen=True):
    """Sessions as (open, close), and the span of which they are known, in Unix ms."""

    sessions: tuple[tuple[int, int], ...] = ()
    known: tuple[int, int] | None = None

    @classmethod
    def parse(cls, text: str, zone_name: str) -> "TradingHours":
        """`20180323:0400-20180323:2000;20180324:CLOSED;…` (`liquidHours`); what is not understood is skipped."""
        where = zone(zone_name)
        sessions: list[tuple[int, int]] = []
        edges: list[int] = []
        for part in text.split(";"):
            start, dash, end = part.strip().partition("-")
            try:
                if dash:
                    sessions.append((_moment(start, where), _moment(end, where)))
                    edges += sessions[-1]
                edges.append(_moment(f"{start[:8]}:0000", where))
                if not dash:
                    edges.append(edges[-1] + _DAY_MS)
            except ValueError:
                continue
        return cls(tuple(sorted(sessions)), (min(edges), max(edges)) if edges else None)

    def is_closed(self, now_ms: int) -> bool:
        """Whether the market is known to be closed: nothing can be expected then."""
        if self.known is None or not self.known[0] <= now_ms < self.known[1]:
            return False
        return not any(start <= now_ms < end for start, end in self.sessions)


def _moment(text: str, where: datetime.tzinfo) -> int:
    at = datetime.datetime.strptime(text.strip(), "%Y%m%d:%H%M").replace(tzinfo=where)
    return round(at.timestamp() * 1000)


class ResetWindow:
    """The nightly reset: an outage that begins in it is expected to last until its end, and is a fault after that."""

    def __init__(self, begins: str, minutes: int) -> None:
        """`begins`: US/Eastern, `HH:MM`. Raises ValueError for anything else."""
        self._begins = datetime.datetime.strptime(begins, "%H:%M").time()  # noqa: DTZ007 - a time of day, its zone is Eastern
        self._length = datetime.timedelta(minutes=minutes)
        self._zone = zone(_EASTERN)

    def end_of(self, began_ms: int) -> int | None:
        """Unix ms until which an outage that began then is expected; None when it began outside of the window."""
        began = datetime.datetime.fromtimestamp(began_ms / 1000, self._zone)
        for day in (began.date(), began.date() - datetime.timedelta(days=1)):
            opens = datetime.datetime.combine(day, self._begins, self._zone)
            if opens <= began < opens + self._length:
                return round((opens + self._length).timestamp() * 1000)
        return None

    def words(self, began_ms: int, now_ms: int) -> str:
        """`expected outage until 00:45 US/Eastern`, or an empty text when the outage is none or has lasted too long."""
        end_ms = self.end_of(began_ms)
        if end_ms is None or now_ms >= end_ms:
            return ""
        return f"expected outage until {datetime.datetime.fromtimestamp(end_ms / 1000, self._zone):%H:%M} US/Eastern"
