"""How a venue on one WebSocket is told by `/api/v1/connections`; safe from any thread."""

from collections.abc import Iterable
from typing import Any

from core.domain.health import Source
from core.venues.channel import Channel
from core.venues.connector import Address
from core.venues.incident_log import IncidentLog
from core.venues.link import Link
from core.venues.venue_state import VenueState

_KEPT_TRANSITIONS = 30


def budget(name: str, used: int, limit: int, unit: str, window: str, detail: str = "") -> dict[str, Any]:
    """One gauge of `Connector.status()["budgets"]`."""
    return {"name": name, "used": used, "limit": limit, "unit": unit, "window": window, "detail": detail}


def state_status(state: VenueState) -> dict[str, Any]:
    """State, since when, why, and what came before, newest first."""
    newest = list(state.transitions.copy())[-_KEPT_TRANSITIONS:][::-1]
    return {
        "state": str(state.state),
        "since": state.since_ms,
        "cause": state.cause,
        "transitions": [{"at_ms": t.at_ms, "state": str(t.state), "cause": t.cause} for t in newest],
    }


def address_status(address: Address) -> dict[str, Any]:
    """Where the venue is and what kind of market that is."""
    source = str(address.source)
    is_delayed = address.source is Source.DELAYED
    return {"detail": address.detail, "endpoint": address.url, "source": source, "delayed": is_delayed}


def link_status(link: Link, rate_per_s: float) -> dict[str, Any]:
    """What came over the connection."""
    return {
        "transport": "WebSocket",
        "reconnects": max(0, link.connects - 1 - link.renewals),
        "messages": link.messages,
        "backlog": link.backlog,
        "rate_per_s": rate_per_s,
        "malformed": link.bad.total,
        "malformed_kinds": link.bad.kinds.copy(),
    }


def channel_status(channels: Iterable[Channel], now_ns: int, source: Source) -> dict[str, Any]:
    return {"subscriptions": [channel.status(now_ns) | {"source": str(source)} for channel in channels]}


def incident_status(incidents: IncidentLog) -> dict[str, Any]:
    """Newest first."""
    return {
        "incidents": [
            {"cause": i.cause, "kind": str(i.kind), "start_ms": i.start_ms, "end_ms": i.end_ms, "detail": i.detail}
            for i in incidents.snapshot()
        ]
    }
