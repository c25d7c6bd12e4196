"""The state of a venue: one rule for all venues, decided from facts, each change with cause and time."""

from collections import deque

import msgspec

from core.base.clock import Clock
from core.domain.health import LinkState

#: transitions kept for the record
_KEPT = 100


class VenueFacts(msgspec.Struct, frozen=True):
    """All that a venue's state depends on. Texts are causes; an empty one means that it is not so."""

    link: LinkState
    link_cause: str = ""
    #: the connector ended for good
    stopped: str = ""
    #: requests are forbidden until a time
    banned: str = ""
    #: a channel is silent although the connection is open
    silent: str = ""
    #: history or the first message of a channel is awaited
    syncing: str = ""
    #: nothing answers where the venue should be, and nothing ever did; what to do
    not_configured: str = ""
    #: an outage that is no surprise (a nightly reset), and until when; it says more than the symptom
    expected: str = ""


class Transition(msgspec.Struct, frozen=True):
    at_ms: int
    state: LinkState
    cause: str


def decide(facts: VenueFacts) -> tuple[LinkState, str]:
    """State and cause. What stops data comes first: LIVE is what is left when nothing speaks against it."""
    if facts.stopped:
        return LinkState.STOPPED, facts.stopped
    if facts.not_configured:
        return LinkState.NOT_CONFIGURED, facts.not_configured
    if facts.link not in (LinkState.SYNCING, LinkState.LIVE):
        return facts.link, facts.expected or facts.link_cause
    if facts.banned:
        return LinkState.BANNED, facts.banned
    if facts.silent:
        return LinkState.STALE, facts.expected or facts.silent
    if facts.link is LinkState.SYNCING or facts.syncing:
        return LinkState.SYNCING, facts.syncing or facts.link_cause
    return LinkState.LIVE, ""


class VenueState:
    """The present state, since when, why, and what came before."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.state, self.cause = LinkState.CONNECTING, ""
        self.since_ms = clock.now_ms()
        #: newest last
        self.transitions: deque[Transition] = deque(maxlen=_KEPT)

    def update(self, facts: VenueFacts) -> bool:
        """Decide anew. True when the state changed; a mere change of the cause keeps `since_ms`."""
        state, cause = decide(facts)
        changed = state is not self.state
        if changed:
            self.since_ms = self._clock.now_ms()
        if changed or cause != self.cause:
            self.transitions.append(Transition(self._clock.now_ms(), state, cause))
        self.state, self.cause = state, cause
        return changed
