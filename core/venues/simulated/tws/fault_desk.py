"""Puts faults in force: what each one does to the clients, the listener and the subscriptions of a venue."""

import asyncio
import struct

from core.venues.simulated.tws import messages
from core.venues.simulated.tws.client import Client
from core.venues.simulated.tws.faults import CHANNELS, FarmState, FaultRequest, Garbage, farm_notice, farm_of
from core.venues.simulated.tws.market_desk import COMPETING
from core.venues.simulated.tws.subscriptions import Subscription
from core.venues.simulated.tws.venue import Venue
from core.venues.simulated.tws.wire import frame

_DEFAULT_OUTAGE_S = 5.0
#: how long after 1100 the nightly reset closes the socket
_RESET_NOTICE_S = 0.2
_LOST = "Connectivity between IB and Trader Workstation has been lost."
_NOTICES = {
    "connectivity_lost": (1100, _LOST),
    "restored_lost": (1101, "Connectivity between IB and Trader Workstation has been restored - data lost."),
    "restored_kept": (1102, "Connectivity between IB and Trader Workstation has been restored - data maintained."),
    "broken_2110": (2110, "Connectivity between TWS and server is broken. It will be restored automatically."),
}
_FARM_STATES: dict[str, FarmState] = {"down": "broken", "up": "OK", "idle": "inactive"}
_BUST = "Bust event occurred, current subscription is deactivated. Please resubscribe real-time bars immediately."
#: the subscriptions that a fault acts on at once
_ON_CHANNELS = {
    "depth_reset": ("depth",),
    "closed": ("depth",),
    "bust": ("bars",),
    "competing_session": tuple(channel for channel in CHANNELS if channel != "history"),
}


class FaultDesk:
    """Acts for `POST /sim/fault`."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def apply(self, wanted: FaultRequest) -> None:
        """Do what a fault asks."""
        venue, kind = self._venue, wanted.kind
        was_delayed, was_closed = venue.faults.is_delayed, venue.faults.is_closed
        venue.faults.apply(wanted, asyncio.get_running_loop().time())
        if kind == "clear":
            self._clear(was_delayed, was_closed)
        elif kind in _NOTICES:
            if kind == "restored_lost":
                venue.subscriptions.clear()
            venue.broadcast(*_NOTICES[kind])
        elif kind.startswith(("farm_", "hmds_")):
            venue.broadcast(*farm_notice(farm_of(wanted), _FARM_STATES[kind.partition("_")[2]]))
        elif kind in ("drop", "half_open", "delay", "burst", "garbage"):
            for client in list(venue.clients):
                self._act_on(client, wanted)
        elif kind in ("refuse", "reset"):
            venue.run(self._outage(wanted))
        else:
            self._act_on_subscriptions(wanted)

    def _act_on(self, client: Client, wanted: FaultRequest) -> None:
        match wanted.kind:
            case "drop":
                client.abort("fault: drop")
            case "half_open":
                client.freeze()
                client.holds_id = wanted.hold_id
            case "delay":
                client.set_delay(self._venue.faults.delay_s)
            case "burst":
                client.burst_size = max(wanted.n, 1)
            case "garbage":
                for data in self._garbage(client, wanted):
                    client.send(data)

    async def _outage(self, wanted: FaultRequest) -> None:
        venue = self._venue
        if wanted.kind == "reset":
            venue.broadcast(1100, _LOST)
            await asyncio.sleep(_RESET_NOTICE_S)
            for client in list(venue.clients):
                client.close("nightly reset")
        await venue.refuse(wanted.seconds or _DEFAULT_OUTAGE_S)

    def _act_on_subscriptions(self, wanted: FaultRequest) -> None:
        venue, symbol = self._venue, wanted.symbol
        if wanted.kind == "no_permission":
            for channel in CHANNELS:
                if (code := venue.faults.refusal(channel, symbol)) is not None:
                    venue.desk.revoke(channel, symbol, code)
        elif wanted.kind == "delayed":
            venue.desk.delay_all()
        elif wanted.kind in _ON_CHANNELS:
            for s in venue.subscriptions:
                if symbol in ("", s.symbol) and s.channel in _ON_CHANNELS[wanted.kind]:
                    self._act_on_subscription(s, wanted)

    def _act_on_subscription(self, s: Subscription, wanted: FaultRequest) -> None:
        venue = self._venue
        match wanted.kind:
            case "depth_reset":
                venue.desk.reset_depth(s)
            case "closed":
                venue.feeds[s.symbol].send_book(s, (), ())
            case "bust":
                s.client.send(messages.error(s.req_id, wanted.code or 10225, _BUST, s.client.version))
                venue.subscriptions.remove(s.client, s.family, s.req_id)
            case "competing_session":
                s.client.send(messages.error(s.req_id, 10197, COMPETING, s.client.version))

    def _clear(self, was_delayed: bool, was_closed: bool) -> None:
        venue = self._venue
        venue.faults.clear()
        for client in list(venue.clients):
            client.set_delay(0.0)
            client.release()
            if client.frozen:
                client.abort("fault: half_open")
        if was_closed:
            for feed in venue.feeds.values():
                feed.skip_to(venue.now_ms())
        if was_delayed:
            for s in venue.subscriptions:
                if s.is_delayed:
                    venue.desk.tell_live(s)

    def _garbage(self, client: Client, wanted: FaultRequest) -> list[bytes]:
        """Messages as if from the client's tick-by-tick subscription of the symbol."""
        symbol = wanted.symbol or next(iter(self._venue.markets))
        ids = [s.req_id for s in self._venue.subscriptions if (s.client, s.channel, s.symbol) == (client, "trades", symbol)]
        last = self._venue.markets[symbol].last_trade(self._venue.market_ms())
        message = garbage(wanted.payload, ids[0] if ids else 1, last.ts_ms // 1000, last.price / 100)
        return [message] * max(wanted.n, 1)


def garbage(kind: Garbage, req_id: int, time: int, price: float) -> bytes:
    """An absurd message made of a good tick-by-tick trade."""

    def tick(time: object = time, price: object = f"{price:.2f}") -> bytes:
        return frame(["99", str(req_id), "1", str(time), str(price), "100", "0", "NASDAQ", ""])

    makers = {
        "truncated": lambda: frame(["99", str(req_id), "1", str(time)]),
        "unknown_message": lambda: frame(["999", "1", "nonsense"]),
        "not_a_number": lambda: tick(price="twelve"),
        "nan_price": lambda: tick(price="NaN"),
        "negative_price": lambda: tick(price=-price),
        "time_1970": lambda: tick(time=1),
        "time_2100": lambda: tick(time=4_102_444_800),
        "bad_utf8": lambda: struct.pack(">I", 6) + b"99\x00\xff\xfe\x00",
        "empty": lambda: frame([]),
        "endless": lambda: struct.pack(">I", 0x7FFF_FFFF) + b"99\0",
    }
    return makers[kind]()
