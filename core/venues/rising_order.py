"""Lets through what is not older than what came before. Pure."""

#: older ones in a row after which it is the numbering that began anew, as when a venue's clock was set back
_ANEW = 3


class RisingOrder:
    """For facts that replace each other: two connections during a renewal, or a late frame, bring older ones."""

    __slots__ = ("_last", "_older")

    def __init__(self) -> None:
        self._last = 0
        self._older = 0

    def accept(self, number: int) -> bool:
        """False: an older one."""
        if number < self._last and self._older < _ANEW - 1:
            self._older += 1
            return False
        self._last, self._older = number, 0
        return True
