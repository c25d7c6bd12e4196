"""Symbols of all venues: the truth table, the exchanges' own files, and what must be refused."""

import csv
import gzip
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from core.base.clock import ManualClock
from core.base.errors import BadInput
from core.workers.symbols.symbol import AmbiguousSymbol, UnknownSymbol
from core.workers.universal_symbol_parser import LONGEST, UniversalSymbolParser

#: 2026-11-21, in the reach of the table's years of one digit
NOW_MS = 1_795_219_200_000
#: the table's kinds → ours
KINDS = {"OPT": "option", "FOP": "option", "Option": "option", "IndexOption": "option", "FUT": "future", "STK": "stock"}
KINDS |= {"IND": "index", "CRYPTO": "spot"}


@pytest.fixture
def parser() -> UniversalSymbolParser:
    return UniversalSymbolParser(ManualClock(NOW_MS))


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    yield from csv.DictReader(text.splitlines())


def test_every_row_of_the_truth_table_parses_as_the_table_says(parser: UniversalSymbolParser, shared_data: Path) -> None:
    wrong, count = [], 0
    for row in read_rows(shared_data / "symbols" / "symbol_truth_table.csv.gz"):
        count += 1
        symbol = parser.parse(row["symbol"], row["exchange"] or None)
        told = [symbol.underlying, symbol.kind]
        expected = [row["underlying"], KINDS.get(row["kind"], row["kind"])]
        if row["exchange"]:
            told.append(symbol.venue)
            expected.append(row["exchange"])
        if row["kind"] in ("IndexOption", "FOP"):
            told.append(symbol.underlying_kind)
            expected.append("index" if row["kind"] == "IndexOption" else "future")
        if row["format"] != "ib_local":  # the table leaves these fields of IB's symbols empty, ours may be told
            told += [str(symbol.expiry or ""), "" if symbol.strike is None else str(symbol.strike), symbol.right or ""]
            expected += [row["expiry"], row["strike"], row["right"]]
        if told != expected:
            wrong.append((row["symbol"], told, expected))
    assert count == 1672
    assert wrong == []


def test_symbols_that_only_one_grammar_can_read_need_no_venue(parser: UniversalSymbolParser, shared_data: Path) -> None:
    for row in read_rows(shared_data / "symbols" / "symbol_truth_table.csv.gz"):
        if row["format"] in ("zerodha_kite", "nse_bhavcopy", "occ_compact", "occ_osi", "deribit"):
            symbol = parser.parse(row["symbol"])
            told = (symbol.underlying, str(symbol.expiry or ""), symbol.strike or "", symbol.right or "")
            assert told == (row["underlying"], row["expiry"], float(row["strike"]) if row["strike"] else "", row["right"])


def test_every_contract_of_the_bhavcopies_has_its_expiry_strike_and_right(
    parser: UniversalSymbolParser, shared_data: Path
) -> None:
    count = 0
    for path in sorted((shared_data / "options" / "nse_bhavcopy_fo").iterdir()):
        for row in read_rows(path):
            symbol = parser.parse(row["FinInstrmNm"], "NSE")
            count += 1
            assert (symbol.underlying, str(symbol.expiry)) == (row["TckrSymb"], row["XpryDt"]), row["FinInstrmNm"]
            assert symbol.kind == ("future" if row["FinInstrmTp"] in ("IDF", "STF") else "option")
            assert symbol.underlying_kind == ("index" if row["FinInstrmTp"] in ("IDF", "IDO") else "stock")
            if symbol.kind == "option":
                assert (symbol.strike, symbol.right) == (float(row["StrkPric"]), row["OptnTp"][0])
    assert count > 13_000


