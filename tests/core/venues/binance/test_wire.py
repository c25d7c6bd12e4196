"""Binance's stream frames: every recorded one parses, and nothing but BadFrame ever comes of a bad one."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.errors import BadInput
from core.domain.market import DepthDiff, Kline, Quote, Trade
from core.venues.bad_frames import BadFrame
from core.venues.binance.wire import parse_control, parser_for, stream_name

LATEST_MS = 1_800_000_000_000

TRADE = (
    b'{"stream":"ethusdt@trade","data":{"e":"trade","E":1723161255612,"s":"ETHUSDT","t":1520538925,'
    b'"p":"2683.80000000","q":"0.00200000","T":1723161255611,"m":true,"M":true}}'
)
QUOTE = (
    b'{"stream":"ethusdt@bookTicker","data":{"u":35346513501,"s":"ETHUSDT","b":"2683.80000000","B":"3.02920000",'
    b'"a":"2683.81000000","A":"31.43950000"}}'
)
DEPTH = (
    b'{"stream":"ethusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255408,"s":"ETHUSDT","U":35346513506,'
    b'"u":35346513512,"b":[["2683.80000000","3.02920000"],["2683.48000000","0.00000000"]],"a":[]}}'
)
KLINE = (
    b'{"stream":"ethusdt@kline_1m","data":{"e":"kline","E":1723161255612,"s":"ETHUSDT","k":{"t":1723161240000,'
    b'"T":1723161299999,"s":"ETHUSDT","i":"1m","f":1520538900,"L":1520538925,"o":"2683.80000000","c":"2683.81000000",'
    b'"h":"2683.90000000","l":"2683.70000000","v":"12.50000000","n":26,"x":false,"q":"33547.5","V":"1.5","Q":"4.7","B":"0"}}}'
)
FRAMES = {"trade": TRADE, "quote": QUOTE, "depth": DEPTH, "kline": KLINE}


def parse(frame: bytes, latest_ms: int = LATEST_MS) -> Trade | Quote | DepthDiff | Kline:
    name = stream_name(frame)
    assert name is not None
    return parser_for(name.decode())(frame, 7, latest_ms)


@pytest.mark.parametrize(
    ("symbol", "counts"),
    [
        ("btc", {"btcusdt@trade": 9_757, "btcusdt@bookTicker": 28_040, "btcusdt@depth@100ms": 3_451}),
        ("eth", {"ethusdt@trade": 6_106, "ethusdt@bookTicker": 24_077, "ethusdt@depth@100ms": 3_434}),
    ],
)
def test_every_recorded_frame_parses_to_what_plain_json_says(shared_data: Path, symbol: str, counts: dict[str, int]) -> None:
    seen: Counter[str] = Counter()
    with gzip.open(shared_data / "binance" / f"spot_{symbol}usdt_20240808.jsonl.gz") as lines:
        for line in lines:
            frame = line.split(b" ", 1)[1].strip()
            if frame.startswith(b'{"lastUpdateId"'):
                continue
            value, plain = parse(frame), json.loads(frame)
            seen[plain["stream"]] += 1
            data = plain["data"]
            if isinstance(value, Trade):
                assert (value.trade_id, value.price, value.quantity) == (data["t"], float(data["p"]), float(data["q"]))
                assert (value.ts_ms, value.is_buyer_maker, value.recv_ns) == (data["T"], data["m"], 7)
            elif isinstance(value, Quote):
                assert (value.bid, value.bid_size) == (float(data["b"]), float(data["B"]))
                assert (value.ask, value.ask_size, value.update_id) == (float(data["a"]), float(data["A"]), data["u"])
            else:
                assert isinstance(value, DepthDiff)
                assert [list(level) for level in value.bids] == [[float(p), float(s)] for p, s in data["b"]]
                assert [list(level) for level in value.asks] == [[float(p), float(s)] for p, s in data["a"]]
                assert (value.first_id, value.final_id, value.event_ms) == (data["U"], data["u"], data["E"])
    assert seen == counts


def test_a_kline_keeps_its_ids_and_whether_it_is_closed() -> None:
    kline = parse(KLINE)
    assert isinstance(kline, Kline)
    assert (kline.symbol, kline.interval, kline.open_ms) == ("ETHUSDT", "1m", 1_723_161_240_000)
    assert (kline.open, kline.high, kline.low, kline.close, kline.volume) == (2683.8, 2683.9, 2683.7, 2683.81, 12.5)
    assert (kline.first_id, kline.last_id, kline.closed, kline.event_ms) == (1520538900, 1520538925, False, 1723161255612)


def test_a_bar_without_a_trade_has_ids_of_minus_one() -> None:
    frame = KLINE.replace(b"1520538900", b"-1").replace(b"1520538925", b"-1").replace(b'"12.50000000"', b'"0.00000000"')
    assert parse(frame).first_id == -1  # type: ignore[union-attr]


def test_the_order_of_the_keys_does_not_matter() -> None:
    plain = json.loads(TRADE)
    turned = json.dumps({"data": plain["data"], "stream": plain["stream"]}).encode()
    assert stream_name(turned) == b"ethusdt@trade"
    assert parse(turned) == parse(TRADE)
    spaced = json.dumps(plain).encode()
    assert parse(spaced) == parse(TRADE)


@pytest.mark.parametrize(
    ("frame", "old", "new", "kind"),
    [
        (TRADE, b"2683.80000000", b"NaN", "price"),
        (TRADE, b"2683.80000000", b"inf", "price"),
        (TRADE, b"2683.80000000", b"-1.0", "price"),
        (TRADE, b"2683.80000000", b"0.00000000", "price"),
        (TRADE, b"2683.80000000", b"1e999", "fields"),
        (TRADE, b'"2683.80000000"', b"null", "fields"),
        (TRADE, b"0.00200000", b"-0.1", "quantity"),
        (TRADE, b"0.00200000", b"0", "quantity"),
        (TRADE, b'"T":1723161255611', b'"T":0', "time"),
        (TRADE, b'"T":1723161255611', b'"T":1498867199999', "time"),
        (TRADE, b'"T":1723161255611', b'"T":4102444800000', "time"),
        (TRADE, b'"E":1723161255612', b'"E":4102444800000', "time"),
        (TRADE, b"1520538925", b"0", "id"),
        (TRADE, b"1520538925", b"-5", "id"),
        (TRADE, b"1520538925", b"99999999999999999999", "id"),
        (TRADE, b'"s":"ETHUSDT"', b'"s":"BTCUSDT"', "symbol"),
        (TRADE, b'"p":', b'"price":', "fields"),
        (TRADE, b'"M":true}}', b'"M":true}', "json"),
        (QUOTE, b'"2683.80000000"', b'"-2"', "price"),
        (QUOTE, b'"2683.80000000"', b'"2683.82"', "crossed"),
        (QUOTE, b'"3.02920000"', b'"0"', "quantity"),
        (QUOTE, b"35346513501", b"0", "id"),
        (DEPTH, b"35346513512", b"35346513505", "id"),
        (DEPTH, b'"2683.48000000"', b'"0"', "level"),
        (DEPTH, b'"3.02920000"', b'"-3"', "level"),
        (DEPTH, b'"3.02920000"', b'"nan"', "level"),
        (DEPTH, b"1723161255408", b"1", "time"),
        (KLINE, b'"i":"1m"', b'"i":"1h"', "interval"),
        (KLINE, b'"h":"2683.90000000"', b'"h":"2683.79000000"', "price"),
        (KLINE, b'"l":"2683.70000000"', b'"l":"0"', "price"),
        (KLINE, b'"v":"12.50000000"', b'"v":"-1"', "quantity"),
        (KLINE, b"1723161240000", b"1723161240001", "time"),
        (KLINE, b"1520538900", b"1520538926", "id"),
    ],
)
def test_an_absurd_frame_is_refused_by_its_fault(frame: bytes, old: bytes, new: bytes, kind: str) -> None:
    assert old in frame
    with pytest.raises(BadFrame) as caught:
        parse(frame.replace(old, new))
    assert caught.value.kind == kind


def test_size_zero_removes_a_level_and_is_legal() -> None:
    diff = parse(DEPTH)
    assert isinstance(diff, DepthDiff)
    assert diff.bids[1] == (2683.48, 0.0)


@pytest.mark.parametrize("stream", ["dogeusdt@nonsense", "ethusdt@kline_7m", "ethusdt", "", "@"])
def test_an_unknown_stream_is_refused_by_name(stream: str) -> None:
    with pytest.raises(BadFrame, match="unknown stream"):
        parser_for(stream)


@pytest.mark.parametrize("frame", [b"", b"<html>502</html>", b"\x00\xff\xfe", b'{"stream', b"nul"])
def test_what_is_not_json_is_refused(frame: bytes) -> None:
    with pytest.raises(BadFrame):
        stream_name(frame)


def test_a_hundred_thousand_open_brackets_are_refused() -> None:
    with pytest.raises(BadFrame):
        parse_control(b"[" * 200_000)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (b'{"result":null,"id":3}', (3, "", False)),
        (b'{"error":{"code":2,"msg":"Invalid request"},"id":1}', (1, "2 Invalid request", False)),
        (b'{"code":2,"msg":"Invalid request","id":1}', (1, "2 Invalid request", False)),
        (b'{"e":"serverShutdown","E":1770123456789}', (None, "", True)),
        (b'{"event":{"e":"serverShutdown","E":1770123456789}}', (None, "", True)),
    ],
)
def test_control_frames_say_what_they_say(frame: bytes, expected: tuple[int | None, str, bool]) -> None:
    assert stream_name(frame) is None
    control = parse_control(frame)
    assert (control.id, control.error, control.shutdown) == expected


@pytest.mark.parametrize("frame", [b"{}", b'{"hello":"world"}', b'{"id":"x"}', b"[]", b"5"])
def test_a_frame_that_says_nothing_known_is_refused(frame: bytes) -> None:
    with pytest.raises(BadFrame):
        parse_control(frame)


@given(
    frame=st.sampled_from(list(FRAMES.values())),
    cut=st.integers(0, 400),
    insert=st.binary(max_size=6),
    at=st.integers(0, 400),
)
def test_a_mutated_frame_never_raises_anything_but_bad_input(frame: bytes, cut: int, insert: bytes, at: int) -> None:
    mutated = frame[:at] + insert + frame[at + cut % 7 :]
    for candidate in (mutated, frame[: cut % len(frame)]):
        try:
            name = stream_name(candidate)
            if name is None:
                parse_control(candidate)
            else:
                value = parser_for(name.decode("utf-8", "replace"))(candidate, 0, LATEST_MS)
                assert value.symbol == name.decode().partition("@")[0].upper()
        except BadInput:
            pass


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(frame=st.sampled_from(list(FRAMES)), field=st.integers(0, 30), value=_JSON)
def test_any_json_in_any_field_is_parsed_to_sane_numbers_or_refused(frame: str, field: int, value: object) -> None:
    plain = json.loads(FRAMES[frame])
    target = plain["data"]["k"] if frame == "kline" and field > 3 else plain["data"]
    target[list(target)[field % len(target)]] = value
    try:
        parsed = parse(json.dumps(plain).encode())
    except BadInput:
        return
    if isinstance(parsed, Trade):
        assert 0 < parsed.price < float("inf")
        assert 0 < parsed.quantity < float("inf")
        assert 1_498_867_200_000 <= parsed.ts_ms <= LATEST_MS
        assert 0 < parsed.trade_id < 2**63
