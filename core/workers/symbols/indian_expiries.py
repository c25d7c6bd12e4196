"""On which day an Indian index or stock contract of a month expires.

The last weekday of its kind in the month, or the trading day before where that is a holiday (NSE, Equity derivatives,
Contract specifications). Which weekday, by circulars of NSE and BSE:
* NSE: Thursday from the start; Tuesday for contracts that expire from 1 September 2025 (SEBI circular of 26 May 2025).
  BANKNIFTY Wednesday 2024-03…2024-12, FINNIFTY Tuesday 2021-10…2024-12, MIDCPNIFTY Monday 2023-08…2024-12, NIFTYNXT50
  Friday 2024-04…2024-12; all of them Thursday again from January 2025.
* BSE: SENSEX and BANKEX Friday from May 2023, BANKEX Monday from October 2023; SENSEX, BANKEX, SENSEX50 Tuesday from
  January 2025; everything Thursday from September 2025. A month before the first entry of its row is one whose rule is
  not known here: UnknownSymbol.
"""

from calendar import monthrange
from datetime import date, timedelta
from functools import lru_cache

MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY = range(5)

#: exchange → underlying (or "" for all others) → (first contract month, weekday), oldest first
WEEKDAYS: dict[str, dict[str, tuple[tuple[tuple[int, int], int], ...]]] = {
    "NSE": {
        "": (((2000, 6), THURSDAY), ((2025, 9), TUESDAY)),
        "BANKNIFTY": (((2005, 6), THURSDAY), ((2024, 3), WEDNESDAY), ((2025, 1), THURSDAY), ((2025, 9), TUESDAY)),
        "FINNIFTY": (((2021, 1), THURSDAY), ((2021, 10), TUESDAY), ((2025, 1), THURSDAY), ((2025, 9), TUESDAY)),
        "MIDCPNIFTY": (((2023, 8), MONDAY), ((2025, 1), THURSDAY), ((2025, 9), TUESDAY)),
        "NIFTYNXT50": (((2024, 4), FRIDAY), ((2025, 1), THURSDAY), ((2025, 9), TUESDAY)),
    },
    "BSE": {
        "": (((2025, 9), THURSDAY),),
        "SENSEX": (((2000, 6), THURSDAY), ((2023, 5), FRIDAY), ((2025, 1), TUESDAY), ((2025, 9), THURSDAY)),
        "BANKEX": (((2023, 5), FRIDAY), ((2023, 10), MONDAY), ((2025, 1), TUESDAY), ((2025, 9), THURSDAY)),
        "SENSEX50": (((2024, 1), THURSDAY), ((2025, 1), TUESDAY), ((2025, 9), THURSDAY)),
    },
}

#: national holidays of every year, (month, day): all that is known of years whose list is not published yet
FIXED_HOLIDAYS = frozenset(((1, 26), (4, 14), (5, 1), (8, 15), (10, 2), (12, 25)))

#: trading holidays on weekdays beside the fixed ones, year → (month, day) (lists published by NSE; BSE keeps the same)
HOLIDAYS: dict[int, frozenset[tuple[int, int]]] = {
    2019: frozenset(
        ((3, 4), (3, 21), (4, 17), (4, 19), (4, 29), (6, 5), (8, 12), (9, 2), (9, 10), (10, 8), (10, 21), (10, 28), (11, 12))
    ),
    2020: frozenset(((2, 21), (3, 10), (4, 2), (4, 6), (4, 10), (5, 25), (11, 16), (11, 30))),
    2021: frozenset(
        ((3, 11), (3, 29), (4, 2), (4, 21), (5, 13), (7, 21), (8, 19), (9, 10), (10, 15), (11, 4), (11, 5), (11, 19))
    ),
    2022: frozenset(((3, 1), (3, 18), (4, 15), (5, 3), (8, 9), (8, 31), (10, 5), (10, 24), (10, 26), (11, 8))),
    2023: frozenset(((3, 7), (3, 30), (4, 4), (4, 7), (6, 29), (9, 19), (10, 24), (11, 14), (11, 27))),
    2024: frozenset(
        ((1, 22), (3, 8), (3, 25), (3, 29), (4, 11), (4, 17), (5, 20), (6, 17), (7, 17), (11, 1), (11, 15), (11, 20))
    ),
    2025: frozenset(((2, 26), (3, 14), (3, 31), (4, 10), (4, 18), (8, 27), (10, 21), (10, 22), (11, 5))),
    2026: frozenset(((1, 15), (3, 3), (3, 26), (3, 31), (4, 3), (5, 28), (6, 26), (9, 14), (10, 20), (11, 10), (11, 24))),
}


def is_trading_day(day: date) -> bool:
    """Neither a weekend nor a known holiday of NSE and BSE."""
    named = (day.month, day.day)
    return day.weekday() < 5 and named not in FIXED_HOLIDAYS and named not in HOLIDAYS.get(day.year, ())


@lru_cache(maxsize=4096)
def monthly_expiry(exchange: str, underlying: str, year: int, month: int) -> date | None:
    """Last trading day of the contract month; None where the exchange's rule for it is not known. `exchange`: NSE or BSE."""
    rows = WEEKDAYS[exchange]
    rule = rows.get(underlying, rows[""])
    weekday = next((weekday for since, weekday in reversed(rule) if since <= (year, month)), None)
    if weekday is None:
        return None
    last = date(year, month, monthrange(year, month)[1])
    expiry = last - timedelta(days=(last.weekday() - weekday) % 7)
    while not is_trading_day(expiry):
        expiry -= timedelta(days=1)
    return expiry
