"""Why data is late, silent or gone: one pure decision table over the signals that we have.

A symptom ("no candle for 40 s") has many causes, and only the combination of signals tells them apart: is our own loop held
up, do the other channels of the same connection still speak, do other venues, does the connection answer a ping, what did
the venue's own bars say, what did it answer when it hung up.
"""

import msgspec

from core.domain.health import Cause

#: our loop must have been held up this long to be the cause of anything (s)
LOOP_LAG_S = 0.5
#: a clock that is wrong by more is a fault of its own (ms): Binance refuses what is 1,000 ms ahead of it (errors.md, -1021)
CLOCK_MS = 1_000.0
#: frames that are later than this are late (ms)
LATE_MS = 1_000.0
#: the share of a connection's allowed age from which on its end is the scheduled one
_FULL_AGE = 0.95

#: HTTP answers that mean: you may not
_FORBIDDEN = (401, 403, 451)
#: HTTP answers that mean: too much
_TOO_MUCH = (418, 429)
#: WebSocket close codes (RFC 6455 §7.4.1; 1012 to 1014: IANA registry) of a server that goes away, restarts or is overloaded
_SERVER_CLOSES = (1001, 1011, 1012, 1013, 1014)
#: "policy violation": what Binance answers to more than five messages a second
_POLICY = 1008


class Signals(msgspec.Struct, frozen=True, kw_only=True):
    """All that may speak for a cause. A default means: not so, or not known. None: not known."""

    #: how long our own loop was held up while it happened (s)
    loop_lag_s: float = 0.0
    #: we stopped reading, because our own consumers are behind
    link_paused: bool = False

    #: the venue's rules or settings, told by it or known beforehand
    not_configured: bool = False
    competing_session: bool = False
    no_permission: bool = False
    #: name of a data farm that is down
    farm_down: str = ""
    #: inside the hours of a reset that the venue schedules
    in_reset_window: bool = False
    #: False: outside trading hours
    market_open: bool | None = None
    rate_limited: bool = False

    #: how a connection ended, or was not had
    disconnected: bool = False
    refused: bool = False
    reset: bool = False
    timed_out: bool = False
    unresolved: bool = False
    http_status: int = 0
    close_code: int = 0
    shutdown_announced: bool = False
    #: age of the connection at its end, and the age at which the venue ends one (s)
    age_s: float = 0.0
    lifetime_s: float = 0.0

    #: a channel has been silent beyond its cadence for so long (s)
    silent_s: float = 0.0
    siblings_alive: bool | None = None
    other_venues_alive: bool | None = None
    #: whether the connection answered a ping during the silence
    ping_answered: bool | None = None
    #: the venue's own bars, still coming, know of no trade that we have not
    bars_say_no_trades: bool = False

    #: receive time − event time, by the clock offset known (ms)
    late_ms: float = 0.0
    #: round trip of a request (ms)
    round_trip_ms: float | None = None
    #: venue's clock − ours (ms)
    clock_offset_ms: float | None = None
    #: the venue refused a request for its time stamp (-1021)
    timestamp_refused: bool = False

    sequence_gap: bool = False
    bad_frames: bool = False


def decide_cause(signals: Signals) -> Cause:
    """The cause that explains most. Ours comes first: a held-up loop looks like every other fault."""
    for rule in (_ours, _told, _ended, _wrong, _silent, _late):
        cause = rule(signals)
        if cause is not None:
            return cause
    return Cause.UNKNOWN


def _ours(s: Signals) -> Cause | None:
    if s.loop_lag_s >= LOOP_LAG_S or s.link_paused:
        return Cause.LOOP_BLOCKED
    return None


def _told(s: Signals) -> Cause | None:
    """What the venue said itself, or what is known beforehand."""
    if s.not_configured:
        return Cause.NOT_CONFIGURED
    if s.competing_session:
        return Cause.COMPETING_SESSION
    if s.no_permission or s.http_status in _FORBIDDEN:
        return Cause.NO_PERMISSION
    if s.rate_limited or s.http_status in _TOO_MUCH:
        return Cause.RATE_LIMIT
    if s.in_reset_window or s.shutdown_announced:
        return Cause.SCHEDULED_RESET
    if s.farm_down:
        return Cause.FARM_DOWN
    return None


def _ended(s: Signals) -> Cause | None:
    """How a connection ended. Where every venue is gone, it is the way there, whatever it looked like."""
    if not s.disconnected:
        return None
    if s.lifetime_s and s.age_s >= _FULL_AGE * s.lifetime_s:
        return Cause.SCHEDULED_RESET
    if s.close_code == _POLICY:
        return Cause.RATE_LIMIT
    if s.http_status or s.close_code in _SERVER_CLOSES:
        return Cause.VENUE_DOWN
    if s.refused:
        return Cause.NETWORK if s.other_venues_alive is False else Cause.VENUE_DOWN
    if s.reset or s.timed_out or s.unresolved or s.close_code:
        return Cause.NETWORK
    return None


def _wrong(s: Signals) -> Cause | None:
    """What came, and cannot be right."""
    if s.sequence_gap:
        return Cause.SEQUENCE_GAP
    if s.bad_frames:
        return Cause.BAD_FRAMES
    if s.timestamp_refused or (s.clock_offset_ms is not None and abs(s.clock_offset_ms) >= CLOCK_MS):
        return Cause.CLOCK
    return None


def _silent(s: Signals) -> Cause | None:
    if s.silent_s <= 0:
        return None
    if s.market_open is False:
        return Cause.MARKET_CLOSED
    if s.bars_say_no_trades:
        return Cause.THIN_MARKET
    if s.siblings_alive:
        return Cause.EXCHANGE_LATE
    if s.other_venues_alive is False or s.ping_answered is False:
        return Cause.NETWORK
    if s.ping_answered:
        return Cause.EXCHANGE_LATE
    return None


def _late(s: Signals) -> Cause | None:
    """A late frame was late on its way when requests are slow as well, else before it left."""
    if s.late_ms < LATE_MS:
        return None
    if s.round_trip_ms is None:
        return None
    return Cause.NETWORK if s.round_trip_ms >= s.late_ms / 2 else Cause.EXCHANGE_LATE
