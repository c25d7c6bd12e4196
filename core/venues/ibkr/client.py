"""The one place that knows the client library: ib_async, or ib_insync where only that is installed.

Streamed messages are taken where the library's decoder hands them over: its `Ticker` replaces the venue's time of a trade by
ours, keeps a wrong book (ib_async) or drops the row that shows a fault (ib_insync), and forgets which request a tick is of.
"""

import asyncio
import contextlib
import datetime
from collections.abc import Awaitable, Callable
from typing import Any

from core.base.clock import Clock
from core.base.errors import VenueUnavailable
from core.venues.ibkr.frames import BarTick, Delay, DepthRow, Frame, LastTick, QuoteTick, TopTick
from core.venues.ibkr.library import DecoderLog
from core.venues.turns import Turns

#: bytes handed to the library at once: it cuts each message off the front of all that it has, so that a read of a quarter of
#: a megabyte costs it the square
_PIECE = 4_096
#: pieces handed to it in one turn of the loop: a few hundred messages
_PER_TURN = 4
#: the account values that are shown
ACCOUNT_TAGS = ("NetLiquidation", "TotalCashValue", "BuyingPower", "GrossPositionValue")
_ID_IN_USE = 326


class ClientIdInUse(VenueUnavailable):
    """Another program is connected with our client id (326)."""


