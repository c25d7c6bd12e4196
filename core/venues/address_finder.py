"""Asks where a venue is, until there is an answer."""

import asyncio
from collections.abc import Callable

from core.base.backoff import Backoff
from core.base.errors import RetryableError
from core.domain.health import Source
from core.venues.connector import Address, Locate

_PERIOD_S = 1.0


class AddressFinder:
    """`away` says why there is no address now, `answered` whether somebody ever did at the present one."""

    def __init__(self, locate: Locate, on_away: Callable[[], None]) -> None:
        self._locate = locate
        self._on_away = on_away
        #: never claim that numbers are live before it is known
        self.address = Address("", Source.SIMULATED)
        self.away = ""
        self.answered = False

    async def find(self) -> None:
        """Returns when there is an address."""
        backoff = Backoff(base_s=0.5, cap_s=10.0)
        while True:
            try:
                address = await self._locate()
                self.away = "" if address is not None else "not part of a replay"
            except RetryableError as error:
                address, self.away = None, str(error)
            if address is not None:
                self.answered = self.answered and address.url == self.address.url
                self.address = address
                return
            self._on_away()
            await asyncio.sleep(max(_PERIOD_S, backoff.next()))
