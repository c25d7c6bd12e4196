"""Words for how well things are."""

import enum

import msgspec


class LinkState(enum.StrEnum):
    """A venue connection's or subscription's state."""

    CONNECTING = "CONNECTING"
    SYNCING = "SYNCING"
    LIVE = "LIVE"
    STALE = "STALE"
    RECONNECTING = "RECONNECTING"
    BANNED = "BANNED"
    STOPPED = "STOPPED"
    #: nothing answers where the venue should be; the cause says what to do
    NOT_CONFIGURED = "NOT CONFIGURED"


class Freshness(enum.StrEnum):
    """How old a series is against its expected cadence."""

    LIVE = "LIVE"
    LATE = "LATE"
    STALE = "STALE"
    DEAD = "DEAD"


class Source(enum.StrEnum):
    """What kind of market stands behind the numbers; shown on every page."""

    LIVE = "LIVE"
    SIMULATED = "SIMULATED"
    REPLAY = "REPLAY"
    #: real, but late by the venue's rule for accounts without a market data subscription
    DELAYED = "DELAYED"


class Cause(enum.StrEnum):
    """Why something is wrong, not how it shows."""

    EXCHANGE_LATE = "exchange late"
    NETWORK = "network"
    LOOP_BLOCKED = "our loop blocked"
    THIN_MARKET = "thin market"
    MARKET_CLOSED = "market closed"
    FARM_DOWN = "farm down"
    COMPETING_SESSION = "competing session"
    NO_PERMISSION = "no permission"
    RATE_LIMIT = "rate limit"
    SEQUENCE_GAP = "sequence gap"
    BAD_FRAMES = "bad frames"
    CLOCK = "clock"
    SCHEDULED_RESET = "scheduled reset"
    VENUE_DOWN = "venue down"
    NOT_CONFIGURED = "not configured"
    #: none of the signals that we have decides it
    UNKNOWN = "unknown"


class Incident(msgspec.Struct, frozen=True):
    """Something that went wrong with a venue or a part, told by its cause. Times in Unix ms; `end_ms` 0 = still open.

    `cause` is the line for people, `kind` the cause it belongs to.
    """

    component: str
    cause: str
    start_ms: int
    end_ms: int = 0
    detail: str = ""
    kind: Cause = Cause.UNKNOWN
