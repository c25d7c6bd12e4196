"""Waiting times between attempts."""

import random


class Backoff:
    """Exponential back-off with full jitter, capped, for ever.

    The n-th wait is uniform in [floor, min(cap, base·2ⁿ)] seconds ("full jitter", Brooker, AWS Architecture Blog, 2015).
    """

    def __init__(self, base_s: float = 0.25, cap_s: float = 60.0, floor_s: float = 0.05, rng: random.Random | None = None):
        self._base_s = base_s
        self._cap_s = cap_s
        self._floor_s = floor_s
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self.attempts = 0

    def next(self, at_most_s: float | None = None) -> float:
        """Seconds to wait before the next attempt; `at_most_s` lowers the ceiling of this one draw."""
        ceiling = min(self._cap_s, self._base_s * 2 ** min(self.attempts, 32))
        if at_most_s is not None:
            ceiling = min(ceiling, at_most_s)
        self.attempts += 1
        return max(self._floor_s, self._rng.uniform(0, ceiling))

    def reset(self) -> None:
        self.attempts = 0