@pytest.mark.parametrize(
    ("text", "venue", "kind", "underlying", "quote"),
    [
        ("ETHUSDT", "binance", "spot", "ETH", "USDT"),
        ("ADAEUR", "BINANCE_SPOT", "spot", "ADA", "EUR"),
        ("BTCAEUR", "BINANCE_SPOT", "spot", "BTC", "AEUR"),
        ("BTCFDUSD", "BINANCE_SPOT", "spot", "BTC", "FDUSD"),
        ("USDTTRY", "BINANCE_SPOT", "spot", "USDT", "TRY"),
        ("1000SHIBUSDT", "BINANCE_USDM", "perpetual", "1000SHIB", "USDT"),
        ("BNBUSD_PERP", "BINANCE_COINM", "perpetual", "BNB", "USD"),
        ("ETH-PERP", "hyperliquid", "perpetual", "ETH", "USD"),
        ("kPEPE", "hyperliquid", "perpetual", "kPEPE", "USD"),
        ("AAPL", "ibkr", "stock", "AAPL", "USD"),
        ("EUR.USD", "IDEALPRO", "forex", "EUR", "USD"),
        ("29M", "ASX", "stock", "29M", ""),
        ("SPX", "CBOE", "index", "SPX", ""),
        ("M&M", "NSE", "stock", "M&M", "INR"),
        ("NIFTY 50", "NSE", "index", "NIFTY 50", "INR"),
        ("BTC_USDC", "DERIBIT", "spot", "BTC", "USDC"),
    ],
)
def test_what_is_no_dated_contract(
    parser: UniversalSymbolParser, text: str, venue: str, kind: str, underlying: str, quote: str
) -> None:
    symbol = parser.parse(text, venue)
    assert (symbol.kind, symbol.underlying, symbol.quote, symbol.expiry) == (kind, underlying, quote, None)


@pytest.mark.parametrize(
    ("text", "venue", "underlying", "expiry", "strike", "right"),
    [
        ("BFO:SENSEX5026O0177000CE", None, "SENSEX50", date(2026, 10, 1), 77000.0, "C"),
        ("NFO:NIFTY26N0323950PE", None, "NIFTY", date(2026, 11, 3), 23950.0, "P"),
        ("NFO:NIFTY26D0823950PE", "kite", "NIFTY", date(2026, 12, 8), 23950.0, "P"),
        ("NIFTY24AUG25000CE", "NSE", "NIFTY", date(2024, 8, 29), 25000.0, "C"),
        ("BANKNIFTY2480750000PE", "NSE", "BANKNIFTY", date(2024, 8, 7), 50000.0, "P"),
        ("NIFTY24D0524000CE", "NFO", "NIFTY", date(2024, 12, 5), 24000.0, "C"),
        ("NFO:360ONE26AUG1000CE", None, "360ONE", date(2026, 8, 25), 1000.0, "C"),
        ("XRP_USDC-30JUN23-0d625-C", "DERIBIT", "XRP", date(2023, 6, 30), 0.625, "C"),
        ("BTC-240628-60000-P", None, "BTC", date(2024, 6, 28), 60000.0, "P"),
        ("AAPL7 261218C00012500", None, "AAPL7", date(2026, 12, 18), 12.5, "C"),
        ("BRK.B   260206C00495000", None, "BRK.B", date(2026, 2, 6), 495.0, "C"),
        ("GOOG  270115C00200000", None, "GOOG", date(2027, 1, 15), 200.0, "C"),
        ("QQQ   270115P00500000", "SMART", "QQQ", date(2027, 1, 15), 500.0, "P"),
        ("C OEXD 20261218 50 M", "EUREX", "OEXD", date(2026, 12, 18), 50.0, "C"),
    ],
)
def test_options_with_traps_in_their_names(
    parser: UniversalSymbolParser, text: str, venue: str | None, underlying: str, expiry: date, strike: float, right: str
) -> None:
    symbol = parser.parse(text, venue)
    assert symbol.kind == "option"
    assert (symbol.underlying, symbol.expiry, symbol.strike, symbol.right) == (underlying, expiry, strike, right)


