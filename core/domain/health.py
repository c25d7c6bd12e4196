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


class Incident(msgspec.Struct, frozen=True):
    """Something that went wrong with a venue or a part, told by its cause. Times in Unix ms; `end_ms` 0 = still open."""

    component: str
    cause: str
    start_ms: int
    end_ms: int = 0
    detail: str = ""
