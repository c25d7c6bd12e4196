"""What `/api/v1/connections` tells of Binance: its state, its limits, and what a person can do."""

import datetime
import math
from collections.abc import Mapping
from typing import Any

from core.base.clock import Clock
from core.base.settings import BinanceConfig
from core.domain.health import Cause, Incident, LinkState
from core.venues.binance.rest import BinanceRest
from core.venues.binance.stream_requests import LIMIT_PER_S, PACE_PER_S, StreamRequests
from core.venues.binance.weight_budget import SHARE
from core.venues.causes import Signals
from core.venues.channel import Channel
from core.venues.connect_budget import ConnectBudget
from core.venues.endpoints import Endpoints
from core.venues.incident_log import IncidentLog
from core.venues.link import Link
from core.venues.stream_status import link_status
from core.venues.venue_state import VenueState
from core.venues.watchdog import Watchdog

TITLE = "Binance Spot"
TRANSPORT = "one combined WebSocket stream, REST for history and repairs"
#: streams one connection may carry (web-socket-streams.md)
MAX_STREAMS = 1_024
#: the venue's shortest ban (rest-api.md: 2 minutes to 3 days)
_SHORTEST_BAN_S = 120
_TOLD_TRANSITIONS = 30
#: HTTP answers by which Binance refuses a place or an address
_FORBIDDEN = (403, 451)


def ban_text(rest: BinanceRest) -> str:
    """The ban now in force, with its end; empty when there is none."""
    if not rest.is_banned:
        return ""
    until = datetime.datetime.fromtimestamp(rest.banned_until_ms / 1000, tz=datetime.UTC)
    return f"{rest.ban_cause} until {until:%H:%M:%S} UTC"


def budgets(
    config: BinanceConfig,
    rest: BinanceRest,
    requests: StreamRequests,
    connects: ConnectBudget,
    streams: int,
    clock: Clock,
) -> list[dict[str, Any]]:
    """Each limit of the venue, and how much of it we use now."""
    weight, counts = rest.budget, rest.order_counts
    told = "as the venue's answers told it" if counts else "no answer has told one yet"
    left_s = max(0, math.ceil((rest.banned_until_ms - clock.now_ms()) / 1000))
    return [
        _budget(
            "request weight", weight.used, weight.limit, "weight", "1 min",
            f"we stop at {weight.allowed} ({SHARE:.0%}); {weight.waits} requests had to wait",
        ),
        _budget("orders", counts.get("10S", 0), config.orders_per_10s, "orders", "10 s", told),
        _budget("orders a day", counts.get("1D", 0), config.orders_per_day, "orders", "1 day", told),
        _budget(
            "stream messages", requests.bucket.spent(1.0), LIMIT_PER_S, "messages", "1 s",
            f"sent {1000 / PACE_PER_S:.0f} ms apart, {requests.sent} in all; {requests.waiting} streams wait",
        ),
        _budget("connects", connects.used, connects.limit, "connects", "5 min", "a third at once, the rest evenly"),
        _budget("streams", streams, MAX_STREAMS, "streams", "connection", ""),
        _budget("ban", left_s, max(rest.banned_for_s, _SHORTEST_BAN_S), "s", "", ban_text(rest) or "no ban"),
    ]  # fmt: skip


def _budget(name: str, used: int, limit: int, unit: str, window: str, detail: str) -> dict[str, Any]:
    return {"name": name, "used": used, "limit": limit, "unit": unit, "window": window, "detail": detail}


def transitions(state: VenueState) -> list[dict[str, Any]]:
    """The last state changes, newest first."""
    newest = list(state.transitions.copy())[: -_TOLD_TRANSITIONS - 1 : -1]
    return [{"at_ms": t.at_ms, "state": str(t.state), "cause": t.cause} for t in newest]


def incident_rows(incidents: list[Incident]) -> list[dict[str, Any]]:
    return [
        {"cause": i.cause, "kind": str(i.kind), "start_ms": i.start_ms, "end_ms": i.end_ms, "detail": i.detail}
        for i in incidents
    ]


def hint(state: LinkState, signals: Signals, incidents: list[Incident]) -> str:
    """What the person can do about it, or an empty text."""
    if state is LinkState.BANNED:
        return "Nothing to do: requests begin again when the ban ends. Other programs on this address share its limit."
    if state is LinkState.RECONNECTING:
        if signals.http_status in _FORBIDDEN:
            return (
                "Binance refuses this place: set BINANCE_REST_URL=https://data-api.binance.vision and"
                " BINANCE_WS_URL=wss://data-stream.binance.vision, or start with --market simulated."
            )
        if signals.unresolved or signals.timed_out:
            return "Check this machine's network; it is tried again without end."
        return ""
    if any(i.kind is Cause.CLOCK and not i.end_ms for i in incidents):
        return "Set this machine's clock (switch its time service on): orders would be refused."
    if any(i.kind is Cause.LOOP_BLOCKED and not i.end_ms for i in incidents):
        return "Our own side is behind: look at Monitoring for the consumer that is."
    return ""


class BinanceStatus:
    """Puts together what the parts of the connector know. Any thread may ask."""

    def __init__(
        self,
        limits: BinanceConfig,
        endpoints: Endpoints,
        state: VenueState,
        link: Link,
        rest: BinanceRest,
        requests: StreamRequests,
        watchdog: Watchdog,
        channels: Mapping[str, Channel],
        incidents: IncidentLog,
        clock: Clock,
    ) -> None:
        self._limits, self._endpoints, self._state, self._link = limits, endpoints, state, link
        self._rest, self._requests, self._watchdog = rest, requests, watchdog
        self._channels, self._incidents, self._clock = channels, incidents, clock

    def snapshot(self) -> dict[str, Any]:
        """An entry of `/api/v1/connections`, but for venue and API calls."""
        now_ns, link, rest, source = self._clock.monotonic_ns(), self._link, self._rest, str(self._endpoints.source)
        incidents, channels = self._incidents.snapshot(), list(self._channels.values())
        return link_status(link, self._watchdog.rate_per_s) | {
            "title": TITLE,
            "transport": TRANSPORT,
            "state": str(self._state.state),
            "since": self._state.since_ms,
            "cause": self._state.cause,
            "hint": hint(self._state.state, link.signals, incidents),
            "detail": self._endpoints.detail,
            "endpoint": self._endpoints.stream,
            "source": source,
            "delayed": False,
            "weight_used": rest.budget.used,
            "clock_offset_ms": rest.clock_offset_ms,
            "budgets": budgets(self._limits, rest, self._requests, link.budget, len(channels), self._clock),
            "subscriptions": [c.status(now_ns) | {"source": source} for c in channels],
            "transitions": transitions(self._state),
            "farms": [],
            "accounts": [],
            "incidents": incident_rows(incidents),
        }