@pytest.mark.parametrize(
    ("text", "venue", "same_as"),
    [
        ("ethusdt", "binance", "ETHUSDT"),
        ("btcusd_261225", "BINANCE_COINM", "BTCUSD_261225"),
        ("btc-27dec24-60000-c", "deribit", "BTC-27DEC24-60000-C"),
        ("m&m26aug3000pe", "NFO", "M&M26AUG3000PE"),
        ("spxw  261218c06000000", "OPRA", "SPXW  261218C06000000"),
    ],
)
def test_lower_case_is_read_where_the_venue_has_no_names_in_it(
    parser: UniversalSymbolParser, text: str, venue: str, same_as: str
) -> None:
    assert parser.parse(text, venue) == parser.parse(same_as, venue)


def test_a_reading_that_cannot_be_is_left_out_where_another_can(parser: UniversalSymbolParser) -> None:
    # the last five digits as a strike of 0 after an expiry are no reading; the one that is left counts
    assert parser.parse("NIFTY1910164240CE").strike == 64240.0


def test_an_option_of_deribit_is_on_the_future_of_its_expiry(parser: UniversalSymbolParser) -> None:
    assert parser.parse("BTC-27DEC24-60000-C", "DERIBIT").underlying_kind == "future"
    assert parser.parse("SOL_USDC-27JUN25-150d5-C", "DERIBIT").underlying_kind == "future"


def test_an_option_on_an_ib_future_names_the_future_and_keeps_a_coded_strike(parser: UniversalSymbolParser) -> None:
    euro = parser.parse("6NZ4 P0655", "CME")
    assert (euro.underlying, euro.root, euro.strike, euro.right, euro.month) == ("6NZ4", "6N", 0.655, "P", "2024-12")
    assert parser.parse("OJF6 C1.3", "NYBOT").strike == 1.3
    assert parser.parse("DVIP40000L", "MEXDER").right == "C"
    assert parser.parse("DVIP40000X", "MEXDER").right == "P"


def test_a_year_of_one_digit_is_the_one_within_reach_of_today() -> None:
    def month(now_ms: int) -> str:
        return UniversalSymbolParser(ManualClock(now_ms)).parse("MESM6", "CME").month

    assert month(NOW_MS) == "2026-06"
    assert month(1_600_000_000_000) == ""  # September 2020: 2016 is over and 2026 not listed
    assert month(1_640_000_000_000) == "2026-06"  # December 2021


def test_the_product_of_an_ib_future_is_told_even_where_the_year_is_not(parser: UniversalSymbolParser) -> None:
    over = parser.parse("M6EH3", "CME")
    assert (over.underlying, over.root, over.month, over.kind) == ("M6EH3", "M6E", "", "future")
    live = parser.parse("ZN   DEC 26", "CBOT")
    assert (live.underlying, live.root, live.month) == ("ZN", "ZN", "2026-12")


def test_a_pair_that_two_markets_of_binance_list_is_ambiguous_and_names_both(parser: UniversalSymbolParser) -> None:
    with pytest.raises(AmbiguousSymbol, match=r"'ETHUSDT'.*BINANCE_SPOT spot ETH/USDT; BINANCE_USDM perpetual") as raised:
        parser.parse("ETHUSDT")
    assert {c.venue for c in raised.value.candidates} == {"BINANCE_SPOT", "BINANCE_USDM"}
    assert isinstance(raised.value, BadInput)


def test_digits_that_can_be_an_expiry_in_two_places_are_ambiguous_unless_an_index_is_named(
    parser: UniversalSymbolParser,
) -> None:
    with pytest.raises(AmbiguousSymbol) as raised:
        parser.parse("ABC16120105150CE")
    assert [c.underlying for c in raised.value.candidates] == ["ABC", "ABC161"]
    assert parser.parse("NIFTY16120105150CE").underlying == "NIFTY"


