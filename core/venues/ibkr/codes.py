"""IB's message codes, each as a rule: what it means, whose fault it is, and what is to be done.

Source: "TWS API: Message Codes" (interactivebrokers.github.io/tws-api/message_codes.html). Rules go by code: IB's wording
changes; only 162 says several things, told apart by its text.
"""

import enum

import msgspec

from core.domain.health import Cause
from core.venues.ibkr import farms


class Action(enum.Enum):
    """What a message asks of us."""

    #: nothing: it says what we know, or nothing of importance
    IGNORE = enum.auto()
    #: tell people
    NOTE = enum.auto()
    FARM = enum.auto()
    #: TWS has lost IB's servers: everything is stale
    LOST = enum.auto()
    #: they are back, subscriptions are gone
    RESTORED_LOST = enum.auto()
    #: they are back, subscriptions are said to be kept
    RESTORED_KEPT = enum.auto()
    #: another program has our client id; the socket will be closed
    ID_IN_USE = enum.auto()
    #: the subscription ended; ask for it again
    RESUBSCRIBE = enum.auto()
    #: the book is to be emptied; rows follow
    DEPTH_RESET = enum.auto()
    #: the account may not have it
    REFUSED = enum.auto()
    #: the venue's limit of such subscriptions is reached
    LIMIT = enum.auto()
    #: it comes, but late
    DELAYED = enum.auto()
    #: someone else watches with this login
    COMPETING = enum.auto()
    #: we asked too much or too often
    PACING = enum.auto()
    #: there is nothing to give for this request
    NO_DATA = enum.auto()
    UNKNOWN_CONTRACT = enum.auto()
    #: a cancel of something unknown: fine if we cancelled it
    UNKNOWN_CANCEL = enum.auto()


class Rule(msgspec.Struct, frozen=True):
    action: Action
    kind: Cause = Cause.UNKNOWN
    words: str = ""


_NO_PERMISSION = Rule(Action.REFUSED, Cause.NO_PERMISSION, "no market data permission")
_DOWN = Rule(Action.LOST, Cause.VENUE_DOWN, "TWS has lost the connection to IB's servers")

RULES: dict[int, Rule] = {
    100: Rule(Action.PACING, Cause.RATE_LIMIT, "more than 50 messages a second"),
    101: Rule(Action.LIMIT, Cause.RATE_LIMIT, "all market data lines are in use"),
    200: Rule(Action.UNKNOWN_CONTRACT, Cause.NOT_CONFIGURED, "unknown contract"),
    300: Rule(Action.UNKNOWN_CANCEL),
    309: Rule(Action.LIMIT, Cause.RATE_LIMIT, "IB's limit of market depth requests is reached"),
    310: Rule(Action.UNKNOWN_CANCEL),
    316: Rule(Action.RESUBSCRIBE, Cause.SEQUENCE_GAP, "market depth was halted"),
    317: Rule(Action.DEPTH_RESET, Cause.SEQUENCE_GAP, "market depth was reset"),
    326: Rule(Action.ID_IN_USE, Cause.COMPETING_SESSION, "the client id is in use by another program"),
    354: _NO_PERMISSION,
    366: Rule(Action.UNKNOWN_CANCEL),
    420: Rule(Action.REFUSED, Cause.NO_PERMISSION, "no permission for real-time bars"),
    1100: _DOWN,
    1101: Rule(Action.RESTORED_LOST, Cause.VENUE_DOWN, "connection to IB restored, subscriptions lost"),
    1102: Rule(Action.RESTORED_KEPT, Cause.VENUE_DOWN, "connection to IB restored"),
    1300: Rule(Action.NOTE, Cause.VENUE_DOWN, "TWS changes its socket port"),
    2110: _DOWN,
    10089: _NO_PERMISSION,
    10090: Rule(Action.DELAYED, Cause.NO_PERMISSION, "part of the market data is not subscribed"),
    10092: Rule(Action.REFUSED, Cause.NO_PERMISSION, "no market depth of this contract at this exchange"),
    10147: Rule(Action.UNKNOWN_CANCEL),
    10167: Rule(Action.DELAYED, Cause.NO_PERMISSION, "not subscribed: delayed data is shown"),
    10168: _NO_PERMISSION,
    10186: _NO_PERMISSION,
    10187: Rule(Action.NO_DATA, Cause.UNKNOWN, "no historical ticks"),
    10189: Rule(Action.REFUSED, Cause.NO_PERMISSION, "no permission for tick-by-tick data"),
    10190: Rule(Action.LIMIT, Cause.RATE_LIMIT, "IB's limit of tick-by-tick requests is reached"),
    10197: Rule(Action.COMPETING, Cause.COMPETING_SESSION, "another session of this login receives the market data"),
    10225: Rule(Action.RESUBSCRIBE, Cause.EXCHANGE_LATE, "the venue ended the bars after a correction"),
}
_PACING = Rule(Action.PACING, Cause.RATE_LIMIT, "historical data pacing violation")
_NO_HISTORY = Rule(Action.NO_DATA, Cause.UNKNOWN, "no historical data")
_CANCELLED = Rule(Action.IGNORE)


def rule_of(code: int, text: str) -> Rule:
    """The rule of a message. What is not known: 2100–2199 are warnings, all else is told to people."""
    if code in farms.CODES:
        return Rule(Action.FARM, Cause.FARM_DOWN)
    if code == 162:
        lower = text.lower()
        if "pacing" in lower:
            return _PACING
        if "permission" in lower:
            return _NO_PERMISSION
        return _CANCELLED if "cancel" in lower else _NO_HISTORY
    if code in RULES:
        return RULES[code]
    return Rule(Action.IGNORE) if 2100 <= code <= 2199 else Rule(Action.NOTE, Cause.UNKNOWN, text)
