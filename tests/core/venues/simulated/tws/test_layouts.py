"""The layouts against what real TWS said, as others recorded it; no server is involved."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.venues.simulated.tws import layouts
from core.venues.simulated.tws.wire import Cursor, Layout, Malformed, encode, layout, present

VERSIONS = range(157, 179)
SERVER_LAYOUTS = {
    name: value
    for name, value in vars(layouts).items()
    if name.isupper() and isinstance(value, tuple) and value and value[0].name == "id"
}


@pytest.fixture
def recorded(shared_data: Path) -> Callable[[str], list[list[str]]]:
    """Fields of the recorded messages with an id: two projects' recordings, doubtful ones left out by the tests."""
    messages: list[list[str]] = []
    for line in (shared_data / "ib/rust-ibapi/text_messages_v2.11.4.jsonl").read_text().splitlines():
        messages.append(json.loads(line)["message"].replace("\0", "|").split("|")[:-1])
    for line in (shared_data / "ib/ibkr-go/wire_payloads_from_tests.jsonl").read_text().splitlines():
        messages.append(json.loads(line)["payload"].split("\0")[:-1])

    def of(number: str) -> list[list[str]]:
        return [fields for fields in messages if fields[:1] == [number]]

    return of


@pytest.mark.parametrize(
    ("number", "shape", "version", "known"),
    [
        ("3", layouts.ORDER_STATUS, 176, {"status", "clientId", "filled"}),
        ("5", layouts.OPEN_ORDER, 176, {"symbol", "action", "status", "clearingIntent"}),
        ("6", layouts.ACCOUNT_VALUE, 176, {"key", "value", "account"}),
        ("7", layouts.PORTFOLIO, 176, {"symbol", "position", "account"}),
        ("11", layouts.EXECUTION, 176, {"symbol", "execId", "side", "shares"}),
        ("59", layouts.COMMISSION, 176, {"execId", "commission", "currency"}),
        ("61", layouts.POSITION, 176, {"symbol", "account", "position"}),
        ("63", layouts.ACCOUNT_SUMMARY, 176, {"tag", "value"}),
        ("73", layouts.ACCOUNT_MULTI, 176, {"key", "value"}),
        ("101", layouts.COMPLETED_ORDER, 176, {"symbol", "action", "status", "completedStatus"}),
        ("1", layouts.TICK_PRICE, 176, {"price", "size"}),
        ("2", layouts.TICK_SIZE, 176, {"size"}),
        ("9", layouts.NEXT_VALID_ID, 176, {"orderId"}),
        ("12", layouts.DEPTH, 176, {"position", "operation", "side", "price", "size"}),
        ("15", layouts.MANAGED_ACCOUNTS, 176, {"accounts"}),
        ("45", layouts.TICK_GENERIC, 176, {"value"}),
        ("46", layouts.TICK_STRING, 176, {"value"}),
        ("49", layouts.CURRENT_TIME, 176, {"time"}),
        ("50", layouts.REALTIME_BAR, 176, {"open", "high", "low", "close"}),
        ("54", layouts.ACCOUNT_DOWNLOAD_END, 176, {"account"}),
        ("58", layouts.MARKET_DATA_TYPE, 176, {"type"}),
        ("88", layouts.HEAD_TIMESTAMP, 176, {"time"}),
        ("99", layouts.STREAM_LAST, 176, {"price", "size", "exchange"}),
    ],
)
def test_recorded_messages_have_the_fields_of_the_layout(
    recorded: Callable[[str], list[list[str]]], number: str, shape: Layout, version: int, known: set[str]
) -> None:
    size = len(present(shape, version))
    whole = [fields for fields in recorded(number) if len(fields) == size]
    read = [Cursor(fields, version).read(shape) for fields in whole]
    constants = {f.name: f.default for f in present(shape, version) if f.name in ("id", "version")}
    fitting = [values for values in read if all(values[name] == value for name, value in constants.items())]
    assert fitting, f"no recorded message of {number} has {size} fields"
    assert any(all(values[name] for name in known) for values in fitting)


