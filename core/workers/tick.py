"""One tick of the stream, and how it stands in an entry."""

import hashlib
import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from core.base.errors import BadInput

#: prices and volumes within these keep every square, ratio and sum of an indicator's window finite
LEAST_PRICE, MOST_PRICE = 1e-12, 1e15
MOST_VOLUME = 1e18
#: times are ms between 1973-03-03 and 2100-01-01; a smaller one is told in seconds
EARLIEST_MS, LATEST_MS = 100_000_000_000, 4_102_444_799_999
LONGEST_SYMBOL, LONGEST_VENUE, LONGEST_EVENT_ID = 64, 32, 128

#: the field that holds a whole tick as a JSON object
PACKED = b"d"
#: other names of a field -> its name here
SYNONYMS = {
    "timestamp": "ts_ms",
    "last_price": "price",
    "quantity": "volume",
    "exchange": "venue",
    "instrument": "symbol",
}


class BadTick(BadInput):
    """An entry that is no tick. `field` is the culprit: delivering the entry again would not mend it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class Tick(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """A price at a time. `event_id` is the producer's and stays the same when the tick is published again.

    `bid`, `ask` and what options need (`underlying_price`; `rate` and `dividend` continuously compounded per year;
    `volatility` per √year, instead of one implied from the price) are None where they are not told.
    """

    symbol: str
    ts_ms: int
    price: float
    event_id: str = ""
    venue: str = ""
    volume: float = 0.0
    bid: float | None = None
    ask: float | None = None
    underlying_price: float | None = None
    rate: float = 0.0
    dividend: float = 0.0
    volatility: float | None = None


_FIELDS = frozenset(Tick.__struct_fields__)
_encoder = msgspec.json.Encoder()
_decode_one = msgspec.json.Decoder(Tick).decode
_decode_many = msgspec.json.Decoder(list[Tick]).decode


def encode(tick: Tick) -> dict[bytes, bytes]:
    """The fields of the tick's entry. Raises BadTick for one that `decode` would refuse."""
    check(tick)
    return {PACKED: _encoder.encode(tick)}


def decode(entry_id: bytes, fields: Mapping[bytes, bytes]) -> Tick:
    """The tick in an entry; one without an event id is given the entry's own. Raises BadTick."""
    packed = fields.get(PACKED)
    if packed is None:
        known = {name: value for key, value in fields.items() if (name := _name(key)) in _FIELDS or name in SYNONYMS}
        tick = _from_flat({name: _text(name, value) for name, value in known.items()})
    else:
        try:
            tick = _decode_one(packed)
            check(tick)
        except (msgspec.DecodeError, UnicodeDecodeError, BadTick):
            # synonyms, unknown fields, a time in seconds, or a fault that is to be named
            tick = _from_object(packed)
    check(tick)
    return tick if tick.event_id else msgspec.structs.replace(tick, event_id=entry_id.decode())


def decode_packed(entry_ids: Sequence[bytes], packed: Sequence[bytes]) -> list[Tick] | None:
    """All of many entries' `d` fields in one go, which is four times as fast; None when any of them needs a closer look."""
    try:
        ticks = _decode_many(b"[%b]" % b",".join(packed))
        if len(ticks) != len(packed):
            return None
        for place, tick in enumerate(ticks):
            check(tick)
            if not tick.event_id:
                ticks[place] = msgspec.structs.replace(tick, event_id=entry_ids[place].decode())
    except (msgspec.DecodeError, UnicodeDecodeError, BadTick):
        return None
    return ticks


