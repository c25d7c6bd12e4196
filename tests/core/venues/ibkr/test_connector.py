"""The connector against a simulated TWS: what it asks and tells, and what it does about each of the venue's messages."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from core.base.clock import SystemClock
from core.base.errors import VenueUnavailable
from core.base.settings import IbkrConfig, Settings
from core.domain.health import Source
from core.domain.instrument import Instrument
from core.stream import UnifiedDataStream
from core.venues.connector import ORDER_BOOK, Address, VenueRefused
from core.venues.ibkr.connector import HINT, IbkrConnector
from core.venues.ibkr.subscription import Kind
from tests.patience import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
SYMBOLS = ("AAPL", "MSFT", "GOOGL")
Rigs = Callable[..., Awaitable[Any]]
SWITCHES = {ORDER_BOOK: True}
#: name -> (arguments of the simulated TWS, changes of the configuration)
RIGS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "whole": (("--position", "AAPL:100:200", "--rate", "3"), {}),
    "slots": (("--rate", "3"), {"depth_slots": 2}),
    "limits": (("--rate", "3", "--depth-slots", "2", "--tick-slots", "3", "--depth-mode", "update_only"), {}),
    "delayed": (("--rate", "3"), {}),
    "forbidden": (("--rate", "3"), {}),
    "closed": (("--closed",), {"silence_s": 1.5}),
    "thin": (("--rate", "0.02",), {"silence_s": 1.5}),
    "lost": (("--rate", "3"), {"silence_s": 30.0}),
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rigs(start_tws: Any, make_rig: Any) -> AsyncIterator[Rigs]:
    """`await rigs(name)`: a rig of these, LIVE unless told otherwise; all are started together."""

    async def start(arguments: tuple[str, ...], changes: dict[str, Any]) -> Any:
        config = IbkrConfig(**({"silence_s": 3.0} | changes))
        made = make_rig(await asyncio.to_thread(start_tws, *arguments), config, lambda key: SWITCHES.get(key, True))
        made.start()
        return made

    started = {name: asyncio.create_task(start(*how)) for name, how in RIGS.items()}

    async def get(name: str, is_ready: bool = True) -> Any:
        made = await started[name]
        if is_ready:
            await made.until("LIVE", lambda: made.is_live, 25)
        return made

    yield get
    for task in started.values():
        await (await task).stop()


AMZN = Instrument("AMZN", "ibkr", "AMZN", "USD", 0.01, 1.0, 2, "stock", "AMZN")


def connector_at(address: Address | None) -> IbkrConnector:
    async def locate() -> Address | None:
        return address

    settings = Settings()
    return IbkrConnector(settings, locate, UnifiedDataStream(settings.stream, SystemClock()), SystemClock(), lambda _: True)


async def run_for_a_moment(connector: IbkrConnector, condition: Callable[[], bool], within_s: float = 5.0) -> None:
    task = asyncio.create_task(connector.run())
    try:
        await until(condition, within_s)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_in_a_replay_the_venue_is_not_configured_and_says_why() -> None:
    connector = connector_at(None)
    await run_for_a_moment(connector, lambda: connector.state.state == "NOT CONFIGURED")
    status = connector.status()
    assert (status["state"], status["cause"], status["hint"]) == ("NOT CONFIGURED", "not part of a replay", "")
    assert status["incidents"] == []


async def test_where_nothing_ever_answered_the_venue_is_not_configured_and_says_what_to_do() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    connector = connector_at(Address(f"127.0.0.1:{port}", Source.LIVE, "TWS"))
    await run_for_a_moment(connector, lambda: connector.state.state == "NOT CONFIGURED")
    status = connector.status()
    assert status["hint"] == HINT
    assert status["cause"] == f"no TWS or Gateway answers at 127.0.0.1:{port}"
    assert status["incidents"] == []
    assert connector.desk.stream.symbols()[-1]["cause"] == status["cause"]


async def test_something_that_is_no_tws_is_a_failed_connect() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.write(b"HTTP/1.1 400\r\n\r\n"), "127.0.0.1", 0)
    connector = connector_at(Address(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", Source.LIVE, "?"))
    await run_for_a_moment(connector, lambda: connector.state.state == "RECONNECTING", 10)
    assert connector.status()["incidents"][0]["kind"] == "network"
    server.close()


async def test_one_connection_one_subscription_per_symbol_and_channel_and_everything_flows(rigs: Rigs) -> None:
    made = await rigs("whole")
    for _ in range(3):
        made.connector.subscribe(made.stream.instruments["AAPL"])
    stats = await made.tws.get("stats")
    assert stats["connections"] == 1
    assert list(stats["clients"]) == ["33"]
    asked = stats["messages_in"]
    assert (asked["TICK_BY_TICK"], asked["DEPTH"], asked["REALTIME_BARS"], asked["CONTRACT_DETAILS"]) == (6, 3, 3, 3)
    assert "PLACE_ORDER" not in asked
    status = made.connector.status()
    assert status["api_calls"] <= stats["messages_in_total"] <= status["api_calls"] + 1, "startApi is the library's"
    assert (status["state"], status["source"], status["reconnects"]) == ("LIVE", "SIMULATED", 0)
    assert {s["state"] for s in status["subscriptions"]} == {"LIVE"}
    assert len(status["subscriptions"]) == 15
    budgets = {b["name"]: b for b in status["budgets"]}
    assert (budgets["depth slots"]["used"], budgets["depth slots"]["limit"]) == (3, 3)
    assert 3 <= budgets["history"]["used"] <= 12
    assert {f["farm"]: f["state"] for f in status["farms"]} == {"usfarm": "OK", "ushmds": "OK", "secdefil": "OK"}
    assert abs(status["clock_offset_ms"]) < 1_100
    account = status["accounts"][0]
    assert (account["account"], account["kind"]) == ("SIM1234567", "simulated")
    assert account["values"]["NetLiquidation"] > 0
    assert account["positions"] == [{"symbol": "AAPL", "quantity": 100.0, "average_cost": 200.0}]
    for symbol in ("AAPL", "MSFT", "GOOGL"):
        quote = made.stream.quote(symbol)
        assert 0 < quote.bid < quote.ask
        assert made.stream.source_of(symbol) is Source.SIMULATED
        assert made.stream.bars(symbol, "5s", 10)
        assert len(made.stream.bars(symbol, "1m", 100)) >= 30
    await made.compare_books()
    book = made.connector.books()[0]
    assert (book["state"], book["kind"], book["gaps"], book["crossed"], book["bid_levels"]) == (
        "SYNCED",
        "level II",
        0,
        0,
        20,
    )


async def test_klines_come_from_history_within_its_budget(rigs: Rigs) -> None:
    made = await rigs("whole")
    bars = await made.connector.klines("MSFT", "1h", 5)
    assert [b.open_ms % 3_600_000 for b in bars] == [0] * 5
    assert all(b.closed for b in bars[:-1])
    with pytest.raises(VenueRefused):
        await made.connector.klines("MSFT", "7s", 5)
    with pytest.raises(VenueUnavailable):
        await made.connector.klines("AMZN", "1h", 5)


async def test_a_fourth_symbols_depth_is_refused_with_a_reason_and_its_other_channels_live(rigs: Rigs) -> None:
    made = await rigs("slots")
    googl = made.subscription("GOOGL@depth")
    assert googl["state"] == "REFUSED"
    assert googl["last_cause"] == "2 of 2 depth slots in use (AAPL, MSFT): more need quote boosters"
    assert made.book_state("GOOGL") == "REFUSED"
    assert made.subscription("GOOGL@trades")["state"] == "LIVE"
    made.connector.unsubscribe("MSFT")
    await made.until("the freed slot is taken", lambda: made.book_state("GOOGL") == "SYNCED", 5)
    stats = await made.tws.get("stats")
    assert stats["messages_in"]["CANCEL_DEPTH"] == 1
    assert not any(s["symbol"] == "MSFT" for s in made.connector.status()["subscriptions"])


async def test_the_venues_own_limits_are_kept(rigs: Rigs) -> None:
    """Accounts without boosters have three tick-by-tick subscriptions: trades first, quotes otherwise (10190, 309)."""
    made = await rigs("limits")
    assert made.subscription("GOOGL@depth")["state"] == "REFUSED"
    assert "309" in made.subscription("GOOGL@depth")["last_cause"]
    assert "rate limit" in made.kinds_since(0)
    assert {made.subscription(f"{s}@trades")["state"] for s in SYMBOLS} == {"LIVE"}
    assert {made.subscription(f"{s}@quotes")["state"] for s in SYMBOLS} == {"LIVE"}
    assert made.stream.quote("MSFT").bid > 0
    assert made.connector.status()["delayed"] is False


async def test_a_book_told_by_updates_only_is_right_too(rigs: Rigs) -> None:
    made = await rigs("limits")
    await made.compare_books("AAPL", "MSFT")
    assert made.connector.books()[0]["gaps"] == 0


async def test_the_order_book_switched_off_is_cancelled_and_withheld(rigs: Rigs) -> None:
    made = await rigs("whole")
    SWITCHES[ORDER_BOOK] = False
    await made.until("OFF", lambda: made.book_state("AAPL") == "OFF", 3)
    assert made.stream.book("AAPL") is None
    assert made.connector.state.state == "LIVE"
    assert made.subscription("AAPL@depth")["state"] == "OFF"
    await asyncio.sleep(0.5)
    stats = await made.tws.get("stats")
    assert stats["messages_in"]["CANCEL_DEPTH"] == 3
    SWITCHES[ORDER_BOOK] = True
    await made.until("SYNCED", lambda: made.book_state("AAPL") == "SYNCED", 3)


async def test_delayed_data_are_marked_and_the_stream_goes_on(rigs: Rigs) -> None:
    made = await rigs("delayed")
    await made.tws.fault("delayed")
    await made.until("DELAYED", lambda: made.stream.source_of("AAPL") is Source.DELAYED, 5)
    assert made.connector.status()["delayed"] is True
    before = made.stream.quote("AAPL").update_id
    await made.until("delayed quotes", lambda: made.stream.quote("AAPL").update_id > before, 5)
    assert made.subscription("AAPL@quotes")["source"] == "DELAYED"
    assert made.subscription("AAPL@trades")["state"] == "REFUSED"
    assert "no permission" in made.kinds_since(0)
    await made.tws.fault("clear")
    await made.until("no longer delayed", lambda: made.stream.source_of("AAPL") is Source.SIMULATED, 5)


async def test_without_permission_a_channel_is_refused_and_the_others_live(rigs: Rigs) -> None:
    made = await rigs("forbidden")
    await made.tws.fault("no_permission", symbol="AAPL", channel="depth")
    await made.until("refused", lambda: made.book_state("AAPL") == "REFUSED", 3)
    assert "no market data permission (354)" in made.subscription("AAPL@depth")["last_cause"]
    assert made.connector.state.state == "LIVE"
    assert made.subscription("AAPL@trades")["state"] == "LIVE"
    assert made.stream.book("AAPL") is None


async def test_a_closed_market_is_no_fault(rigs: Rigs) -> None:
    made = await rigs("closed", is_ready=False)
    await made.until("hours are known", lambda: all(x.contract is not None for x in made.connector.desk.lines.values()), 10)
    await asyncio.sleep(4)
    assert not {"exchange late", "network"} & made.kinds_since(0)
    assert made.connector.connects == 1
    summary = next(s for s in made.stream.symbols() if s["symbol"] == "AAPL")
    assert summary["cause"] == "market closed"
    assert made.subscription("AAPL@trades")["last_cause"] == "market closed"


async def test_a_thin_market_is_no_fault(rigs: Rigs) -> None:
    made = await rigs("thin", is_ready=False)
    await made.until("quotes", lambda: made.subscription("AAPL@quotes")["state"] == "LIVE", 10)
    await asyncio.sleep(4)
    assert "AAPL@trades" not in str(made.connector.status()["incidents"])
    assert made.connector.desk.lines["AAPL"].subscriptions[Kind.TRADES].attempts == 0


async def test_what_was_asked_for_while_subscriptions_were_lost_costs_no_depth_slot(rigs: Rigs) -> None:
    made = await rigs("lost")

    async def asked() -> int:
        return sum((await made.tws.get("stats"))["subscription_requests"]["depth"].values())

    before = await asked()
    await made.tws.fault("delay", ms=1_500)
    await made.tws.fault("connectivity_lost")
    await made.tws.fault("restored_lost")
    # the venue has lost all; we do not know yet, and ask for the books anew
    for line in made.connector.desk.lines.values():
        made.connector.session.renew(line, Kind.DEPTH)

    async def are_asked_for() -> bool:
        return await asked() >= before + len(SYMBOLS)

    await until(are_asked_for)
    await made.tws.fault("clear")
    await made.until("told", lambda: any("(1101)" in i["detail"] for i in made.connector.status()["incidents"]), 5)
    await made.until("books", lambda: all(made.stream.book(symbol) for symbol in SYMBOLS), 10)
    assert "rate limit" not in made.kinds_since(0)


async def test_an_unknown_contract_is_told_and_the_others_live(rigs: Rigs) -> None:
    made = await rigs("whole")
    made.connector.subscribe(AMZN)
    await made.until("told", lambda: "contract of AMZN not qualified" in str(made.connector.status()["incidents"]), 5)
    assert made.subscription("AAPL@trades")["state"] == "LIVE"
    assert made.subscription("AMZN@trades")["state"] == "REFUSED"
    await made.until("LIVE all the same", lambda: made.connector.state.state == "LIVE", 3)
    await made.until("shown", lambda: "AMZN not qualified" in made.stream.symbols()[-1]["cause"], 3)
    made.connector.unsubscribe("AMZN")
    await made.until("LIVE", lambda: made.connector.state.state == "LIVE", 5)


async def test_nothing_is_read_while_a_consumer_is_congested(rigs: Rigs, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await rigs("whole")
    congested = True
    monkeypatch.setattr(type(made.stream), "congested", property(lambda _: congested))
    client = made.connector.session.client
    await made.until("paused", lambda: client.is_paused, 3)
    messages = client.messages
    await asyncio.sleep(3)
    assert client.messages == messages
    assert made.connector.connects == 1, "silence that is ours is not held against the venue"
    congested = False
    await made.until("resumed", lambda: client.messages > messages, 3)
