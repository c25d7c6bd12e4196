"""What clients ask, read from the fields of their messages. Pure; everything raises Malformed on what cannot be read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from core.venues.simulated.tws import layouts, stocks
from core.venues.simulated.tws.wire import Cursor, Layout, Malformed, layout


class Ask(IntEnum):
    """Message ids of requests."""

    MKT_DATA = 1
    CANCEL_MKT_DATA = 2
    PLACE_ORDER = 3
    CANCEL_ORDER = 4
    OPEN_ORDERS = 5
    ACCOUNT_UPDATES = 6
    EXECUTIONS = 7
    IDS = 8
    CONTRACT_DETAILS = 9
    DEPTH = 10
    CANCEL_DEPTH = 11
    LOG_LEVEL = 14
    AUTO_OPEN_ORDERS = 15
    ALL_OPEN_ORDERS = 16
    MANAGED_ACCOUNTS = 17
    HISTORY = 20
    CANCEL_HISTORY = 25
    CURRENT_TIME = 49
    REALTIME_BARS = 50
    CANCEL_REALTIME_BARS = 51
    GLOBAL_CANCEL = 58
    MARKET_DATA_TYPE = 59
    POSITIONS = 61
    ACCOUNT_SUMMARY = 62
    CANCEL_ACCOUNT_SUMMARY = 63
    CANCEL_POSITIONS = 64
    START_API = 71
    ACCOUNT_UPDATES_MULTI = 76
    CANCEL_ACCOUNT_UPDATES_MULTI = 77
    DEPTH_EXCHANGES = 82
    HEAD_TIMESTAMP = 87
    CANCEL_HEAD_TIMESTAMP = 90
    HISTORICAL_TICKS = 96
    TICK_BY_TICK = 97
    CANCEL_TICK_BY_TICK = 98
    COMPLETED_ORDERS = 99


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract as a client names it, and the stock it means here (None: there is none)."""

    fields: Mapping[str, str]
    stock: stocks.Stock | None

    @property
    def exchange(self) -> str:
        return self.fields["exchange"]


@dataclass(frozen=True, slots=True)
class Request:
    """`values` are the fields after the contract by name; `key` is what makes two requests identical (the id left out)."""

    ask: Ask
    req_id: int
    contract: Contract | None = None
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[object, ...]:
        contract = tuple(self.contract.fields.values()) if self.contract is not None else ()
        return (self.ask, contract, tuple(self.values.values()))

    def flag(self, name: str) -> bool:
        return self.values[name] not in ("", "0")

    def integer(self, name: str) -> int:
        try:
            return int(self.values[name] or 0)
        except ValueError:
            raise Malformed(f"{name} is not an integer: {self.values[name][:40]!r}") from None


def read_contract(cursor: Cursor) -> Contract:
    fields = cursor.read(layouts.CONTRACT_ASKED)
    try:
        con_id = int(fields["conId"] or 0)
    except ValueError:
        raise Malformed(f"conId is not an integer: {fields['conId'][:40]!r}") from None
    names = (fields[name] for name in ("symbol", "secType", "exchange", "currency"))
    return Contract(fields, stocks.find(con_id, *names))


def read_request(cursor: Cursor) -> Request:
    """Anything but an order (its fields stay unread: `orders.read_order` has them)."""
    number = cursor.integer()
    try:
        ask = Ask(number)
    except ValueError:
        raise Malformed(f"unknown request {number}") from None
    reader = _READERS.get(ask)
    return reader(ask, cursor) if reader is not None else Request(ask, -1)


def _plain(shape: Layout, versioned: bool, identified: bool = True) -> Callable[[Ask, Cursor], Request]:
    """A reader of [version], [id] and the fields of a layout."""

    def read(ask: Ask, cursor: Cursor) -> Request:
        if versioned:
            cursor.integer()
        req_id = cursor.integer() if identified else -1
        return Request(ask, req_id, None, cursor.read(shape))

    return read


