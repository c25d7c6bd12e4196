"""What is asked of the worker pool's tables. Each takes a connection and a moment."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from core.storage.connection import TimedConnection
from core.storage.tick_tables import INDICATOR_NAMES

_GREEKS = (
    "price",
    "underlying_price",
    "implied_volatility",
    "delta",
    "gamma",
    "vega",
    "theta",
    "rho",
    "vanna",
    "vomma",
)
#: whose option it is: the exchange that the symbol was read as one of, however its ticks spell it; else the ticks' venue
_VENUE = "coalesce(s.exchange, upper(s.venue))"
#: what makes two texts one contract: vendors pad an OCC symbol or do not, and ticks spell their venue as they like
_CONTRACT = "s.root, s.expiry, s.strike, s.side, CASE WHEN s.expiry IS NULL OR s.strike IS NULL THEN s.text END"
#: the newest Greeks of each contract: one look into the index per text and day
_CHAIN = f"""SELECT DISTINCT ON ({_VENUE}, {_CONTRACT}) s.text, {_VENUE}, coalesce(s.expiry::text, s.month), s.strike,
    s.side, g.volatility_state, (extract(epoch FROM g.ts) * 1000)::bigint, t.price, t.bid, t.ask,
    {", ".join(f"g.{name}" for name in _GREEKS)}
FROM worker_symbols s
CROSS JOIN LATERAL (SELECT * FROM worker_greeks WHERE symbol_id = s.id ORDER BY ts DESC, event_key LIMIT 1) g
JOIN worker_ticks t ON t.symbol_id = g.symbol_id AND t.ts = g.ts AND t.event_key = g.event_key
WHERE s.kind = 'option' AND s.underlying = %s ORDER BY {_VENUE}, {_CONTRACT}, g.ts DESC, s.text"""  # noqa: S608 - our own names
#: only options of which a chain is left: what was valued long ago goes with its day
_UNDERLYINGS = f"""SELECT s.underlying, {_VENUE}, count(DISTINCT ROW({_CONTRACT})) FROM worker_symbols s
WHERE s.kind = 'option' AND s.underlying <> '' AND EXISTS (SELECT 1 FROM worker_greeks g WHERE g.symbol_id = s.id)
GROUP BY 1, 2"""  # noqa: S608
_INDICATORS = f"""SELECT s.text, s.venue, (extract(epoch FROM i.ts) * 1000)::bigint, {", ".join(INDICATOR_NAMES)}
FROM worker_symbols s
CROSS JOIN LATERAL (SELECT * FROM worker_indicators WHERE symbol_id = s.id ORDER BY ts DESC LIMIT 1) i
WHERE %s::text[] IS NULL OR s.text = ANY(%s) ORDER BY s.text, s.venue"""  # noqa: S608


def underlyings(connection: TimedConnection) -> dict[str, list[str]]:
    """Those of which an option has come by, each with its venues: the one with the most options first, then by name."""
    rows = connection.execute(_UNDERLYINGS).fetchall()
    counts: dict[str, dict[str, int]] = {}
    for name, venue, count in sorted(rows):
        counts.setdefault(name, {})[venue] = count
    return {name: by_size(sizes) for name, sizes in counts.items()}


def chains(connection: TimedConnection, underlying: str, now_ms: int, venue: str | None = None) -> dict[str, Any]:
    """The newest of each contract of an underlying at one venue, as `GET /api/v1/options/{underlying}` tells it.

    One venue only: prices of Deribit are in coins, those of Binance in dollars. `venue` (in any case) defaults to the one
    with the most options; at a venue that has none the answer's `venue` is "". `venues` are all, as `underlyings` has them.

    By expiry ("2026-06-26", or the month where no day is told), strikes ascending, calls before puts. `price` is the
    tick's, `model_price` the formula's; `volatility_state` a number of `core.workers.options`.
    """
    rows = connection.execute(_CHAIN, (underlying,)).fetchall()
    venues = by_size(Counter(row[1] for row in rows))
    wanted = venue.upper() if venue is not None else next(iter(venues), "")
    found = _by_expiry([row for row in rows if row[1] == wanted], now_ms)
    told = wanted if wanted in venues else ""
    return {"underlying": underlying, "venue": told, "venues": venues, "expiries": sorted(found), "chains": found}


def by_size(counts: Mapping[str, int]) -> list[str]:
    """Names by their falling counts, equal ones by name."""
    return sorted(counts, key=lambda name: (-counts[name], name))


def _by_expiry(rows: list[tuple[Any, ...]], now_ms: int) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    in_order = sorted(rows, key=lambda row: (row[3] or 0.0, row[4] or "", row[0]))
    for text, venue, expiry, strike, side, state, ts_ms, price, bid, ask, *figures in in_order:
        values = {name: _number(figure) for name, figure in zip(_GREEKS, figures, strict=True)}
        option = {
            "symbol": text,
            "venue": venue,
            "strike": strike,
            "right": side,
            "price": price,
            "bid": bid,
            "ask": ask,
            "model_price": values.pop("price"),
            "underlying_price": values.pop("underlying_price"),
            "volatility": values.pop("implied_volatility"),
            "volatility_state": state,
            **values,
            "ts_ms": ts_ms,
            "age_ms": max(0, now_ms - ts_ms),
        }
        found.setdefault(expiry or "", []).append(option)
    return found


def indicators(connection: TimedConnection, symbols: list[str] | None = None) -> list[dict[str, Any]]:
    """The newest indicators of each symbol (None: of all): symbol, venue, ts_ms and one number or None each."""
    rows = connection.execute(_INDICATORS, (symbols, symbols)).fetchall()
    return [
        {"symbol": text, "venue": venue, "ts_ms": ts_ms}
        | {name: _number(value) for name, value in zip(INDICATOR_NAMES, values, strict=True)}
        for text, venue, ts_ms, *values in rows
    ]


def ticks(connection: TimedConnection, symbol: str, limit: int) -> list[list[float | None]]:
    """The newest ticks of a symbol at any venue, oldest first: `[ts_ms, price, volume, bid, ask]`."""
    rows = connection.execute(
        """SELECT (extract(epoch FROM ts) * 1000)::float8, price, volume, bid, ask FROM worker_ticks
        WHERE symbol_id = ANY(SELECT id FROM worker_symbols WHERE text = %s) ORDER BY ts DESC, entry DESC LIMIT %s""",
        (symbol, limit),
    ).fetchall()
    return [list(row) for row in reversed(rows)]


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
