"""Symbols per second: a tick stream's few thousand names from the cache, and the grammars alone."""

import time
from datetime import date, timedelta

from benchmarks.result import Result, publish
from core.base.clock import ManualClock
from core.workers.universal_symbol_parser import UniversalSymbolParser, parse

TODAY = date(2026, 11, 21)
NOW_MS = 1_795_219_200_000
ROUNDS = 300

Named = tuple[str, str | None]


def formats() -> dict[str, list[Named]]:
    """Every format with 400 names, as a tick would bring them."""
    days = [TODAY + timedelta(days=7 * week) for week in range(1, 41)]
    months = ["26DEC", "27JAN", "27FEB", "27MAR"]
    coins = ["BTC", "ETH", "SOL", "BNB", "XRP", "ADA", "DOT", "LTC", "LINK", "1INCH"]
    strikes = range(100, 1100, 100)
    indian = ("NIFTY", "M&M", "BAJAJ-AUTO", "360ONE")
    american = ("ES", "MES", "M6E", "NQ", "6E")
    return {
        "Binance": [(f"{c}{q}", "BINANCE_USDM") for c in coins for q in ("USDT", "USDC")]
        + [(f"{c}USDT_{d:%y%m%d}", "BINANCE_USDM") for c in coins for d in days[:38]],
        "Deribit": [(f"BTC-{d.day}{d:%b%y}-{s}-C".upper(), "DERIBIT") for d in days for s in strikes],
        "OCC": [(f"SPXW  {d:%y%m%d}P{s:05}000", "OPRA") for d in days for s in strikes],
        "Kite": [(f"NFO:{u}{m}{s}CE", None) for u in indian for m in months for s in range(100, 2600, 100)],
        "Interactive Brokers": [(f"{r}{m}{y}", "CME") for r in american for m in "FGHJKMNQUVXZ" for y in "567891"],
    }


def cached(names: list[Named]) -> float:
    parser = UniversalSymbolParser(ManualClock(NOW_MS))
    for text, venue in names:
        parser.parse(text, venue)
    start = time.perf_counter()
    for _ in range(ROUNDS):
        for text, venue in names:
            parser.parse(text, venue)
    took = time.perf_counter() - start
    assert parser.misses == len(set(names))
    return ROUNDS * len(names) / took


def bare_lookup(names: list[Named]) -> float:
    """The limit: a dictionary asked by name in the same loop."""
    known = dict.fromkeys(names, 1)
    start = time.perf_counter()
    for _ in range(ROUNDS):
        for text, venue in names:
            known.get((text, venue))
    return ROUNDS * len(names) / (time.perf_counter() - start)


def uncached(names: list[Named]) -> float:
    start = time.perf_counter()
    for _ in range(10):
        for text, venue in names:
            parse(text, venue, TODAY)
    return 10 * len(names) / (time.perf_counter() - start)


def run() -> list[Result]:
    by_format = formats()
    names = [name for group in by_format.values() for name in group]
    limit = bare_lookup(names)
    ours = cached(names)
    results = [
        Result("bare dictionary look-up", limit, "symbols/s"),
        Result("parser with its cache", ours, "symbols/s", "bare look-up", ours / limit, "≥ 500,000/s", ours >= 500_000),
        Result("parser without cache, all formats", uncached(names), "symbols/s"),
    ]
    return results + [
        Result(f"parser without cache, {name}", uncached(group), "symbols/s") for name, group in by_format.items()
    ]


if __name__ == "__main__":
    publish(run)
