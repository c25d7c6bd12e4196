"""Recorded frames and answers as domain values, and everything that must be refused."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.market import BookView, Origin, Quote, Trade
from core.venues.bad_frames import BadFrame
from core.venues.hyperliquid.wire import (
    GREETING,
    Acknowledged,
    Pong,
    Refused,
    VenueCandle,
    parse_candles,
    parse_frame,
    parse_size_decimals,
    parse_trades,
    tell_apart,
)  # fmt: skip

LATEST = 4_000_000_000_000
HYPE = {"HYPE": "HYPE-PERP", "ETH": "ETH-PERP", "kPEPE": "kPEPE-PERP"}
TRADE = {
    "coin": "ETH",
    "side": "B",
    "px": "3100.5",
    "sz": "0.5",
    "time": 1_764_835_613_064,
    "hash": "0x0",
    "tid": 7,
    "users": [],
}
BOOK = {
    "coin": "ETH",
    "time": 1_764_835_613_064,
    "levels": [[{"px": "2", "sz": "1", "n": 1}], [{"px": "3", "sz": "1", "n": 1}]],
}
CANDLE = {
    "t": 1_764_835_560_000, "T": 1_764_835_619_999, "s": "ETH", "i": "1m", "o": "1.0", "c": "2.0", "h": "3.0", "l": "0.5",
    "v": "10.0", "n": 4,
}  # fmt: skip


def parse(frame: Any) -> Any:
    data = frame if isinstance(frame, bytes) else json.dumps(frame).encode()
    return parse_frame(data, HYPE, 5, LATEST)


def recorded(shared_data: Path, name: str) -> Any:
    """The streamed frame of a recorded subscription."""
    text = (shared_data / "hyperliquid/hyperliquid.net/Subscriptions" / name).read_text(encoding="utf-8-sig")
    body = text[text.index("\n=") + 2 :]
    return json.JSONDecoder().raw_decode(body[body.index("{") :])[0]


def test_the_recorded_trade(shared_data: Path) -> None:
    (trade,) = parse(recorded(shared_data, "Trades.txt"))
    assert trade == Trade("HYPE-PERP", 716095722814130, 35.276, 5.78, 1764835613064, False, 5, Origin.STREAM)


def test_the_recorded_book(shared_data: Path) -> None:
    (view,) = parse(recorded(shared_data, "OrderBook.txt"))
    assert view == BookView(
        "HYPE-PERP", 1764842873555, ((34.967, 2.85), (34.962, 3.84)), ((34.969, 1473.06), (34.97, 1544.51)), 1764842873555,
        5, "hyperliquid", (34.962, 34.97),
    )  # fmt: skip


def test_the_recorded_quote(shared_data: Path) -> None:
    assert parse(recorded(shared_data, "BookTicker.txt")) == (
        Quote("HYPE-PERP", 23.757, 42.09, 23.758, 100.26, 1766566375292, 5),
    )


def test_the_recorded_candle(shared_data: Path) -> None:
    (candle,) = parse(recorded(shared_data, "Klines.txt"))
    assert isinstance(candle, VenueCandle)
    assert candle.trades == 102895
    kline = candle.kline
    assert (kline.interval, kline.open_ms, kline.open, kline.high, kline.low, kline.close) == (
        "1d", 1764806400000, 34.668, 36.219, 34.251, 34.868,
    )  # fmt: skip
    assert kline.volume == pytest.approx(3495670.84)


def test_the_recorded_candle_snapshot_is_closed_history(shared_data: Path) -> None:
    text = (shared_data / "hyperliquid/python-sdk/test_get_candles_snapshot.yaml").read_text()
    answer = json.loads(text[text.index('string: \'[{"T"') + 9 :].splitlines()[0].removesuffix("'"))
    candles = parse_candles(answer, HYPE, LATEST, LATEST)
    assert len(candles) == len(answer) > 20
    assert all(c.kline.closed and c.kline.origin is Origin.REST and c.trades > 0 for c in candles)
    opens = [c.kline.open_ms for c in candles]
    assert opens == sorted(opens)


def test_the_recorded_meta_gives_decimals_of_sizes(shared_data: Path) -> None:
    text = (shared_data / "hyperliquid/python-sdk/test_get_candles_snapshot.yaml").read_text()
    answer = json.loads(text[text.index('string: \'{"universe"') + 9 :].splitlines()[0].removesuffix("'"))
    decimals = parse_size_decimals(answer)
    assert (decimals["BTC"], decimals["ETH"], decimals["kPEPE"]) == (5, 4, 0)


def test_the_side_is_the_taker_s() -> None:
    assert parse({"channel": "trades", "data": [TRADE | {"side": "A"}]})[0].is_buyer_maker
    assert not parse({"channel": "trades", "data": [TRADE]})[0].is_buyer_maker


def test_what_only_concerns_the_connection() -> None:
    assert parse(GREETING) == ()
    assert parse({"channel": "pong"}) == Pong()
    ack = {"method": "subscribe", "subscription": {"type": "l2Book", "coin": "ETH", "nSigFigs": None, "mantissa": None}}
    assert parse({"channel": "subscriptionResponse", "data": ack}) == Acknowledged("subscribe", "l2Book", "ETH")
    assert parse({"channel": "error", "data": "Invalid subscription"}) == Refused("Invalid subscription")


def test_a_quote_without_a_side_is_no_quote() -> None:
    assert (
        parse({"channel": "bbo", "data": {"coin": "ETH", "time": BOOK["time"], "bbo": [None, {"px": "1", "sz": "1"}]}}) == ()
    )


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (b"<html>", "json"),
        (b"\x00\xff\xfe", "json"),
        (b"[]", "layout"),
        ({"channel": "nonsense", "data": {}}, "channel"),
        ({"channel": "trades", "data": {}}, "layout"),
        ({"channel": "trades", "data": [TRADE | {"coin": "DOGE"}]}, "coin"),
        ({"channel": "trades", "data": [TRADE | {"px": "NaN"}]}, "price"),
        ({"channel": "trades", "data": [TRADE | {"px": "-1"}]}, "price"),
        ({"channel": "trades", "data": [TRADE | {"px": "inf"}]}, "price"),
        ({"channel": "trades", "data": [TRADE | {"sz": "0"}]}, "size"),
        ({"channel": "trades", "data": [TRADE | {"side": "?"}]}, "side"),
        ({"channel": "trades", "data": [TRADE | {"tid": -1}]}, "id"),
        ({"channel": "trades", "data": [TRADE | {"time": 1}]}, "time"),
        ({"channel": "trades", "data": [TRADE | {"time": 4_102_444_800_000}]}, "time"),
        ({"channel": "l2Book", "data": BOOK | {"levels": [[]]}}, "layout"),
        ({"channel": "l2Book", "data": BOOK | {"levels": [[{"px": "1", "sz": "1"}, {"px": "2", "sz": "1"}], []]}}, "order"),
        ({"channel": "candle", "data": CANDLE | {"h": "1.5"}}, "candle"),
        ({"channel": "candle", "data": CANDLE | {"v": "-1"}}, "volume"),
        ({"channel": "candle", "data": CANDLE | {"n": -1}}, "volume"),
    ],
)
def test_absurd_frames_are_refused_by_name(frame: Any, kind: str) -> None:
    with pytest.raises(BadFrame) as refused:
        parse(frame)
    assert refused.value.kind == kind


def test_an_odd_answer_is_refused() -> None:
    for parser in (
        lambda answer: parse_trades(answer, HYPE, LATEST),
        lambda answer: parse_candles(answer, HYPE, LATEST, LATEST),
        parse_size_decimals,
    ):
        for answer in (None, {"error": "no"}, [{"a": 1}], "text"):
            with pytest.raises(BadFrame):
                parser(answer)


def test_recent_trades_come_oldest_first() -> None:
    answer = [TRADE | {"tid": 2, "time": TRADE["time"] + 1}, TRADE | {"tid": 1}]  # type: ignore[operator]
    assert [t.trade_id for t in parse_trades(answer, HYPE, LATEST)] == [1, 2]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('Invalid subscription {"type":"trades","coin":"X"}', ("trades", "X")),
        ('Error parsing {"method":"subscribe","subscription":{"type":"bbo","coin":"ETH"}}', ("bbo", "ETH")),
        ("Too many subscriptions", ("", "")),
        ("odd {", ("", "")),
        ("odd [1]", ("", "")),
    ],
)
def test_a_refusal_tells_what_it_is_about(text: str, told: tuple[str, str]) -> None:
    assert tell_apart(text) == told


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_parsed_or_refused_never_worse(frame: bytes) -> None:
    with contextlib.suppress(BadFrame):
        parse_frame(frame, HYPE, 0, LATEST)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*TRADE, *CANDLE, "levels"]), inner, max_size=6)
        ),
        max_leaves=12,
    ),
    st.sampled_from(["trades", "l2Book", "bbo", "candle", "subscriptionResponse", "error", "pong"]),
)
def test_json_of_any_shape_is_parsed_or_refused_never_worse(data: Any, channel: str) -> None:
    with contextlib.suppress(BadFrame):
        parse({"channel": channel, "data": data})
