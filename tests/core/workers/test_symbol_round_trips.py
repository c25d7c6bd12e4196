"""Contracts written as their venue writes them, and read back."""

from datetime import date, timedelta

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from core.workers.symbols.indian_expiries import monthly_expiry
from core.workers.symbols.symbol import MONTH_CODES, MONTH_NAMES, AmbiguousSymbol, Symbol, UnknownSymbol
from core.workers.universal_symbol_parser import parse

TODAY = date(2026, 11, 21)
DAYS = st.dates(date(2010, 1, 1), date(2031, 12, 31))
RIGHTS = st.sampled_from("CP")
LETTERS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=6)
COINS = st.from_regex(r"[A-Z0-9]{2,8}", fullmatch=True)


def number(strike: float) -> str:
    return f"{strike:.3f}".rstrip("0").rstrip(".")


def facts(symbol: Symbol) -> tuple[object, ...]:
    return symbol.kind, symbol.underlying, symbol.expiry, symbol.strike, symbol.right


@given(st.from_regex(r"[A-Z][A-Z0-9]{0,5}", fullmatch=True), DAYS, st.integers(1, 99_999_999), RIGHTS, st.booleans())
def test_occ(root: str, expiry: date, thousandths: int, right: str, padded: bool) -> None:
    text = f"{root.ljust(6) if padded else root}{expiry:%y%m%d}{right}{thousandths:08}"
    symbol = parse(text, "OPRA", TODAY)
    assert (symbol.root, symbol.expiry, symbol.strike, symbol.right) == (root, expiry, thousandths / 1000, right)
    # nobody else reads it so
    assert parse(text, None, TODAY) == symbol


@given(COINS, st.sampled_from(["", "_USDC"]), DAYS, st.integers(1, 900_000_000), RIGHTS)
def test_deribit(coin: str, quote: str, expiry: date, thousandths: int, right: str) -> None:
    strike = thousandths / 1000
    day = f"{expiry.day}{MONTH_NAMES[expiry.month - 1]}{expiry:%y}"
    future = f"{coin}{quote}-{day}"
    assert facts(parse(future, None, TODAY)) == ("future", coin, expiry, None, None)
    option = parse(f"{future}-{number(strike).replace('.', 'd')}-{right}", None, TODAY)
    assert facts(option) == ("option", coin, expiry, strike, right)
    assert option.quote == (quote[1:] or coin)


@given(COINS, DAYS, st.sampled_from(["USDT", "USDC"]))
def test_binance_delivery(coin: str, expiry: date, quote: str) -> None:
    linear = parse(f"{coin}{quote}_{expiry:%y%m%d}", None, TODAY)
    assert (linear.venue, linear.quote, *facts(linear)) == ("BINANCE_USDM", quote, "future", coin, expiry, None, None)
    inverse = parse(f"{coin}USD_{expiry:%y%m%d}", None, TODAY)
    assert (inverse.venue, inverse.quote, inverse.underlying) == ("BINANCE_COINM", "USD", coin)


@given(COINS, st.sampled_from(["USDT", "USDC", "BTC", "ETH", "FDUSD", "TRY", "EUR"]))
def test_binance_spot(coin: str, quote: str) -> None:
    assume(not (quote == "EUR" and coin.endswith("A")))
    symbol = parse(coin + quote, "binance", TODAY)
    assert (symbol.underlying, symbol.quote, symbol.kind) == (coin, quote, "spot")


@given(
    st.from_regex(r"[A-Z0-9&-]{0,8}[A-Z&-]", fullmatch=True),
    st.dates(date(2025, 9, 1), date(2031, 12, 31)),
    st.integers(1, 20_000_000),
    RIGHTS,
    st.sampled_from(["NFO", "BFO", "NSE"]),
)
@example("BAJAJ-AUTO", date(2026, 8, 1), 900_000, "C", "NFO")
@example("M&M", date(2029, 12, 1), 5, "P", "BFO")
def test_indian_monthly(underlying: str, month: date, twentieths: int, right: str, segment: str) -> None:
    assume(underlying.encode().isascii())
    exchange = "BSE" if segment == "BFO" else "NSE"
    expiry = monthly_expiry(exchange, underlying, month.year, month.month)
    stem = f"{underlying}{month:%y}{MONTH_NAMES[month.month - 1]}"
    strike = twentieths / 20
    symbol = parse(f"{segment}:{stem}{number(strike)}{right}E", None, TODAY)
    assert facts(symbol) == ("option", underlying, expiry, strike, right)
    assert parse(f"{stem}FUT", segment, TODAY).expiry == expiry


