"""One Redis, two kinds of market: ticks of a simulated one must not reach the tables of a real one, nor the reverse.

The streams in use have the names of docs/workers.md whatever the market. When an app of the other kind starts, they are
put aside with their groups and pending entries (RENAME keeps those), and those of its own kind are taken out again.
"""

from typing import Any, Literal

import redis

from core.base.errors import RetryableError
from core.workers.stream_names import TOTALS

MarketKind = Literal["real", "simulated"]

_MARKER = "ticks:intraday:market"
_PREFIX = "ticks:intraday:"
_ASIDE = "aside:{kind}:"


class OtherMarket(RetryableError):
    """Workers of the other kind of market are at work on this Redis."""


def claim(client: Any, kind: MarketKind) -> bool:
    """Make the streams in use those of `kind`; True when they were those of the other kind before.

    `client`: a redis.Redis that answers bytes. Raises OtherMarket while workers of the other kind are there: those of an
    earlier run are gone after some seconds, those of other machines stay.
    """
    while True:
        with client.pipeline() as pipe:
            try:
                pipe.watch(_MARKER)
                current = pipe.get(_MARKER)
                is_other = current is not None and current != kind.encode()
                if is_other and any(client.scan_iter(match=f"{_PREFIX}worker:*", count=1_000)):
                    raise OtherMarket(f"the workers on this Redis store the ticks of a {current.decode()} market")
                pipe.multi()
                if is_other:
                    _swap(client, pipe, current.decode(), kind)
                pipe.set(_MARKER, kind)
                pipe.execute()
                return is_other
            except redis.WatchError:
                continue  # somebody else is at it


def _swap(client: Any, pipe: Any, current: str, kind: str) -> None:
    for key in _stream_keys(client, _PREFIX):
        pipe.rename(key, _ASIDE.format(kind=current) + key)
    aside = _ASIDE.format(kind=kind)
    for key in _stream_keys(client, aside + _PREFIX):
        pipe.rename(key, key.removeprefix(aside))


def _stream_keys(client: Any, prefix: str) -> list[str]:
    """The streams, and what was counted of them."""
    totals = prefix.removesuffix(_PREFIX) + TOTALS
    counted = [totals] if client.exists(totals) else []
    return counted + [key.decode() for key in client.scan_iter(match=f"{prefix}*", count=1_000, _type="STREAM")]