def check(tick: Tick) -> None:
    """Raises BadTick that names the first field whose value cannot be."""
    # the usual case in one expression: this runs once a tick; a NaN fails every comparison
    if (
        LEAST_PRICE <= tick.price <= MOST_PRICE
        and EARLIEST_MS <= tick.ts_ms <= LATEST_MS
        and 0 <= tick.volume <= MOST_VOLUME
        and 0 < len(tick.symbol) <= LONGEST_SYMBOL
        and len(tick.event_id) <= LONGEST_EVENT_ID
        and len(tick.venue) <= LONGEST_VENUE
        and "\0" not in tick.symbol
        and "\0" not in tick.venue
        and (tick.bid is None or 0 <= tick.bid <= MOST_PRICE)
        and (tick.ask is None or 0 <= tick.ask <= MOST_PRICE)
        and (tick.underlying_price is None or LEAST_PRICE <= tick.underlying_price <= MOST_PRICE)
        and (tick.volatility is None or 0 <= tick.volatility <= 1e6)
        and -10 <= tick.rate <= 10
        and -10 <= tick.dividend <= 10
    ):
        return
    raise _fault(tick)


def _fault(tick: Tick) -> BadTick:
    for name, least, most in (
        ("price", LEAST_PRICE, MOST_PRICE),
        ("ts_ms", EARLIEST_MS, LATEST_MS),
        ("volume", 0, MOST_VOLUME),
        ("bid", 0, MOST_PRICE),
        ("ask", 0, MOST_PRICE),
        ("underlying_price", LEAST_PRICE, MOST_PRICE),
        ("volatility", 0, 1e6),
        ("rate", -10, 10),
        ("dividend", -10, 10),
    ):
        value = getattr(tick, name)
        if value is not None and not least <= value <= most:
            return BadTick(name, f"{value} is outside of {least:g} … {most:g}")
    for name, longest in (("symbol", LONGEST_SYMBOL), ("venue", LONGEST_VENUE), ("event_id", LONGEST_EVENT_ID)):
        if len(getattr(tick, name)) > longest:
            return BadTick(name, f"longer than {longest} characters")
    if not tick.symbol:
        return BadTick("symbol", "empty")
    return BadTick("symbol" if "\0" in tick.symbol else "venue", "contains a NUL character")


def event_key(event_id: str) -> int:
    """64 bits (signed, as Postgres has them) that stand for an event id; the same on every machine and in every run."""
    return int.from_bytes(hashlib.blake2b(event_id.encode(), digest_size=8).digest(), "little", signed=True)


def event_keys(ticks: Sequence[Tick]) -> npt.NDArray[np.int64]:
    """`event_key` of each tick's event id."""
    hashed = b"".join([hashlib.blake2b(tick.event_id.encode(), digest_size=8).digest() for tick in ticks])
    return np.frombuffer(hashed, "<i8").astype(np.int64, copy=False)


def _text(field: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadTick(field, "is not UTF-8") from None


def _name(key: bytes) -> str:
    return key.decode("utf-8", "replace")


def _from_object(packed: bytes) -> Tick:
    try:
        found = msgspec.json.decode(packed)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadTick("d", f"is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise BadTick("d", "is not an object")
    return _from_flat(found)


def _from_flat(found: Mapping[str, object]) -> Tick:
    """From names and values, texts or JSON's own types. A field's own name goes before its synonyms."""
    values = {SYNONYMS[name]: value for name, value in found.items() if name in SYNONYMS and value not in (None, "")}
    values |= {name: value for name, value in found.items() if name in _FIELDS and value not in (None, "")}
    for name in ("symbol", "ts_ms", "price"):
        if name not in values:
            raise BadTick(name, "is missing")
    taken = {name: _typed(name, value) for name, value in values.items()}
    return Tick(**taken)  # type: ignore[arg-type]


def _typed(name: str, value: object) -> str | int | float:
    if name in ("symbol", "venue", "event_id"):
        if isinstance(value, str):
            return value
        if name == "event_id" and isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        raise BadTick(name, f"{value!r:.40} is not a text")
    number = _number(name, value)
    if name != "ts_ms":
        return number
    return round(number * 1_000) if number < EARLIEST_MS else round(number)


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise BadTick(name, f"{value!r:.40} is not a number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise BadTick(name, f"{value!r:.40} is not a number") from None
    if not math.isfinite(number):
        raise BadTick(name, f"{value!r:.40} is not finite")
    return number