class RequestRefused(VenueUnavailable):
    """The venue answered a request with an error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message


class IbClient:
    """One connection to a TWS or Gateway, made once. Everything runs on the loop that made it.

    `on_frame(frame)` gets each streamed message, `on_read()` is called after each read of the socket, `on_error(request_id,
    code, text)` gets the venue's messages, `on_undecodable(text)` what the library could not decode.
    """

    def __init__(
        self,
        library: Any,
        clock: Clock,
        on_frame: Callable[[Frame], None],
        on_read: Callable[[], None],
        on_error: Callable[[int, int, str], None],
        on_undecodable: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._library = library
        self._on_frame = on_frame
        self._on_read = on_read
        self._on_error = on_error
        self._on_undecodable = on_undecodable
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._turns = Turns(self._decode, self._read, _PER_TURN, on_read)
        self._ib = library.IB()
        #: the library's own answer to 1102 would cost an account subscription each time
        self._ib.errorEvent.clear()
        self._ib.RaiseRequestErrors = True
        self._ib.errorEvent += self._heard
        self._ib.client.conn.disconnected += self._disconnected
        self._tap()
        self._ib.client.decoder.logger = DecoderLog(on_undecodable)
        self._opening: asyncio.Future[None] | None = None
        #: when the read that is being handled came (monotonic ns)
        self.recv_ns = 0
        #: bytes and messages received, messages sent
        self.bytes = self.messages = self.sent = 0
        self._cause = ""

    def _tap(self) -> None:
        """Put ourselves between the library's decoder and what it does with streamed messages."""
        wrapper, conn = self._ib.wrapper, self._ib.client.conn
        wrapper.tickByTickAllLast = self._last
        wrapper.tickByTickBidAsk = self._quote
        wrapper.updateMktDepth = self._row
        wrapper.updateMktDepthL2 = self._row_l2
        wrapper.realtimeBar = self._bar
        wrapper.historicalDataUpdate = self._bar_update
        wrapper.priceSizeTick = self._price
        wrapper.tickSize = self._size
        wrapper.marketDataType = self._type
        self._received = conn.data_received
        lost = conn.connection_lost

        def data_received(data: bytes) -> None:
            now_ns = self._clock.monotonic_ns()
            self.bytes += len(data)
            for start in range(0, len(data), _PIECE):
                self._turns.put(data[start : start + _PIECE], now_ns)
            self._on_read()

        def connection_lost(error: Exception | None) -> None:
            self._turns.flush()  # the library forgets what it was in the middle of
            lost(error)

        conn.data_received, conn.connection_lost = data_received, connection_lost

    def _decode(self, data: bytes, recv_ns: int) -> None:
        if self._cause:  # dropped
            return
        self.recv_ns = recv_ns
        try:
            self._received(data)
        except Exception as error:  # the framing is lost with it
            self._on_undecodable(repr(error))
            self.drop("bad frame: the stream cannot be read any more")
            return
        if self._ib.client.isReady():
            self.messages = self._ib.client.connectionStats().numMsgRecv

    def _read(self, may_read: bool) -> None:
        transport = self._ib.client.conn.transport
        if transport is not None and not transport.is_closing():
            (transport.resume_reading if may_read else transport.pause_reading)()

    # -- the connection

    async def open(self, host: str, port: int, client_id: int, timeout_s: float) -> None:
        """Connect and shake hands. Raises ClientIdInUse, VenueUnavailable, OSError or TimeoutError."""
        client = self._ib.client
        self._ib.wrapper.clientId = client_id
        self._opening = asyncio.get_running_loop().create_future()
        connecting = asyncio.ensure_future(client.connectAsync(host, port, client_id, timeout_s))
        try:
            await asyncio.wait({connecting, self._opening}, return_when=asyncio.FIRST_COMPLETED)
            if self._opening.done():
                self._opening.result()
            await connecting
        except BaseException:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
            self.drop("connect failed")
            raise
        finally:
            self._opening.cancel()
        self.messages = client.connectionStats().numMsgRecv

    def drop(self, cause: str) -> None:
        """End the connection now, without waiting for the other side."""
        self._cause = self._cause or cause
        transport = self._ib.client.conn.transport
        if transport is not None:
            transport.abort()
        else:
            self._end("")

    def pause(self) -> None:
        """Read no more, for a consumer cannot follow."""
        self._turns.pause()

    def resume(self) -> None:
        self._turns.resume()

    @property
    def is_paused(self) -> bool:
        return self._turns.is_paused

    @property
    def backlog(self) -> int:
        """Pieces of at most 4 kB, read and not decoded yet."""
        return len(self._turns)

    @property
    def is_open(self) -> bool:
        return bool(self._ib.client.isReady())

    @property
    def server_version(self) -> int:
        return int(self._ib.client.serverVersion())

    @property
    def accounts(self) -> list[str]:
        return list(self._ib.client.getAccounts()) if self.is_open else []

    def _disconnected(self, message: str) -> None:
        self._end(message)

    def _end(self, message: str) -> None:
        if self._opening is not None and not self._opening.done():
            self._opening.set_exception(VenueUnavailable(message or "closed during the API's handshake"))
        if not self.closed.done():
            self.closed.set_result(self._cause or (f"connection lost: {message}" if message else "connection closed by TWS"))

    def _heard(self, request_id: int, code: int, text: str, *_: object) -> None:
        if code == _ID_IN_USE and self._opening is not None and not self._opening.done():
            # the library would wait for its whole time limit
            self._opening.set_exception(ClientIdInUse(text))
        self._on_error(request_id, code, text)

    # -- streamed messages

    def _last(self, request_id: int, _type: int, second: int, price: float, size: float, *told: object) -> None:
        self._on_frame(LastTick(request_id, second, price, size, f"{told[1]}|{told[2]}"))

    def _quote(
        self, request_id: int, second: int, bid: float, ask: float, bid_size: float, ask_size: float, *_: object
    ) -> None:
        self._on_frame(QuoteTick(request_id, second, bid, bid_size, ask, ask_size))

    def _row(self, request_id: int, position: int, operation: int, side: int, price: float, size: float) -> None:
        self._on_frame(DepthRow(request_id, position, operation, side, price, size))

    def _row_l2(
        self, request_id: int, position: int, _maker: str, operation: int, side: int, price: float, size: float, *_: object
    ) -> None:
        self._on_frame(DepthRow(request_id, position, operation, side, price, size))

    def _bar(
        self, request_id: int, second: int, open_: float, high: float, low: float, close: float, volume: float,
        _average: float, count: int,
    ) -> None:  # fmt: skip
        self._on_frame(BarTick(request_id, second, open_, high, low, close, volume, count))

    def _bar_update(self, request_id: int, bar: Any) -> None:
        values = (float(bar.open), float(bar.high), float(bar.low), float(bar.close), float(bar.volume))
        self._on_frame(BarTick(request_id, epoch(bar.date), *values, int(bar.barCount)))

    def _price(self, request_id: int, tick_type: int, price: float, size: float) -> None:
        self._on_frame(TopTick(request_id, tick_type, price, size))

    def _size(self, request_id: int, tick_type: int, size: float) -> None:
        self._on_frame(TopTick(request_id, tick_type, None, size))

    def _type(self, request_id: int, data_type: int) -> None:
        self._on_frame(Delay(request_id, data_type in (3, 4)))

    # -- requests: each is one message

    def stock(self, symbol: str, currency: str) -> Any:
        """A stock's contract, not qualified yet."""
        return self._library.Stock(symbol, "SMART", currency)

    def _new_id(self) -> int:
        self.sent += 1
        return int(self._ib.client.getReqId())

    def ask_trades(self, contract: Any) -> int:
        """Subscribe to tick-by-tick trades; gives the request's id."""
        request_id = self._new_id()
        self._ib.client.reqTickByTickData(request_id, contract, "AllLast", 0, False)
        return request_id

    def ask_quotes(self, contract: Any) -> int:
        request_id = self._new_id()
        self._ib.client.reqTickByTickData(request_id, contract, "BidAsk", 0, False)
        return request_id

    def cancel_ticks(self, request_id: int) -> None:
        self.sent += 1
        self._ib.client.cancelTickByTickData(request_id)

    def ask_top(self, contract: Any) -> int:
        """Best bid and ask by a market data line: not each change, but there for those who may have no tick-by-tick data."""
        request_id = self._new_id()
        self._ib.client.reqMktData(request_id, contract, "", False, False, [])
        return request_id

    def cancel_top(self, request_id: int) -> None:
        self.sent += 1
        self._ib.client.cancelMktData(request_id)

    def ask_depth(self, contract: Any, rows: int) -> int:
        request_id = self._new_id()
        self._ib.client.reqMktDepth(request_id, contract, rows, True, [])
        return request_id

    def cancel_depth(self, request_id: int) -> None:
        self.sent += 1
        self._ib.client.cancelMktDepth(request_id, True)

    def ask_bars(self, contract: Any) -> int:
        """Subscribe to five-second bars of trades."""
        request_id = self._new_id()
        self._ib.client.reqRealTimeBars(request_id, contract, 5, "TRADES", False, [])
        return request_id

    def cancel_bars(self, request_id: int) -> None:
        self.sent += 1
        self._ib.client.cancelRealTimeBars(request_id)

    def ask_history(self, contract: Any, duration: str, size: str, keep: bool) -> tuple[int, Awaitable[list[Any]]]:
        """Bars of trades up to now; `keep`: the last one is kept up to date until it is cancelled."""
        request_id = self._new_id()
        answer = self._ib.wrapper.startReq(request_id, contract)
        self._ib.client.reqHistoricalData(request_id, contract, "", duration, size, "TRADES", False, 2, keep, [])
        return request_id, answer

    def cancel_history(self, request_id: int) -> None:
        self.sent += 1
        self._ib.client.cancelHistoricalData(request_id)

    async def historical_trades(self, contract: Any, from_s: int, count: int, timeout_s: float) -> list[Any]:
        """About `count` trades from an epoch second on; the library's `HistoricalTickLast`, oldest first."""
        self.sent += 1
        start = datetime.datetime.fromtimestamp(from_s, datetime.UTC)
        wanted: tuple[Any, ...] = (contract, start, "", count, "TRADES", False, False, [])
        return list(await self._answer(lambda: self._ib.reqHistoricalTicksAsync(*wanted), timeout_s))

    async def contract_details(self, contract: Any, timeout_s: float) -> list[Any]:
        self.sent += 1
        return list(await self._answer(lambda: self._ib.reqContractDetailsAsync(contract), timeout_s))

    async def current_time(self, timeout_s: float) -> int:
        """The venue's epoch second. Not to be asked while another such question is open: the library knows only one."""
        self.sent += 1
        return epoch(await self._answer(self._ib.reqCurrentTimeAsync, timeout_s))

    def allow_delayed(self) -> None:
        """From here on, what the account may not have live comes delayed (market data type 3)."""
        self.sent += 1
        self._ib.client.reqMarketDataType(3)

    async def account_summary(self, timeout_s: float) -> None:
        """Subscribe to the account values; they are in `account_values()` from then on."""

        def ask() -> Awaitable[Any]:
            request_id = self._new_id()
            answer: Awaitable[Any] = self._ib.wrapper.startReq(request_id)
            self._ib.client.reqAccountSummary(request_id, "All", ",".join(("AccountType", *ACCOUNT_TAGS)))
            return answer

        await self._answer(ask, timeout_s)

    async def positions(self, timeout_s: float) -> None:
        """Subscribe to positions; they are in `positions_of(account)` from then on."""
        self.sent += 1
        await self._answer(self._ib.reqPositionsAsync, timeout_s)

    def account_values(self) -> list[tuple[str, str, str]]:
        """(account, tag, value)."""
        return [(v.account, v.tag, v.value) for v in self._ib.wrapper.acctSummary.copy().values()]

    def positions_of(self, account: str) -> list[tuple[str, float, float]]:
        """(symbol, quantity, average cost)."""
        held = self._ib.wrapper.positions.get(account, {}).copy().values()
        return [(p.contract.symbol, float(p.position), float(p.avgCost)) for p in held]

    async def answer(self, waiting: Awaitable[Any], timeout_s: float) -> Any:
        """The answer of a request made by `ask_history`."""
        return await self._answer(lambda: waiting, timeout_s)

    async def _answer(self, ask: Callable[[], Awaitable[Any]], timeout_s: float) -> Any:
        """What the library answers to `ask()`. Raises RequestRefused or VenueUnavailable."""
        try:
            async with asyncio.timeout(timeout_s):
                return await ask()
        except TimeoutError:
            raise VenueUnavailable(f"no answer within {timeout_s:g} s") from None
        except ConnectionError as error:
            raise VenueUnavailable(str(error)) from None
        except self._library.wrapper.RequestError as error:
            raise RequestRefused(error.code, error.message) from None


def epoch(moment: Any) -> int:
    """Epoch seconds of what the library makes of a time: an aware datetime, a date (a day's bar), or its text."""
    if isinstance(moment, datetime.datetime):
        return round(moment.timestamp())
    if isinstance(moment, datetime.date):
        return round(datetime.datetime.combine(moment, datetime.time(), datetime.UTC).timestamp())
    text = str(moment)
    with contextlib.suppress(ValueError):
        is_day = len(text) == len("20261121")
        return epoch(datetime.datetime.strptime(text, "%Y%m%d").replace(tzinfo=datetime.UTC)) if is_day else int(text)
    raise ValueError(f"not a time of a bar: {text[:40]!r}")
