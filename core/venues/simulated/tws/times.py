"""Times as the protocol writes them: `YYYYMMDD HH:MM:SS US/Eastern`, epoch seconds, `YYYYMMDD-HH:MM:SS` in UTC."""

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.venues.simulated.tws.wire import Malformed

ZONE_NAME = "US/Eastern"
#: the name that every time zone database has
_ZONE = ZoneInfo("America/New_York")
_CLOSED_DAYS_SHOWN = 6


def local_text(at_ms: int) -> str:
    """E.g. `20261121 09:30:00 US/Eastern`."""
    return f"{datetime.fromtimestamp(at_ms // 1000, _ZONE):%Y%m%d %H:%M:%S} {ZONE_NAME}"


def utc_text(at_ms: int) -> str:
    """E.g. `20261121-14:30:00`."""
    return f"{datetime.fromtimestamp(at_ms // 1000, UTC):%Y%m%d-%H:%M:%S}"


def day_text(at_ms: int) -> str:
    """The day of a bar that is a day or longer."""
    return f"{datetime.fromtimestamp(at_ms // 1000, UTC):%Y%m%d}"


def connection_text(at_ms: int) -> str:
    """The second field of the handshake's answer."""
    return f"{datetime.fromtimestamp(at_ms // 1000, _ZONE):%Y%m%d %H:%M:%S} EST"


def clock_text(at_ms: int) -> str:
    """Hours and minutes, as account updates have them."""
    return f"{datetime.fromtimestamp(at_ms // 1000, _ZONE):%H:%M}"


def parse(text: str) -> int | None:
    """Unix ms of a time in a request; None when empty. Raises Malformed."""
    if not text:
        return None
    if text.isdigit() and len(text) > 8:
        return int(text) * 1000
    parts = text.replace("-", " ", 1).split()
    zone: tzinfo = UTC if "-" in text[:9] else _ZONE
    try:
        if len(parts) > 2:
            zone = UTC if parts[2] in ("UTC", "GMT") else ZoneInfo(parts[2])
        form = "%Y%m%d %H:%M:%S" if len(parts) > 1 else "%Y%m%d"
        moment = datetime.strptime(" ".join(parts[:2]), form).replace(tzinfo=zone)
    except (ValueError, ZoneInfoNotFoundError):
        raise Malformed(f"Invalid date/time or time zone: {text[:40]!r}") from None
    return int(moment.timestamp()) * 1000


def hours_text(at_ms: int, is_open: bool) -> str:
    """`tradingHours` of today and the days after: around the clock, or closed."""
    today = datetime.fromtimestamp(at_ms // 1000, _ZONE).date()
    days = [today + timedelta(days=n) for n in range(_CLOSED_DAYS_SHOWN)]
    if is_open:
        return ";".join(f"{day:%Y%m%d}:0000-{day + timedelta(days=1):%Y%m%d}:0000" for day in days)
    return ";".join(f"{day:%Y%m%d}:CLOSED" for day in days)
