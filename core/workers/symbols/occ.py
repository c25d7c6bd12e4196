"""Options of the United States, as the Options Clearing Corporation writes them (OSI, 2010): `SPXW  230111C02400000`.

Root, padded with blanks to six characters (some vendors: to eight), or not padded at all; year, month, day of expiry, two
digits each; C or P; the strike in thousandths of a dollar, eight digits. The last fifteen characters have fixed places, so a
root may hold digits (adjusted contracts: AAPL7) or a dot (BRK.B).
"""

import re

from core.workers.symbols.symbol import Right, Symbol, UnderlyingKind, UnknownSymbol, day, strike_of, words

VENUE = "OPRA"
#: option class → the index it is written on; other classes of an index bear its own name
CLASSES = {
    "SPXW": "SPX",
    "SPXPM": "SPX",
    "NDXP": "NDX",
    "RUTW": "RUT",
    "VIXW": "VIX",
    "MRUT": "MRUT",
    "DJXW": "DJX",
    "XSPW": "XSP",
}
INDEXES = words("SPX XSP NDX XND RUT MRUT VIX DJX OEX XEO DAX FTSE ESTX50 N225 HSI CBTX MXEA MXEF SOX HGX OSX XAU UTY NANOS")
#: ticker → the share's first ticker, which padded records of old (QuantConnect's) name as underlying, and their last year
RENAMED = {"GOOG": ("GOOCV", 2016)}

_ROOT = re.compile(r"[A-Z][A-Z0-9.]{0,7}")
#: an option on a future: the root is the future's code with its day, `ES20H20`
_ON_FUTURE = re.compile(r"([A-Z0-9]{1,3}?)\d\d[FGHJKMNQUVXZ]\d\d")


def parse(text: str, venue: str = VENUE) -> Symbol | None:
    if len(text) < 16 or not (text[-8:].isdigit() and text[-15:-9].isdigit() and text[-9] in "CP" and text.isascii()):
        return None
    padded = text[:-15]
    root = padded.rstrip(" ")
    if _ROOT.fullmatch(root) is None:
        return None
    expiry = day(2000 + int(text[-15:-13]), int(text[-13:-11]), int(text[-11:-9]))
    if expiry is None:
        raise UnknownSymbol(text, venue, f"there is no day {text[-15:-9]}")
    strike = strike_of(int(text[-8:]) / 1000, text, venue)
    underlying, kind = _underlying(root, padded != root, expiry.year)
    right: Right = "C" if text[-9] == "C" else "P"
    return Symbol(text, venue, "option", underlying, root, "USD", expiry, strike, right, underlying_kind=kind)


def _underlying(root: str, padded: bool, year: int) -> tuple[str, UnderlyingKind]:
    """What the class is written on, and of which kind it is.

    A padded record is the clearing house's and names the class (SPXW on SPX). The compact form is used by quote vendors,
    whose lists name the class itself as the underlying: Cboe's tables do. `root` is the class in both.
    """
    index = CLASSES.get(root, root)
    if index in INDEXES:
        return (index if padded else root), "index"
    if padded and (found := _ON_FUTURE.fullmatch(root)):
        return found[1], "future"
    first, until = RENAMED.get(root, (root, 0))
    return (first if padded and year <= until else root), "stock"
