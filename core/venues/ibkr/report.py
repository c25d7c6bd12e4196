"""The venue as `/api/v1/connections` tells it."""

from typing import Any, Protocol

from core.base.settings import Settings
from core.domain.health import Source
from core.venues.connector import Address
from core.venues.ibkr.budgets import VENUE_MESSAGES_PER_S
from core.venues.ibkr.desk import Desk
from core.venues.venue_state import VenueState

_TRANSITIONS = 30


class Reported(Protocol):
    """What of the connector is told."""

    venue: str
    state: VenueState
    address: Address | None
    source: Source
    hint: str
    transport: str
    accounts: list[dict[str, Any]]
    api_calls: int
    messages: int
    backlog: int
    connects: int
    rate_per_s: float


def report(connector: Reported, desk: Desk, settings: Settings) -> dict[str, Any]:
    """Any thread."""
    now_ns = desk.clock.monotonic_ns()
    state, address = connector.state, connector.address
    lines = tuple(desk.lines.copy().values())
    return {
        "venue": connector.venue,
        "title": "Interactive Brokers",
        "transport": f"{connector.transport}, client id {settings.ibkr_client_id}",
        "state": str(state.state),
        "since": state.since_ms,
        "cause": state.cause,
        "hint": connector.hint,
        "detail": address.detail if address is not None else "",
        "endpoint": address.url if address is not None else "",
        "source": str(connector.source),
        "delayed": any(s.is_delayed for line in lines for s in line.subscriptions.values()),
        "reconnects": max(0, connector.connects - 1),
        "messages": connector.messages,
        "backlog": connector.backlog,
        "rate_per_s": connector.rate_per_s,
        "malformed": desk.bad.total,
        "malformed_kinds": desk.bad.kinds.copy(),
        "api_calls": connector.api_calls,
        "clock_offset_ms": desk.offset.ms,
        "budgets": budgets(desk),
        "subscriptions": [
            s.status(now_ns, str(Source.DELAYED if s.is_delayed else connector.source))
            for line in lines
            for s in line.subscriptions.values()
        ],
        "transitions": [
            {"at_ms": t.at_ms, "state": str(t.state), "cause": t.cause}
            for t in list(state.transitions.copy())[: -_TRANSITIONS - 1 : -1]
        ],
        "farms": desk.farms.status(),
        "accounts": connector.accounts,
        "incidents": [
            {"cause": i.cause, "kind": str(i.kind), "start_ms": i.start_ms, "end_ms": i.end_ms, "detail": i.detail}
            for i in desk.incidents.snapshot()
        ],
    }


def budgets(desk: Desk) -> list[dict[str, Any]]:
    """Gauges of what the venue limits."""
    messages, history, slots = desk.messages, desk.history, desk.slots
    return [
        {
            "name": "messages", "used": messages.used, "limit": VENUE_MESSAGES_PER_S, "unit": "messages", "window": "1 s",
            "detail": f"we stop at {messages.limit}; waited {messages.waits} times",
        },
        {
            "name": "history", "used": history.used, "limit": history.limit, "unit": "requests", "window": "10 min",
            "detail": "no identical request within 15 s",
        },
        {
            "name": "depth slots", "used": slots.used, "limit": slots.limit, "unit": "subscriptions", "window": "",
            "detail": "market depth; more need quote boosters",
        },
    ]  # fmt: skip