def test_a_recorded_open_order_is_read_field_by_field(recorded: Callable[[str], list[list[str]]]) -> None:
    fields = next(f for f in recorded("5") if len(f) == 136 and f[15] == "LMT" and f[13] == "BUY" and f[3] == "AAPL")
    values = Cursor(fields, 176).read(layouts.OPEN_ORDER)
    assert (values["action"], values["orderType"], values["tif"], values["status"]) == ("BUY", "LMT", "DAY", "PreSubmitted")
    assert values["deltaNeutralOrderType"] == "None"
    assert values["deltaNeutralOpenClose"] == "?"
    assert values["clearingIntent"] == "IB"
    assert values["displaySize"] == "2147483647"
    assert values["initMarginBefore"] == values["equityWithLoanAfter"] == "1.7976931348623157E308"


def test_defaults_of_an_open_order_are_what_the_venue_sends(recorded: Callable[[str], list[list[str]]]) -> None:
    """Fields nobody asked for hold the same in the recorded plain market order as in ours."""
    fields = next(f for f in recorded("5") if len(f) == 136 and f[15] == "MKT" and f[4] == "STK")
    recorded_values = Cursor(fields, 176).read(layouts.OPEN_ORDER)
    told = {
        "orderId", "conId", "symbol", "localSymbol", "tradingClass", "totalQuantity", "account", "clientId", "permId",
        "orderType", "action", "status", "right", "faGroup", "modelCode", "lmtPrice", "auxPrice", "secType", "exchange",
        "currency", "goodAfterTime", "sharesAllocation", "trailStopPriceAgain", "commission", "competeAgainstBestOffset",
    }  # fmt: skip
    ours = {f.name: f.default for f in present(layouts.OPEN_ORDER, 176)}
    differing = {n: (v, ours[n]) for n, v in recorded_values.items() if n not in told and v != ours[n]}
    assert not differing


def test_a_recorded_execution_of_a_newer_server_begins_with_ours(recorded: Callable[[str], list[list[str]]]) -> None:
    fields = next(f for f in recorded("11") if len(f) == 33)
    values = Cursor(fields, 178).read(layouts.EXECUTION)
    assert values["execId"] == "0000e0d5.69dd7411.01.01"
    assert (values["side"], values["shares"], values["price"]) == ("BOT", "1", "257.95")
    assert values["time"] == "20260413 15:27:04 US/Eastern"
    assert (values["lastLiquidity"], values["pendingPriceRevision"]) == ("2", "0")


def test_recorded_contract_details_have_the_fields_of_the_layout(recorded: Callable[[str], list[list[str]]]) -> None:
    live = next(f for f in recorded("10") if len(f) == 44 and "APPLE INC" in f)
    del live[5]  # the last trade date, from server 182 on; the last field counts ineligibility reasons, from 186 on
    cursor = Cursor(live, 178)
    values = cursor.read(layouts.CONTRACT_DETAILS)
    assert cursor.left == 1
    assert (values["conId"], values["minTick"], values["longName"]) == ("265598", "0.01", "APPLE INC")
    assert (values["secIdTag"], values["secIdValue"]) == ("ISIN", "US0378331005")
    assert (values["stockType"], values["suggestedSizeIncrement"]) == ("COMMON", "100")
    exact = [f for f in recorded("10") if len(f) == 42]
    assert len(present(layouts.CONTRACT_DETAILS, 176)) == 42
    assert exact


