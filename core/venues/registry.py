"""The venues beside Binance: a new one is a connector and an entry here."""

from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple, cast

from core.base.clock import Clock
from core.base.settings import Settings
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.connector import Connector, IsEnabled, Locate

#: makes a connector: settings, where the venue is, stream, clock, toggles
MakeConnector = Callable[[Settings, Locate, UnifiedDataStream, Clock, IsEnabled], Connector]


class VenueEntry(NamedTuple):
    """`module` is imported when the venue is used: one that is switched off costs nothing."""

    module: str
    connector: str
    is_on: Callable[[Settings], bool]

    def make(self) -> MakeConnector:
        """The class of its connector."""
        return cast(MakeConnector, getattr(import_module(self.module), self.connector))


VENUES: dict[str, VenueEntry] = {
    "ibkr": VenueEntry("core.venues.ibkr.connector", "IbkrConnector", lambda settings: settings.venues.ibkr.enabled),
    "hyperliquid": VenueEntry(
        "core.venues.hyperliquid.connector", "HyperliquidConnector", lambda settings: settings.venues.hyperliquid.enabled
    ),
}
