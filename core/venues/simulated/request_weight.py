"""The venue's request budget: 6,000 weight a minute per address, then 429, then a ban (418) for who goes on."""

import math
from dataclasses import dataclass

LIMIT_PER_MINUTE = 6_000
#: requests answered 429 within one minute, after which the address is banned
_PATIENCE = 10
_FIRST_BAN_S = 120


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer instead of the one asked for. `until_ms`: when a ban ends, 0 if it is none."""

    status: int
    retry_after_s: int
    until_ms: int = 0


class RequestWeight:
    """One address's budget."""

    def __init__(self) -> None:
        self.used = 0
        self.bans = 0
        self._minute = -1
        self._refused = 0
        self._banned_until_ms = 0

    def spend(self, weight: int, now_ms: int) -> Refusal | None:
        """Count a request; a Refusal if it must not be answered."""
        if now_ms < self._banned_until_ms:
            return Refusal(418, math.ceil((self._banned_until_ms - now_ms) / 1000), self._banned_until_ms)
        minute = now_ms // 60_000
        if minute != self._minute:
            self._minute, self.used, self._refused = minute, 0, 0
        self.used += weight
        if self.used <= LIMIT_PER_MINUTE:
            return None
        self._refused += 1
        if self._refused > _PATIENCE:
            seconds = _FIRST_BAN_S * 2 ** min(self.bans, 10)
            self.bans += 1
            self._banned_until_ms = now_ms + seconds * 1000
            return Refusal(418, seconds, self._banned_until_ms)
        return Refusal(429, math.ceil((60_000 - now_ms % 60_000) / 1000))