@given(
    st.sampled_from(["NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "NIFTYNXT50", "SENSEX", "SENSEX50", "BANKEX"]),
    st.dates(date(2019, 1, 1), date(2027, 12, 31)),
    st.integers(1, 200_000),
    RIGHTS,
)
@example("NIFTY", date(2019, 1, 1), 64240, "C")  # read further to the right the strike would be 0
def test_indian_weekly(underlying: str, expiry: date, strike: int, right: str) -> None:
    code = "123456789OND"[expiry.month - 1]
    text = f"{underlying}{expiry:%y}{code}{expiry:%d}{strike}{right}E"
    try:
        symbol = parse(text, None, TODAY)
    except AmbiguousSymbol as error:
        assert (underlying, expiry) in [(c.underlying, c.expiry) for c in error.candidates]  # noqa: PT017 - both are right
    else:
        assert facts(symbol) == ("option", underlying, expiry, float(strike), right)


@given(st.from_regex(r"[A-Z0-9]{0,2}[A-Z]", fullmatch=True), st.sampled_from(MONTH_CODES), st.integers(2025, 2031))
def test_ib_future_codes(root: str, code: str, year: int) -> None:
    for digits in (str(year)[-1], str(year)[-2:]):
        symbol = parse(f"{root}{code}{digits}", "CME", TODAY)
        assert (symbol.kind, symbol.underlying, symbol.root) == ("future", root, root)
        assert symbol.month == f"{year}-{MONTH_CODES.index(code) + 1:02}"


@given(
    st.text(max_size=45),
    st.sampled_from([None, "binance", "NFO", "NSE", "BFO", "SMART", "CME", "DERIBIT", "OPRA", "ibkr", "?"]),
)
def test_any_text_gives_a_symbol_or_one_of_the_two_named_errors(text: str, venue: str | None) -> None:
    try:
        symbol = parse(text, venue, TODAY)
    except (UnknownSymbol, AmbiguousSymbol):
        return
    assert symbol.underlying
    assert symbol.strike is None or symbol.strike > 0


REAL = (
    "NIFTY2690123950CE",
    "M&M26AUG3000PE",
    "SENSEX5026O0177000CE",
    "BANKEX26SEPFUT",
    "SPXW  230111C02400000",
    "SPY230929C00100000",
    "BTC-23JUL21-55000-C",
    "XRP_USDC-30JUN23-0d625-C",
    "ETH_USDC-PERPETUAL",
    "BTCUSDT_210924",
    "BTCUSD_PERP",
    "BTC-240628-60000-C",
    "SHIBUSDT",
    "EX2G3 P4080",
    "C OEXD 20261218 50 M",
    "FMEU 20240129 D",
    "AH_20240221",
    "ISP   24L20",
    "DVM3  JN24",
    "MESM6",
    "YM   JUN 23",
    "EUR.USD",
    "BF B",
    "FCHZ24_C7000",
    "DVIP40000L",
    "NFO:NIFTY26AUG23000.5CE",
)
VENUES = [
    None,
    "binance",
    "BINANCE_USDM",
    "BINANCE_OPTIONS",
    "NFO",
    "NSE",
    "BFO",
    "SMART",
    "CME",
    "EUREX",
    "MEXDER",
    "NYBOT",
    "DERIBIT",
    "OPRA",
    "CBOE",
    "ibkr",
    "kite",
]


@settings(max_examples=300)
@given(
    st.sampled_from(REAL),
    st.sampled_from(VENUES),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2), st.sampled_from("0019 -_.:dACPEFUTJN&é")), max_size=5),
)
def test_a_real_symbol_with_slips_gives_a_symbol_or_one_of_the_two_named_errors(
    text: str, venue: str | None, slips: list[tuple[int, int, str]]
) -> None:
    for place, removed, added in slips:
        text = text[:place] + added + text[place + removed :]
    try:
        symbol = parse(text, venue, TODAY)
    except (UnknownSymbol, AmbiguousSymbol):
        return
    assert symbol.underlying
    assert symbol.root
    assert symbol.strike is None or symbol.strike > 0
    assert (symbol.right is None) or symbol.kind == "option"


@given(st.dates(date(2019, 1, 1), date(2031, 12, 31)), st.sampled_from(["NSE", "BSE"]))
def test_a_monthly_expiry_is_a_trading_day_within_a_week_of_the_months_end_or_just_before(
    month: date, exchange: str
) -> None:
    expiry = monthly_expiry(exchange, "SENSEX" if exchange == "BSE" else "NIFTY", month.year, month.month)
    assert expiry is not None
    assert expiry.weekday() < 5
    assert (expiry.year, expiry.month) == (month.year, month.month)
    assert (expiry + timedelta(days=12)).month != month.month
