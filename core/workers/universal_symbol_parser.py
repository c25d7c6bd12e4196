"""From any venue's symbol to what it is.

A venue's own spelling is asked for. In lower case we read only what is told to be of a venue whose names all are upper case
(Binance's streams bear lower-case names: `ethusdt@trade`); Hyperliquid's and IB's names can differ in nothing but the case.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime

from core.base.clock import Clock, SystemClock
from core.workers.symbols import binance, deribit, hyperliquid, ibkr, india, occ
from core.workers.symbols.symbol import AmbiguousSymbol, Symbol, UnknownSymbol

CAPACITY = 65_536
#: longer texts are nobody's symbol
LONGEST = 40

#: other names of a venue → the name it has here
ALIASES = {
    "BINANCE_DELIVERY": binance.COINM,
    "BINANCE_FUTURES": binance.USDM,
    "OCC": occ.VENUE,
    "OCC_OSI": occ.VENUE,
    "OCC_COMPACT": occ.VENUE,
    "IB": ibkr.VENUE,
    "IB_LOCAL": ibkr.VENUE,
    "NSE_BHAVCOPY": "NSE",
    "BSE_BHAVCOPY": "BSE",
}
_KITE = ("KITE", "ZERODHA", "ZERODHA_KITE")


class UniversalSymbolParser:
    """Parses symbols of Binance, Deribit, Hyperliquid, NSE and BSE, OCC and Interactive Brokers.

    Keeps up to `capacity` answers in two generations: when the young one is full, the old one goes with all that nobody
    asked for since. `clock` gives the day that years of one digit and listing horizons are read from. Not for several
    threads at once: each worker has its own.
    """

    def __init__(self, clock: Clock | None = None, capacity: int = CAPACITY) -> None:
        self._clock = clock or SystemClock()
        self._generation = max(1, capacity // 2)
        self._young: dict[tuple[str, str | None], Symbol] = {}
        self._old: dict[tuple[str, str | None], Symbol] = {}
        self.misses = 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def parse(self, text: str, venue: str | None = None) -> Symbol:
        """The contract that `venue` (an exchange, a venue of ours, or None for not told) names by `text`.

        `text` may bring its venue: `NFO:NIFTY26AUGFUT`. Raises UnknownSymbol or AmbiguousSymbol, both BadInput.
        """
        known = self._young.get((text, venue))
        return known if known is not None else self._miss(text, venue)

    def _miss(self, text: str, venue: str | None) -> Symbol:
        symbol = self._old.pop((text, venue), None)
        if symbol is None:
            self.misses += 1
            symbol = parse(text, venue, datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC).date())
        if len(self._young) >= self._generation:
            self._young, self._old = {}, self._young
        self._young[text, venue] = symbol
        return symbol


def parse(text: str, venue: str | None, today: date) -> Symbol:
    """The same without memory; `today` in UTC."""
    if not text or len(text) > LONGEST:
        raise UnknownSymbol(text[:LONGEST], venue, "empty" if not text else f"longer than {LONGEST} characters")
    place = None if venue is None else ALIASES.get(venue.upper(), venue.upper())
    name = text
    if ":" in text:
        told, _, name = text.partition(":")
        if place not in (None, told, *_KITE):
            raise UnknownSymbol(text, venue, f"it says {told} itself")
        place = ALIASES.get(told, told)
    elif place in _KITE:
        place = None
    symbol = _of_any(name, venue, today) if not place else _of(place, name, today)
    if symbol is None and place in _UPPER_CASE and name.islower():
        symbol = _of(place, name.upper(), today)
    if symbol is None:
        raise UnknownSymbol(text, venue)
    return symbol


def _of(place: str, name: str, today: date) -> Symbol | None:
    grammar = _GRAMMARS.get(place)
    if grammar is not None:
        return grammar(name)
    if place in india.EXCHANGES:
        return _indian(name, place, today)
    if place in ibkr.STOCKS or place in ibkr.FUTURES or place in _IB_OTHERS:
        return ibkr.parse(name, place, today)
    raise UnknownSymbol(name, place, "no such venue")


def _indian(name: str, place: str, today: date) -> Symbol | None:
    symbol = ibkr.parse(name, place, today) if place == "NSE" else india.parse(name, place, today)
    return symbol or (india.parse_cash(name, place) if place in ("NSE", "BSE") else None)


def _of_any(name: str, venue: str | None, today: date) -> Symbol | None:
    """Every grammar is asked; more than one answer is too many. A refusal (31 February) counts where there is no answer."""
    readings: list[Symbol] = []
    refusal: UnknownSymbol | None = None
    for grammar in _ANYWHERE:
        try:
            reading = grammar(name, today)
        except AmbiguousSymbol as error:
            readings += error.candidates
        except UnknownSymbol as error:
            refusal = refusal or error
        else:
            readings += [] if reading is None else [reading]
    if len(readings) > 1:
        raise AmbiguousSymbol(name, venue, readings)
    if not readings and refusal is not None:
        raise refusal
    return readings[0] if readings else None


def _undated(grammar: Callable[[str], Symbol | None]) -> Callable[[str, date], Symbol | None]:
    """A grammar that no day matters to, asked like the others."""
    return lambda name, _today: grammar(name)


_GRAMMARS: dict[str, Callable[[str], Symbol | None]] = {
    "BINANCE": binance.parse_any,
    binance.SPOT: binance.parse_spot,
    binance.USDM: binance.parse_usdm,
    binance.COINM: binance.parse_coinm,
    binance.OPTIONS: binance.parse_option,
    deribit.VENUE: deribit.parse,
    hyperliquid.VENUE: hyperliquid.parse,
    occ.VENUE: occ.parse,
}
_ANYWHERE: tuple[Callable[[str, date], Symbol | None], ...] = (
    _undated(binance.parse_spot),
    _undated(binance.parse_usdm),
    _undated(binance.parse_coinm),
    _undated(binance.parse_option),
    _undated(deribit.parse),
    _undated(occ.parse),
    lambda name, today: india.parse(name, None, today),
    ibkr.parse_unplaced,
)
#: venues with no name in lower case
_UPPER_CASE = frozenset(_GRAMMARS) - {hyperliquid.VENUE} | frozenset(india.EXCHANGES)
#: exchanges of IB that list neither shares nor futures, and Cboe, which lists options and indices
_IB_OTHERS = frozenset((ibkr.VENUE, "IDEALPRO", "PAXOS", "ZEROHASH", "CBOE"))
