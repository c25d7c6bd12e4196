"""Days on which NSE's and BSE's contracts really expired, or are listed to."""

from datetime import date

import pytest

from core.workers.symbols.indian_expiries import is_trading_day, monthly_expiry


@pytest.mark.parametrize(
    ("exchange", "underlying", "expiry"),
    [
        ("NSE", "NIFTY", date(2020, 12, 31)),
        ("NSE", "NIFTY", date(2023, 1, 25)),  # the 26th is Republic Day
        ("NSE", "NIFTY", date(2023, 3, 29)),  # Ram Navami on Thursday
        ("NSE", "NIFTY", date(2023, 6, 28)),  # Bakri Id moved to Thursday
        ("NSE", "BANKNIFTY", date(2024, 2, 29)),
        ("NSE", "BANKNIFTY", date(2024, 3, 27)),
        ("NSE", "BANKNIFTY", date(2024, 12, 24)),  # Christmas on Wednesday
        ("NSE", "BANKNIFTY", date(2025, 1, 30)),
        ("NSE", "FINNIFTY", date(2024, 3, 26)),
        ("NSE", "MIDCPNIFTY", date(2023, 11, 24)),  # Guru Nanak on Monday
        ("NSE", "MIDCPNIFTY", date(2024, 3, 22)),  # Holi on Monday
        ("NSE", "NIFTYNXT50", date(2024, 5, 31)),
        ("NSE", "RELIANCE", date(2025, 8, 28)),
        ("NSE", "RELIANCE", date(2025, 9, 30)),
        ("NSE", "NIFTY", date(2026, 3, 30)),  # Mahavir Jayanti on Tuesday
        ("NSE", "NIFTY", date(2026, 11, 23)),  # Guru Nanak on Tuesday
        ("NSE", "NIFTY", date(2029, 12, 24)),  # Christmas on Tuesday
        ("BSE", "SENSEX", date(2023, 5, 26)),
        ("BSE", "BANKEX", date(2023, 10, 30)),
        ("BSE", "SENSEX", date(2025, 8, 26)),
        ("BSE", "SENSEX", date(2025, 12, 24)),  # Christmas on Thursday
        ("BSE", "SENSEX", date(2026, 5, 27)),  # Bakri Id on Thursday
        ("BSE", "FOCIT", date(2026, 8, 27)),
    ],
)
def test_the_months_expiry(exchange: str, underlying: str, expiry: date) -> None:
    assert monthly_expiry(exchange, underlying, expiry.year, expiry.month) == expiry


@pytest.mark.parametrize(
    ("exchange", "underlying", "year", "month"),
    [("NSE", "MIDCPNIFTY", 2022, 6), ("BSE", "RELIANCE", 2025, 8), ("BSE", "BANKEX", 2020, 1), ("NSE", "NIFTY", 2000, 5)],
)
def test_a_month_whose_rule_is_not_known_has_no_expiry(exchange: str, underlying: str, year: int, month: int) -> None:
    assert monthly_expiry(exchange, underlying, year, month) is None


def test_weekends_and_holidays_are_no_trading_days() -> None:
    assert not is_trading_day(date(2026, 11, 21))
    assert not is_trading_day(date(2026, 11, 24))
    assert not is_trading_day(date(2030, 8, 15))
    assert is_trading_day(date(2026, 11, 25))
