"""Ticks into entries and back, and what is refused by name."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.workers.tick import (
    EARLIEST_MS,
    LATEST_MS,
    LEAST_PRICE,
    MOST_PRICE,
    MOST_VOLUME,
    BadTick,
    Tick,
    decode,
    decode_packed,
    encode,
    event_key,
    event_keys,
)

ID = b"1723161254000-7"
PRICES = st.floats(LEAST_PRICE, MOST_PRICE)
QUOTES = st.none() | st.floats(0, MOST_PRICE)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=32)
TICKS = st.builds(
    Tick,
    symbol=TEXTS.filter(bool),
    ts_ms=st.integers(EARLIEST_MS, LATEST_MS),
    price=PRICES,
    event_id=TEXTS.filter(bool),
    venue=TEXTS,
    volume=st.floats(0, MOST_VOLUME),
    bid=QUOTES,
    ask=QUOTES,
    underlying_price=st.none() | PRICES,
    rate=st.floats(-10, 10),
    dividend=st.floats(-10, 10),
    volatility=st.none() | st.floats(0, 1e6),
)
GOOD = {"symbol": "ETHUSDT", "ts_ms": 1_723_161_254_000, "price": 2683.8}


def flat(fields: dict[str, object]) -> dict[bytes, bytes]:
    return {name.encode(): str(value).encode() for name, value in fields.items()}


def told(fields: dict[bytes, bytes]) -> str:
    """The symbol, or the culprit; anything else is raised."""
    try:
        return decode(ID, fields).symbol
    except BadTick as error:
        return error.field


@given(TICKS)
def test_a_tick_survives_its_entry(tick: Tick) -> None:
    assert decode(ID, encode(tick)) == tick


@given(TICKS)
def test_flat_fields_say_the_same_as_a_packed_one(tick: Tick) -> None:
    fields = {name: getattr(tick, name) for name in Tick.__struct_fields__}
    assert decode(ID, flat({k: v for k, v in fields.items() if v is not None})) == tick


@given(st.lists(TICKS, max_size=5))
def test_many_at_once_are_as_one_by_one(ticks: list[Tick]) -> None:
    packed = [encode(tick)[b"d"] for tick in ticks]
    assert decode_packed([ID] * len(ticks), packed) == ticks


def test_one_bad_entry_among_many_asks_for_a_closer_look() -> None:
    good = encode(Tick(**GOOD))[b"d"]  # type: ignore[arg-type]
    for bad in (b"{}", b"nonsense", b"", good + b"," + good, good.replace(b"2683.8", b"-1"), b"[]"):
        assert decode_packed([ID] * 3, [good, bad, good]) is None


def test_a_tick_without_an_event_id_gets_that_of_its_entry() -> None:
    assert decode(ID, flat(GOOD)).event_id == ID.decode()
    assert decode(ID, {b"d": json.dumps(GOOD).encode()}).event_id == ID.decode()


@pytest.mark.parametrize("wrap", [flat, lambda fields: {b"d": json.dumps(fields).encode()}])
def test_synonyms_are_read_and_unknown_fields_ignored(wrap) -> None:  # type: ignore[no-untyped-def]
    told = {
        "instrument": "BTCUSDT",
        "timestamp": 1_723_161_254,  # seconds
        "last_price": "61000.5",
        "quantity": "0.5",
        "exchange": "binance",
        "colour": "blue",
    }
    tick = decode(ID, wrap(told))
    assert (tick.symbol, tick.ts_ms, tick.price) == ("BTCUSDT", 1_723_161_254_000, 61_000.5)
    assert (tick.volume, tick.venue) == (0.5, "binance")


def test_a_fields_own_name_goes_before_its_synonym() -> None:
    assert decode(ID, flat(GOOD | {"last_price": 1})).price == GOOD["price"]


@pytest.mark.parametrize(
    ("change", "culprit"),
    [
        ({"symbol": ""}, "symbol"),
        ({"symbol": "X" * 65}, "symbol"),
        ({"symbol": "A\0B"}, "symbol"),
        ({"price": "dear"}, "price"),
        ({"price": "nan"}, "price"),
        ({"price": "inf"}, "price"),
        ({"price": 0}, "price"),
        ({"price": -3}, "price"),
        ({"ts_ms": "yesterday"}, "ts_ms"),
        ({"ts_ms": 10**15}, "ts_ms"),
        ({"ts_ms": -1}, "ts_ms"),
        ({"volume": -1}, "volume"),
        ({"bid": "NaN"}, "bid"),
        ({"rate": 11}, "rate"),
        ({"event_id": "e" * 129}, "event_id"),
        ({"venue": "v" * 33}, "venue"),
    ],
)
def test_a_bad_tick_names_its_field(change: dict[str, object], culprit: str) -> None:
    for fields in (flat(GOOD | change), {b"d": json.dumps(GOOD | change).encode()}):
        with pytest.raises(BadTick) as error:
            decode(ID, fields)
        assert error.value.field == culprit


@pytest.mark.parametrize("missing", ["symbol", "ts_ms", "price"])
def test_what_is_required_is_missed_by_name(missing: str) -> None:
    with pytest.raises(BadTick, match=f"{missing}: is missing"):
        decode(ID, flat({k: v for k, v in GOOD.items() if k != missing}))


@given(st.dictionaries(st.binary(max_size=12), st.binary(max_size=40), max_size=4))
def test_any_entry_is_a_tick_or_a_bad_tick(fields: dict[bytes, bytes]) -> None:
    assert told(fields)


@given(st.binary(max_size=60))
def test_any_packed_bytes_are_a_tick_or_a_bad_tick(packed: bytes) -> None:
    assert told({b"d": packed})


def test_the_key_of_an_event_never_changes() -> None:
    assert event_key("binance:ETHUSDT:1520538925") == 2_795_597_705_367_659_252
    ticks = [Tick("A", EARLIEST_MS, 1.0, f"e{n}") for n in range(1_000)]
    keys = event_keys(ticks).tolist()
    assert keys == [event_key(tick.event_id) for tick in ticks]
    assert len(set(keys)) == len(ticks)
