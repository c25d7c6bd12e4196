"""What a worker knows of the symbols it has met."""

import zlib
from collections.abc import Iterable
from datetime import date
from typing import Any

import msgspec

from core.base.errors import BadInput
from core.storage.connection import TimedConnection
from core.workers.stream_names import SHARDS
from core.workers.symbols.symbol import Symbol, UnknownSymbol
from core.workers.universal_symbol_parser import UniversalSymbolParser

#: symbols kept; when there are more the book begins anew
CAPACITY = 200_000

#: the parser's reason for not knowing a venue
NO_SUCH_VENUE = "no such venue"

#: venue and text of a tick
Key = tuple[str, str]

_INSERT = """INSERT INTO worker_symbols (venue, text, kind, exchange, underlying, root, quote, expiry, month, strike, side,
underlying_kind, note) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (venue, text) DO NOTHING"""
_FIND = """SELECT s.venue, s.text, s.id FROM worker_symbols s
JOIN unnest(%s::text[], %s::text[]) AS wanted (venue, text) ON s.venue = wanted.venue AND s.text = wanted.text"""


class KnownSymbol(msgspec.Struct, frozen=True):
    """`option` is what the parser said of an option; None for what is none, or not understood."""

    id: int
    shard: int
    option: Symbol | None


def shard_of(text: str) -> int:
    """The shard of a symbol, the same on every machine."""
    return zlib.crc32(text.encode()) % SHARDS


class SymbolBook:
    """Venue and text -> what is known. Read by the loop, written by the thread that talks to Postgres."""

    def __init__(self, parser: UniversalSymbolParser) -> None:
        self._parser = parser
        self._known: dict[Key, KnownSymbol] = {}

    def get(self, key: Key) -> KnownSymbol | None:
        return self._known.get(key)

    def known(self, key: Key) -> KnownSymbol:
        """Raises KeyError."""
        return self._known[key]

    def learn(self, connection: TimedConnection, keys: Iterable[Key]) -> None:
        """Look symbols up in `worker_symbols`, and add those that are new. Raises psycopg.Error."""
        wanted = sorted(set(keys))
        ids = self._find(connection, wanted)
        missing = [key for key in wanted if key not in ids]
        if missing:
            with connection.transaction(), connection.cursor() as cursor:
                cursor.executemany(_INSERT, [_row(key, self._parser) for key in missing])
            ids |= self._find(connection, missing)
        if len(self._known) + len(ids) > CAPACITY:
            self._known = {}
        for key in wanted:
            symbol = _parsed(key, self._parser)[0]
            option = symbol if symbol is not None and symbol.kind == "option" else None
            self._known[key] = KnownSymbol(ids[key], shard_of(key[1]), option)

    def _find(self, connection: TimedConnection, keys: list[Key]) -> dict[Key, int]:
        venues, texts = [venue for venue, _ in keys], [text for _, text in keys]
        return {(venue, text): number for venue, text, number in connection.execute(_FIND, (venues, texts)).fetchall()}


def _parsed(key: Key, parser: UniversalSymbolParser) -> tuple[Symbol | None, str]:
    """What the parser says, or why it says nothing. The text alone may tell at a venue that nobody knows."""
    venue, text = key
    try:
        return parser.parse(text, venue or None), ""
    except UnknownSymbol as error:
        if venue and error.reason == NO_SUCH_VENUE:
            return _parsed(("", text), parser)
        return None, str(error)[:300]
    except BadInput as error:
        return None, str(error)[:300]


def _row(key: Key, parser: UniversalSymbolParser) -> tuple[Any, ...]:
    symbol, note = _parsed(key, parser)
    if symbol is None:
        return (*key, *(None,) * 10, note)
    expiry: date | None = symbol.expiry
    return (
        *key,
        symbol.kind,
        symbol.venue,
        symbol.underlying,
        symbol.root,
        symbol.quote,
        expiry,
        symbol.month,
        symbol.strike,
        symbol.right,
        symbol.underlying_kind,
        note,
    )
