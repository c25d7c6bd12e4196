"""The client library, unchanged, on the simulated TWS: the same file passes on ib_async and on ib_insync."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.patience import PATIENCE, until

try:
    import ib_async as ibx
except ImportError:
    ibx = pytest.importorskip("ib_insync")

ROOT = Path(__file__).resolve().parents[4]
Trades = list[tuple[int, float, float]]


class LiveTws:
    """The simulated TWS in its own process, with its control."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "core.venues.simulated.tws", "--parent-pipe", *arguments]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        hello = json.loads(self.process.stdout.readline())
        self.port, self.control = hello["port"], f"http://127.0.0.1:{hello['control_port']}/sim/"

    async def fault(self, kind: str, **body: object) -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.control + "fault", json={"kind": kind} | body) as answer,
        ):
            assert answer.status == 200, await answer.text()

    async def get(self, path: str, **query: object) -> Any:
        params = {name: str(value) for name, value in query.items()}
        async with aiohttp.ClientSession() as session, session.get(self.control + path, params=params) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def trades(self, symbol: str, from_ms: int, to_ms: int) -> Trades:
        """What the venue itself knows: (second, price, size)."""
        rows = (await self.get("trades", symbol=symbol, from_ms=from_ms, to_ms=to_ms))["trades"]
        return [(row[0] // 1000, row[1], float(row[2])) for row in rows]


class Desk:
    """A connected library with what its events told."""

    def __init__(self, tws: LiveTws) -> None:
        self.tws = tws
        self.ib = ibx.IB()
        self.errors: list[tuple[int, int, str]] = []
        self.dom_ticks: list[Any] = []
        self.ib.errorEvent += self._error
        self.ib.pendingTickersEvent += self._tickers
        self.ticks: list[Any] = []

    def _error(self, req_id: int, code: int, text: str, *_: object) -> None:
        self.errors.append((req_id, code, text))

    def _tickers(self, tickers: Any) -> None:
        for ticker in tickers:
            self.ticks += ticker.tickByTicks
            self.dom_ticks += ticker.domTicks

    @property
    def codes(self) -> list[int]:
        return [code for _, code, _ in self.errors]

    async def connect(self, client_id: int = 33) -> None:
        await self.ib.connectAsync("127.0.0.1", self.tws.port, clientId=client_id, timeout=5)

    async def stock(self, symbol: str = "AAPL") -> Any:
        return (await self.ib.qualifyContractsAsync(ibx.Stock(symbol, "SMART", "USD")))[0]


@pytest.fixture(scope="module")
def busy_tws() -> Iterator[LiveTws]:
    """One simulated TWS with five times the trades of a normal day."""
    tws = LiveTws("--rate", "5")
    yield tws
    tws.process.kill()
    tws.process.communicate()


@pytest.fixture
async def open_desk(busy_tws: LiveTws) -> AsyncIterator[Callable[..., Awaitable[Desk]]]:
    """Connected libraries; closed at the end, and the venue is put right."""
    asyncio.set_event_loop(asyncio.get_running_loop())  # the library asks for the set loop, not for the running one
    desks: list[Desk] = []

    async def connect(client_id: int = 33) -> Desk:
        desks.append(Desk(busy_tws))
        await desks[-1].connect(client_id)
        return desks[-1]

    yield connect
    for desk in desks:
        desk.ib.disconnect()
    await busy_tws.fault("clear")
    await busy_tws.fault("depth_mode", mode="shifting")
    for _ in range(200):
        if not (await busy_tws.get("stats"))["connections"]:
            break
        await asyncio.sleep(0.01)


async def test_it_connects_within_a_second_to_the_simulated_account(open_desk: Callable[..., Awaitable[Desk]]) -> None:
    began = time.monotonic()
    desk = await open_desk()
    assert time.monotonic() - began < 1.0 * PATIENCE
    assert desk.ib.client.serverVersion() == desk.ib.client.MaxClientVersion
    assert desk.ib.managedAccounts() == ["SIM1234567"]
    await until(lambda: {2104, 2106, 2158} <= set(desk.codes))
    assert abs((await desk.ib.reqCurrentTimeAsync()).timestamp() - time.time()) < 2


async def test_contracts_are_qualified_and_unknown_ones_are_not(open_desk: Callable[..., Awaitable[Desk]]) -> None:
    desk = await open_desk()
    stock = await desk.stock("MSFT")
    assert (stock.conId, stock.primaryExchange, stock.tradingClass) == (272093, "NASDAQ", "NMS")
    details = (await desk.ib.reqContractDetailsAsync(stock))[0]
    assert (details.longName, details.minTick, details.timeZoneId) == ("MICROSOFT CORP", 0.01, "US/Eastern")
    assert await desk.ib.qualifyContractsAsync(ibx.Stock("NOPE", "SMART", "USD")) in ([], [None])
    assert 200 in desk.codes
    exchanges = await desk.ib.reqMktDepthExchangesAsync()
    assert {"NASDAQ", "ARCA"} <= {e.exchange for e in exchanges}


async def test_streamed_trades_are_the_venues_own_and_those_of_its_history_and_bars(
    open_desk: Callable[..., Awaitable[Desk]], busy_tws: LiveTws
) -> None:
    desk = await open_desk()
    stock = await desk.stock()
    bars = desk.ib.reqRealTimeBars(stock, 5, "TRADES", False)
    raw: Trades = []
    wrapper = desk.ib.wrapper
    original = wrapper.tickByTickAllLast

    def heard(req_id: int, kind: int, at_s: int, price: float, size: float, *rest: Any) -> None:
        raw.append((at_s, price, size))
        original(req_id, kind, at_s, price, size, *rest)

    wrapper.tickByTickAllLast = heard
    desk.ib.reqTickByTickData(stock, "AllLast")
    await until(lambda: raw)
    first = raw[0][0] + 1
    await until(lambda: bars and bars[-1].time.timestamp() >= first and raw[-1][0] >= bars[-1].time.timestamp() + 5, 15)
    end = int(bars[-1].time.timestamp()) + 5
    own = await busy_tws.trades("AAPL", first * 1000, end * 1000 - 1)
    assert [t for t in raw if first <= t[0] < end] == own
    start = ibx.util.formatIBDatetime(bars[-1].time)
    ticks = await desk.ib.reqHistoricalTicksAsync(stock, start, "", 1000, "TRADES", False)
    expected = [t for t in own if t[0] >= end - 5]
    assert [(int(t.time.timestamp()), t.price, t.size) for t in ticks][: len(expected)] == expected
    bar = bars[-1]
    assert (bar.open_, bar.close, bar.volume, bar.count) == (
        expected[0][1], expected[-1][1], sum(t[2] for t in expected), len(expected),
    )  # fmt: skip
    assert (bar.high, bar.low) == (max(t[1] for t in expected), min(t[1] for t in expected))
    history = await desk.ib.reqHistoricalDataAsync(stock, "", "60 S", "5 secs", "TRADES", False, 2)
    same = next(b for b in history if b.date == bar.time)
    assert (same.open, same.high, same.low, same.close, same.volume, same.average, same.barCount) == (
        bar.open_, bar.high, bar.low, bar.close, bar.volume, bar.wap, bar.count,
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["shifting", "update_only"])
async def test_a_book_built_of_the_depth_messages_is_the_venues_own(
    open_desk: Callable[..., Awaitable[Desk]], busy_tws: LiveTws, mode: str
) -> None:
    await busy_tws.fault("depth_mode", mode=mode)
    desk = await open_desk()
    desk.ib.reqMktDepth(await desk.stock(), numRows=10, isSmartDepth=True)
    await until(lambda: len(desk.dom_ticks) > 150)
    await busy_tws.fault("pause")
    expected = await busy_tws.get("book", symbol="AAPL")
    await desk.ib.reqCurrentTimeAsync()
    await asyncio.sleep(0.05)
    sides: dict[int, list[list[float]]] = {0: [], 1: []}
    for tick in desk.dom_ticks:
        rows = sides[tick.side]
        if tick.operation == 0:
            rows.insert(tick.position, [tick.price, tick.size])
        elif tick.operation == 1:
            rows[tick.position] = [tick.price, tick.size]
        else:
            del rows[tick.position]
    assert (sides[1], sides[0]) == (expected["bids"], expected["asks"])
    assert len(sides[1]) == 10
    operations = Counter(tick.operation for tick in desk.dom_ticks)
    assert (operations[2] > 0) is (mode == "shifting")


async def test_level_one_data_and_a_snapshot_hold_bid_ask_and_last(open_desk: Callable[..., Awaitable[Desk]]) -> None:
    desk = await open_desk()
    stock = await desk.stock("GOOGL")
    ticker = desk.ib.reqMktData(stock, "233")
    await until(lambda: ticker.bid > 0 and ticker.ask > ticker.bid and ticker.last > 0 and ticker.bidSize > 0)
    assert ticker.marketDataType == 1
    assert ticker.low <= ticker.last <= ticker.high
    desk.ib.cancelMktData(stock)
    (snapshot,) = await desk.ib.reqTickersAsync(await desk.stock("MSFT"))
    assert 0 < snapshot.bid < snapshot.ask


async def test_a_history_kept_up_to_date_goes_on_without_a_hole(
    open_desk: Callable[..., Awaitable[Desk]], busy_tws: LiveTws
) -> None:
    desk = await open_desk()
    stock = await desk.stock("MSFT")
    bars = await desk.ib.reqHistoricalDataAsync(stock, "", "120 S", "5 secs", "TRADES", False, 2, keepUpToDate=True)
    length = len(bars)
    assert length >= 20
    await until(lambda: len(bars) >= length + 1, 15)
    opens = [int(bar.date.timestamp()) for bar in bars]
    assert opens == list(range(opens[0], opens[-1] + 1, 5))
    for bar in bars[-3:]:
        at_ms = int(bar.date.timestamp()) * 1000
        own = await busy_tws.trades("MSFT", at_ms, at_ms + 4_999)
        assert (bar.volume, bar.barCount) == (sum(t[2] for t in own), len(own))


async def test_other_history_has_days_a_first_time_quotes_and_midpoints(open_desk: Callable[..., Awaitable[Desk]]) -> None:
    desk = await open_desk()
    stock = await desk.stock("GOOGL")
    days = await desk.ib.reqHistoricalDataAsync(stock, "", "10 D", "1 day", "TRADES", True)
    assert len(days) >= 10
    assert days[-1].date.year >= 2020
    minutes = await desk.ib.reqHistoricalDataAsync(stock, "", "600 S", "1 min", "MIDPOINT", True)
    assert {bar.volume for bar in minutes} == {-1.0}
    head = await desk.ib.reqHeadTimeStampAsync(stock, "TRADES", False, 2)
    assert head.year == 2017
    end = ibx.util.formatIBDatetime(minutes[-1].date)
    quotes = await desk.ib.reqHistoricalTicksAsync(stock, "", end, 50, "BID_ASK", False)
    assert all(q.priceBid < q.priceAsk and q.sizeBid > 0 for q in quotes)
    middles = await desk.ib.reqHistoricalTicksAsync(stock, "", end, 50, "MIDPOINT", False)
    assert middles[-1].price == pytest.approx((quotes[-1].priceBid + quotes[-1].priceAsk) / 2)


async def test_a_limit_order_rests_is_modified_and_is_cancelled_once(open_desk: Callable[..., Awaitable[Desk]]) -> None:
    desk = await open_desk()
    stock = await desk.stock()
    order = ibx.LimitOrder("BUY", 10, 100.0)
    trade = desk.ib.placeOrder(stock, order)
    await until(lambda: trade.orderStatus.status == "Submitted")
    order.lmtPrice = 101.0
    desk.ib.placeOrder(stock, order)
    await until(lambda: any(entry.message == "Modified" for entry in trade.log))
    assert [t.order.lmtPrice for t in await desk.ib.reqAllOpenOrdersAsync()] == [101.0]
    desk.ib.cancelOrder(order)
    await until(lambda: trade.orderStatus.status == "Cancelled")
    await until(lambda: 202 in desk.codes)
    desk.ib.client.cancelOrder(order.orderId, "")
    await until(lambda: 10148 in desk.codes)
    desk.ib.client.cancelOrder(999_999, "")
    await until(lambda: (999_999, 10147) in [(req_id, code) for req_id, code, _ in desk.errors])
    assert order.permId in [t.order.permId for t in await desk.ib.reqCompletedOrdersAsync(False)]


async def test_a_market_order_is_filled_in_parts_with_executions_commissions_and_a_position(
    open_desk: Callable[..., Awaitable[Desk]],
) -> None:
    desk = await open_desk(40)
    stock = await desk.stock("MSFT")
    before = {p.contract.symbol: p.position for p in desk.ib.positions()}.get("MSFT", 0.0)
    ticker = desk.ib.reqMktData(stock)
    await until(lambda: ticker.askSize > 0)
    quantity = round(ticker.askSize) + 1_000  # more than one level has
    trade = desk.ib.placeOrder(stock, ibx.MarketOrder("BUY", quantity))
    await until(lambda: trade.orderStatus.status == "Filled" and all(f.commissionReport.commission for f in trade.fills))
    assert len(trade.fills) > 1
    assert sum(f.execution.shares for f in trade.fills) == quantity
    assert trade.fills[-1].execution.cumQty == quantity
    cost = sum(f.execution.shares * f.execution.price for f in trade.fills)
    assert trade.orderStatus.avgFillPrice == pytest.approx(cost / quantity)
    assert len({f.execution.execId for f in trade.fills}) == len(trade.fills)
    await until(lambda: {p.contract.symbol: p.position for p in desk.ib.positions()}.get("MSFT") == before + quantity)
    await until(lambda: any(item.contract.symbol == "MSFT" and item.position for item in desk.ib.portfolio()))
    summary = {v.tag: v.value for v in await desk.ib.accountSummaryAsync()}
    assert float(summary["GrossPositionValue"]) > 100_000
    desk.ib.disconnect()
    again = await open_desk(40)
    assert sorted(f.execution.execId for f in again.ib.fills()) == sorted(f.execution.execId for f in trade.fills)
    sale = again.ib.placeOrder(await again.stock("MSFT"), ibx.MarketOrder("SELL", quantity))
    await until(lambda: sale.isDone() and all(f.commissionReport.execId for f in sale.fills))
    realized = sum(f.commissionReport.realizedPNL for f in sale.fills)
    paid = sum(f.execution.shares * f.execution.price for f in sale.fills)
    assert realized == pytest.approx(paid - cost - sum(f.commissionReport.commission for f in sale.fills), abs=0.05)


async def test_a_resting_order_is_filled_by_trades_that_reach_it(open_desk: Callable[..., Awaitable[Desk]]) -> None:
    desk = await open_desk()
    stock = await desk.stock()
    ticker = desk.ib.reqMktData(stock)
    await until(lambda: ticker.bid > 0)
    filled = False
    for _ in range(8):  # a market that rises from the order on never reaches it
        limit = ticker.bid
        trade = desk.ib.placeOrder(stock, ibx.LimitOrder("BUY", 40, limit))
        with contextlib.suppress(pytest.fail.Exception):
            await until(lambda trade=trade: trade.fills, 5)
        if not trade.isDone():
            desk.ib.cancelOrder(trade.order)
        await until(trade.isDone)
        filled = bool(trade.fills)
        if filled:
            break
    assert filled
    assert all(fill.execution.price <= limit for fill in trade.fills)


async def test_what_if_changes_nothing_and_too_large_an_order_is_rejected(open_desk: Callable[..., Awaitable[Desk]]) -> None:
    desk = await open_desk()
    stock = await desk.stock()
    state = await desk.ib.whatIfOrderAsync(stock, ibx.LimitOrder("BUY", 100, 200.0))
    assert float(state.initMarginChange) == 10_000
    assert float(state.commission) == 1.0
    assert await desk.ib.reqAllOpenOrdersAsync() == []
    trade = desk.ib.placeOrder(stock, ibx.LimitOrder("BUY", 1_000_000, 200.0))
    await until(lambda: 201 in desk.codes)
    await until(trade.isDone)


async def test_a_bracket_waits_for_its_parent_and_ends_with_one_of_its_children(
    open_desk: Callable[..., Awaitable[Desk]],
) -> None:
    desk = await open_desk()
    stock = await desk.stock()
    ticker = desk.ib.reqMktData(stock)
    await until(lambda: ticker.ask > 0)
    resting = [desk.ib.placeOrder(stock, o) for o in desk.ib.bracketOrder("BUY", 10, 100.0, 300.0, 90.0)]
    await until(lambda: [t.orderStatus.status for t in resting] == ["Submitted", "PreSubmitted", "PreSubmitted"])
    desk.ib.cancelOrder(resting[0].order)
    await until(lambda: all(t.orderStatus.status == "Cancelled" for t in resting))
    price = round(ticker.ask + 1, 2)
    orders = desk.ib.bracketOrder("BUY", 10, price, round(ticker.ask - 1, 2), 90.0)
    parent, target, stop = [desk.ib.placeOrder(stock, o) for o in orders]
    await until(lambda: parent.orderStatus.status == target.orderStatus.status == "Filled")
    await until(lambda: stop.orderStatus.status == "Cancelled")


async def test_global_cancel_ends_every_order(open_desk: Callable[..., Awaitable[Desk]]) -> None:
    desk = await open_desk()
    stock = await desk.stock()
    trades = [desk.ib.placeOrder(stock, ibx.LimitOrder("BUY", 1, 50.0 + i)) for i in range(3)]
    await until(lambda: all(t.orderStatus.status == "Submitted" for t in trades))
    desk.ib.reqGlobalCancel()
    await until(lambda: all(t.orderStatus.status == "Cancelled" for t in trades))


async def test_a_drop_ends_pending_requests_and_open_orders_come_back(
    open_desk: Callable[..., Awaitable[Desk]], busy_tws: LiveTws
) -> None:
    desk = await open_desk(41)
    stock = await desk.stock()
    trade = desk.ib.placeOrder(stock, ibx.LimitOrder("BUY", 3, 77.0))
    await until(lambda: trade.orderStatus.status == "Submitted")
    lost = asyncio.Event()
    desk.ib.disconnectedEvent += lost.set
    await busy_tws.fault("hmds_down")
    await busy_tws.fault("drop")
    await asyncio.wait_for(lost.wait(), 30)
    assert not desk.ib.isConnected()
    await busy_tws.fault("clear")
    await desk.connect(41)
    assert [t.order.lmtPrice for t in desk.ib.openTrades()] == [77.0]
    desk.ib.reqGlobalCancel()
    await until(lambda: not desk.ib.openTrades())


async def test_the_same_client_id_twice_is_told_326(open_desk: Callable[..., Awaitable[Desk]], busy_tws: LiveTws) -> None:
    await open_desk(42)
    second = Desk(busy_tws)
    with contextlib.suppress(TimeoutError, asyncio.TimeoutError, ConnectionError):
        await second.ib.connectAsync("127.0.0.1", busy_tws.port, clientId=42, timeout=1)
    assert 326 in second.codes
    assert not second.ib.isConnected()


async def test_faults_reach_the_library_as_codes_and_it_lives_on(
    open_desk: Callable[..., Awaitable[Desk]], busy_tws: LiveTws
) -> None:
    desk = await open_desk()
    stock = await desk.stock()
    desk.ib.reqMktDepth(stock, numRows=5, isSmartDepth=True)
    await until(lambda: desk.dom_ticks)
    for kind, code in (
        ("connectivity_lost", 1100), ("restored_kept", 1102), ("depth_reset", 317), ("farm_down", 2103), ("farm_up", 2104),
        ("hmds_down", 2105), ("hmds_up", 2106), ("broken_2110", 2110), ("restored_lost", 1101),
    ):  # fmt: skip
        await busy_tws.fault(kind)
        await until(lambda code=code: code in desk.codes)
    assert desk.ib.isConnected()
    await busy_tws.fault("pacing", n=1)
    bars = await desk.ib.reqHistoricalDataAsync(stock, "", "333 S", "1 min", "TRADES", False, 2)
    assert not bars
    assert 162 in desk.codes
    for payload in ("truncated", "unknown_message", "not_a_number"):
        await busy_tws.fault("garbage", payload=payload)
    assert await desk.ib.reqCurrentTimeAsync()
