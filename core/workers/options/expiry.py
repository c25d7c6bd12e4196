"""At which moment an option expires: its day and its venue's hour.

* Deribit: 08:00 UTC (Deribit, "Contract introduction policy").
* Binance: 08:00 UTC (Binance, "Options contract specifications").
* NSE and BSE: 15:30 in India, the end of trading whose closing price settles (NSE, "Equity derivatives, Contract
  specifications" and "Market timings").
* United States: 16:00 in New York, the close that shares and PM-settled indices are settled by; the AM-settled classes of
  Cboe's indices by the opening at 09:30 (Cboe, "SPX options product specification"; SPXW and the other weekly classes
  bear names of their own and are PM-settled).
* Eurex: 12:00 in Frankfurt, the end of the average that index options are settled by (Eurex, "Equity index derivatives").
"""

from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

_UTC_8 = (UTC, time(8))
_INDIA = (timezone(timedelta(hours=5, minutes=30), "IST"), time(15, 30))
_NEW_YORK = ZoneInfo("America/New_York")

#: venue → zone and hour; every other one lists options of the United States
_HOURS: dict[str, tuple[tzinfo, time]] = {
    "DERIBIT": _UTC_8,
    "BINANCE_OPTIONS": _UTC_8,
    "NSE": _INDIA,
    "NFO": _INDIA,
    "BSE": _INDIA,
    "BFO": _INDIA,
    "EUREX": (ZoneInfo("Europe/Berlin"), time(12)),
    "DTB": (ZoneInfo("Europe/Berlin"), time(12)),
}
_UNITED_STATES = (_NEW_YORK, time(16))
_AM_SETTLED = (_NEW_YORK, time(9, 30))
#: option classes that the opening settles
AM_CLASSES = frozenset(("SPX", "NDX", "RUT", "DJX", "VIX", "VIXW", "MXEA", "MXEF", "SOX", "HGX", "OSX", "XAU", "UTY"))


@lru_cache(maxsize=65_536)
def expiry_ms(venue: str, root: str, day: date) -> int:
    """Unix ms of the expiry of an option class `root` (SPXW) on `day`, its last day; `venue` as `Symbol` has it."""
    zone, hour = _HOURS.get(venue) or (_AM_SETTLED if root in AM_CLASSES else _UNITED_STATES)
    return round(datetime.combine(day, hour, zone).timestamp() * 1000)