@pytest.mark.parametrize(
    ("number", "head", "row", "tail"),
    [
        ("80", layouts.DEPTH_EXCHANGES, layouts.DEPTH_EXCHANGE, 0),
        ("96", layouts.TICKS_MIDPOINT, layouts.TICK_MIDPOINT, 1),
        ("97", layouts.TICKS_BID_ASK, layouts.TICK_BID_ASK, 1),
        ("98", layouts.TICKS_LAST, layouts.TICK_LAST, 1),
        ("17", layouts.HISTORY, layouts.HISTORY_BAR, 0),
    ],
)
def test_recorded_messages_with_rows_have_as_many_as_they_say(
    recorded: Callable[[str], list[list[str]]], number: str, head: Layout, row: Layout, tail: int
) -> None:
    checked = 0
    for fields in recorded(number):
        cursor = Cursor(fields, 178)
        try:
            count = int(cursor.read(head)["count"])
            for _ in range(count):
                cursor.read(row)
        except (Malformed, ValueError):
            continue
        checked += cursor.left == tail and count > 0
    assert checked >= 1


def test_recorded_history_of_a_newer_server_has_our_rows(recorded: Callable[[str], list[list[str]]]) -> None:
    """From server 196 on the head has neither start nor end; the rows are the same."""
    fields = next(f for f in recorded("17") if f[1] == "1001")
    cursor = Cursor(fields[3:], 178)
    rows = [cursor.read(layouts.HISTORY_BAR) for _ in range(int(fields[2]))]
    assert cursor.left == 0
    assert rows[0]["date"] == "20260402 09:30:00 US/Eastern"
    assert all(float(r["low"]) <= float(r["average"]) <= float(r["high"]) for r in rows)


def test_the_recorded_byte_log_of_server_173_is_read(shared_data: Path) -> None:
    lines = (shared_data / "ib/rust-ibapi/tws_interactions.yaml").read_text().splitlines()
    raw = [line.split('"')[1] for line in lines if 'raw: "61\\03' in line or 'raw: "63\\0' in line]
    sizes = {len(line.split("\\0")) - 1 for line in raw}
    assert sizes == {len(present(layouts.POSITION, 173)), len(present(layouts.ACCOUNT_SUMMARY, 173))}


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        (layouts.OPEN_ORDER, {157: 128, 163: 131, 170: 136, 176: 136, 178: 135}),
        (layouts.EXECUTION, {157: 31, 176: 31, 178: 32}),
        (layouts.CONTRACT_DETAILS, {163: 42, 164: 42, 176: 42}),
        (layouts.ERROR, {157: 5, 165: 5, 166: 6, 178: 6}),
        (layouts.ORDER_STATUS, {157: 12, 178: 12}),
        (layouts.NEXT_VALID_ID, {157: 3, 178: 3}),
    ],
)
def test_numbers_of_fields_change_with_the_server_version(shape: Layout, sizes: dict[int, int]) -> None:
    assert {version: len(present(shape, version)) for version in sizes} == sizes


texts = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=12)


@given(name=st.sampled_from(sorted(SERVER_LAYOUTS)), version=st.sampled_from(VERSIONS), data=st.data())
def test_what_is_encoded_is_read_back(name: str, version: int, data: st.DataObject) -> None:
    shape = SERVER_LAYOUTS[name]
    names = [f.name for f in present(shape, version) if f.name != "id"]
    values = {field: data.draw(texts) for field in data.draw(st.sets(st.sampled_from(names)) if names else st.just(set()))}
    encoded = encode(shape, version, **values)
    assert int.from_bytes(encoded[:4], "big") == len(encoded) - 4
    read = Cursor(encoded[4:].decode().split("\0")[:-1], version).read(shape)
    assert read == {f.name: f.default for f in present(shape, version)} | values


def test_a_layout_that_is_no_layout_is_refused() -> None:
    with pytest.raises(ValueError, match="not a field"):
        layout("good bad!field")


@given(fields=st.lists(texts, max_size=5))
def test_a_message_that_ends_too_early_is_malformed(fields: list[str]) -> None:
    with pytest.raises(Malformed, match="ends after"):
        Cursor(fields, 178).read(layouts.CONTRACT_DETAILS)