def _of_contract(shape: Layout, versioned: bool) -> Callable[[Ask, Cursor], Request]:
    def read(ask: Ask, cursor: Cursor) -> Request:
        if versioned:
            cursor.integer()
        req_id = cursor.integer()
        contract = read_contract(cursor)
        return Request(ask, req_id, contract, cursor.read(shape))

    return read


def _market_data(ask: Ask, cursor: Cursor) -> Request:
    cursor.integer()
    req_id = cursor.integer()
    contract = read_contract(cursor)
    _skip_legs(contract, cursor)
    if cursor.flag():  # a delta-neutral contract
        for _ in range(3):
            cursor.string()
    return Request(ask, req_id, contract, cursor.read(layouts.ASK_MKT_DATA))


def _history(ask: Ask, cursor: Cursor) -> Request:
    req_id = cursor.integer()
    contract = read_contract(cursor)
    values = cursor.read(layouts.ASK_HISTORY)
    _skip_legs(contract, cursor)
    return Request(ask, req_id, contract, values | {"keepUpToDate": cursor.string(), "options": cursor.string()})


def _skip_legs(contract: Contract, cursor: Cursor) -> None:
    if contract.fields["secType"] == "BAG":
        for _ in range(4 * cursor.integer()):
            cursor.string()


_NONE: Layout = ()
_OF_ACCOUNT = layout("subscribe account")
_OF_ID = _plain(_NONE, versioned=True)
_OF_BARE_ID = _plain(_NONE, versioned=False)
_READERS: dict[Ask, Callable[[Ask, Cursor], Request]] = {
    Ask.MKT_DATA: _market_data,
    Ask.CANCEL_MKT_DATA: _OF_ID,
    Ask.CANCEL_ORDER: _plain(layout("manualTime>=169"), versioned=True),
    Ask.ACCOUNT_UPDATES: _plain(_OF_ACCOUNT, versioned=True, identified=False),
    Ask.EXECUTIONS: _plain(layouts.ASK_EXECUTIONS, versioned=True),
    Ask.CONTRACT_DETAILS: _of_contract(layouts.ASK_CONTRACT, versioned=True),
    Ask.DEPTH: _of_contract(layouts.ASK_DEPTH, versioned=True),
    Ask.CANCEL_DEPTH: _plain(layout("isSmartDepth"), versioned=True),
    Ask.HISTORY: _history,
    Ask.CANCEL_HISTORY: _OF_ID,
    Ask.REALTIME_BARS: _of_contract(layouts.ASK_REALTIME_BARS, versioned=True),
    Ask.CANCEL_REALTIME_BARS: _OF_ID,
    Ask.MARKET_DATA_TYPE: _plain(layout("type"), versioned=True, identified=False),
    Ask.ACCOUNT_SUMMARY: _plain(layout("group tags"), versioned=True),
    Ask.CANCEL_ACCOUNT_SUMMARY: _OF_ID,
    Ask.START_API: _plain(layout("capabilities"), versioned=True),
    Ask.ACCOUNT_UPDATES_MULTI: _plain(layout("account modelCode ledgerAndNLV"), versioned=True),
    Ask.CANCEL_ACCOUNT_UPDATES_MULTI: _OF_ID,
    Ask.HEAD_TIMESTAMP: _of_contract(layouts.ASK_HEAD, versioned=False),
    Ask.CANCEL_HEAD_TIMESTAMP: _OF_BARE_ID,
    Ask.HISTORICAL_TICKS: _of_contract(layouts.ASK_HISTORICAL_TICKS, versioned=False),
    Ask.TICK_BY_TICK: _of_contract(layouts.ASK_TICK_BY_TICK, versioned=False),
    Ask.CANCEL_TICK_BY_TICK: _OF_BARE_ID,
    Ask.COMPLETED_ORDERS: _plain(layout("apiOnly"), versioned=False, identified=False),
}