@pytest.mark.parametrize(
    ("text", "venue", "says"),
    [
        ("", None, "empty"),
        ("A" * (LONGEST + 1), None, "longer"),
        ("BTCUSDT", "MARS", "no such venue"),
        ("HELLO WORLD", None, "no grammar"),
        ("ethusdt", None, "no grammar"),
        ("ethUSDT", "binance", "no grammar"),
        ("kpepe", "ibkr", "no grammar"),
        ("mesm6", "CME", "no grammar"),
        ("USDT", "BINANCE_SPOT", "no grammar"),
        ("BTC-30FEB21", None, "no day"),
        ("BTC-030JUL21", None, "no grammar"),
        ("BTC-06AUG21-100-C", None, "no grammar"),
        ("BTCUSDT_210931", "BINANCE_USDM", "no day"),
        ("BTCUSDT_PERP", "BINANCE_USDM", "no grammar"),
        ("BTCUSD_210924", "BINANCE_USDM", "no grammar"),
        ("SPY230931C00100000", None, "no day"),
        ("SPY230929C00000000", None, "strike is 0"),
        ("SPY230929X00100000", None, "no grammar"),
        ("NIFTY99JAN100CE", None, "beyond"),
        ("NIFTY2610023000CE", None, "no grammar"),
        ("NIFTY26AUG0CE", None, "strike is 0"),
        ("NIFTY26AUG0.00CE", "NFO", "strike is 0"),
        ("BTC-30JUL21-0-C", None, "strike is 0"),
        ("XRP_USDC-30JUN23-0d0-C", "DERIBIT", "strike is 0"),
        ("BTC-240628-0-C", "BINANCE_OPTIONS", "strike is 0"),
        ("EX2G3 P0", "NYBOT", "strike is 0"),
        ("C OEXD 20261218 0 M", "EUREX", "strike is 0"),
        ("DVIP0L", "MEXDER", "strike is 0"),
        ("NIFTY2690100000CE", None, "no grammar"),
        ("NIFTY26AUG023000CE", None, "no grammar"),
        ("RELIANCE24AUGFUT", "BFO", "not known"),
        ("FMEU 20240132 D", "EUREX", "no day"),
        ("NFO:NIFTY26AUGFUT", "BFO", "says NFO itself"),
        ("NIFTY26AUG23000CE\n", "NFO", "no grammar"),
        ("ＮIFTY26AUG23000CE", "NFO", "no grammar"),
        ("SPY٢٣٠٩٢٩C00100000", None, "no grammar"),
    ],
)
def test_what_nobody_can_have_meant_is_refused_with_its_name_and_the_reason(
    parser: UniversalSymbolParser, text: str, venue: str | None, says: str
) -> None:
    with pytest.raises(UnknownSymbol, match=says) as raised:
        parser.parse(text, venue)
    assert repr(text[:LONGEST].partition(":")[2] or text[:LONGEST]) in str(raised.value) or repr(text) in str(raised.value)


def test_what_is_asked_for_stays_in_a_full_cache_and_the_rest_goes() -> None:
    parser = UniversalSymbolParser(ManualClock(NOW_MS), capacity=100)
    for number in range(1, 2_000):
        parser.parse("BTCUSDT", "BINANCE_SPOT")
        parser.parse(f"NIFTY26AUG{number}CE", "NFO")
        assert len(parser) <= 100
    assert parser.misses == 2_000


def test_answers_are_kept_per_venue_and_the_oldest_goes_when_the_cache_is_full() -> None:
    parser = UniversalSymbolParser(ManualClock(NOW_MS), capacity=2)
    spot = parser.parse("BTCUSDT", "BINANCE_SPOT")
    assert parser.parse("BTCUSDT", "BINANCE_SPOT") is spot
    assert parser.parse("BTCUSDT", "BINANCE_USDM").kind == "perpetual"
    assert (len(parser), parser.misses) == (2, 2)
    parser.parse("ETHUSDT", "BINANCE_SPOT")
    assert len(parser) == 2
    assert parser.parse("BTCUSDT", "BINANCE_SPOT") == spot
    assert parser.misses == 4


def test_a_refusal_is_not_kept(parser: UniversalSymbolParser) -> None:
    for _ in range(3):
        with pytest.raises(UnknownSymbol):
            parser.parse("nonsense")
    assert len(parser) == 0
