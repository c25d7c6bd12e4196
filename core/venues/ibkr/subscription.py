"""One subscription of one symbol: wanted or not, asked for or not, refused or not, and how it lives."""

import enum
from collections import deque

from core.domain.health import LinkState
from core.venues.channel import Channel


class Kind(enum.StrEnum):
    """What is subscribed per symbol, the most important first; the value is the channel's name."""

    TRADES = "trades"
    QUOTES = "quotes"
    DEPTH = "depth"
    BARS_5S = "bars_5s"
    BARS_1M = "bars_1m"

    @property
    def farm(self) -> str:
        """The kind of farm that it comes from."""
        return "history" if self is Kind.BARS_1M else "market data"


#: how much longer than others a channel may be silent that speaks in its own rhythm, seconds
_RHYTHM_S = {Kind.BARS_5S: 5.0, Kind.BARS_1M: 15.0}
#: a first message is demanded within this long; each one in vain doubles it, up to the second (seconds)
_PROOF_S, _MOST_PROOF_S = 2.5, 60.0
#: the gaps by which a thin market is known, and how many there must be
_GAPS, _FEW_GAPS = 64, 20


class Subscription:
    """`request_id` None: not asked for. Times are monotonic ns."""

    def __init__(self, kind: Kind, symbol: str, silence_s: float) -> None:
        self.kind = kind
        self.symbol = symbol
        self.channel = Channel(f"{symbol}@{kind}", symbol, silence_s + _RHYTHM_S.get(kind, 0.0))
        self.request_id: int | None = None
        self.is_wanted = True
        #: quotes by a market data line, for tick-by-tick data may not be had
        self.is_top = False
        self.is_delayed = False
        #: the venue's refusal, or our own, in words
        self.refused = ""
        self.not_before_ns = 0
        #: how often it was asked for in vain
        self.attempts = 0
        #: well, although silent, because…
        self.excuse = ""
        #: history is being made for it, which has a time limit of its own
        self.awaits_answer = False
        #: time between its last messages while it was well (ns); the last of them (monotonic ns)
        self._gaps: deque[int] = deque(maxlen=_GAPS)
        self._last_ns = 0
        self._proof_s = min(_PROOF_S, silence_s / 2)
        #: since when the first message is demanded; 0: it came
        self._demanded_ns = 0

    @property
    def is_active(self) -> bool:
        return self.request_id is not None

    @property
    def is_demanded(self) -> bool:
        """Whether it has yet to prove that it lives."""
        return self.is_active and self._demanded_ns > 0

    def is_due(self, now_ns: int) -> bool:
        """Whether it is to be asked for now."""
        return self.is_wanted and not self.is_active and now_ns >= self.not_before_ns

    def is_overdue(self, now_ns: int) -> bool:
        """Whether the demanded message should have come by now."""
        if not self.is_demanded or self.awaits_answer:
            return False
        allowed_s: float = min(self._proof_s * 2.0 ** min(self.attempts, 8), _MOST_PROOF_S) + _RHYTHM_S.get(self.kind, 0.0)
        return now_ns - self._demanded_ns > round(allowed_s * 1e9)

    def asked(self, request_id: int, now_ns: int) -> None:
        self.request_id, self.refused = request_id, ""
        self.demand(now_ns)

    def demand(self, now_ns: int) -> None:
        """It is only well again with its next message; one that was stale is so until then."""
        self._demanded_ns = now_ns
        if self.channel.state is not LinkState.STALE:
            self.channel.connected(now_ns)

    def postpone(self, now_ns: int) -> None:
        """Nothing can be expected now: the time of the demand, and of silence, runs from here."""
        self._demanded_ns = now_ns if self._demanded_ns else 0
        self.channel.paused(now_ns)

    def received(self, recv_ns: int) -> bool:
        """Note a message. True when it is the proof that it lives (again)."""
        if self.channel.state is LinkState.LIVE and self._last_ns:
            self._gaps.append(recv_ns - self._last_ns)
        self._last_ns = recv_ns
        self.excuse = ""
        self._demanded_ns = self.attempts = 0
        return self.channel.received(recv_ns)

    def longest_gap_s(self) -> float | None:
        """The longest of its last silences, None when there were too few to tell."""
        return max(self._gaps) / 1e9 if len(self._gaps) >= _FEW_GAPS else None

    def again(self, now_ns: int, wait_s: float = 0.0) -> int | None:
        """It is to be asked for anew; gives the id of the request that is over."""
        request_id, self.request_id = self.request_id, None
        self.attempts += 1
        self.not_before_ns = now_ns + round(wait_s * 1e9)
        return request_id

    def refuse(self, words: str, now_ns: int, retry_s: float) -> None:
        """It may not be had; it is tried again much later."""
        self.request_id, self.refused, self.attempts = None, words, 0
        self.channel.state, self.channel.cause = LinkState.STOPPED, words
        self.not_before_ns = now_ns + round(retry_s * 1e9)

    def switch_off(self) -> int | None:
        """Nobody wants it; gives the id of the request that is over."""
        request_id, self.request_id, self.is_wanted = self.request_id, None, False
        self.refused = self.excuse = ""
        self.channel.state, self.channel.cause = LinkState.STOPPED, "switched off"
        return request_id

    def disconnected(self, cause: str) -> None:
        self.request_id, self.not_before_ns, self.attempts, self._demanded_ns = None, 0, 0, 0
        self.is_top = self.is_delayed = False
        self.refused = self.excuse = ""
        self.channel.disconnected(cause)

    def status(self, now_ns: int, source: str) -> dict[str, object]:
        """As `/api/v1/connections` tells it."""
        told = self.channel.status(now_ns) | {"source": source}
        if self.refused:
            told |= {"state": "REFUSED", "last_cause": self.refused}
        elif not self.is_wanted:
            told |= {"state": "OFF", "last_cause": "switched off"}
        elif self.excuse:
            told["last_cause"] = self.excuse
        return told
