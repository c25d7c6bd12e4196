"""Frames that cannot be used: counted by kind, logged once a minute, never more than that."""

import logging

from core.base.errors import BadInput
from core.base.log import RateLimit

logger = logging.getLogger(__name__)

#: kinds beyond this many are counted under one name, so that garbage cannot grow the table
_MOST_KINDS = 32


class BadFrame(BadInput):
    """A frame or answer of a venue that is malformed or absurd. `kind` is one word for counting."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class BadFrames:
    """Counts by kind, and one log line a minute per kind."""

    def __init__(self, venue: str) -> None:
        self._venue = venue
        self._limit = RateLimit(60.0)
        #: kind -> how many
        self.kinds: dict[str, int] = {}

    @property
    def total(self) -> int:
        return sum(self.kinds.copy().values())

    def count(self, error: Exception) -> None:
        """Count one failure; a `BadFrame` by its kind, anything else by the name of its class."""
        kind = error.kind if isinstance(error, BadFrame) else type(error).__name__
        if kind not in self.kinds and len(self.kinds) >= _MOST_KINDS:
            kind = "other"
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        held = self._limit.passes(kind)
        if held is None:
            return
        more = f" ({held} more since the last such line)" if held else ""
        if isinstance(error, BadInput):
            logger.warning("%s: bad frame dropped: %s%s", self._venue, error, more)
        else:
            logger.error("%s: frame handler failed: %r%s", self._venue, error, more, exc_info=error)
