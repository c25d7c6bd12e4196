"""What all parts of the connector share, and the record of what was asked of the venue."""

import dataclasses

from core.base.clock import Clock
from core.base.settings import Settings
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.bad_frames import BadFrames
from core.venues.connector import IsEnabled
from core.venues.ibkr.budgets import DepthSlots, HistoryBudget, RollingBudget
from core.venues.ibkr.clock_offset import ClockOffset
from core.venues.ibkr.farms import Farms
from core.venues.ibkr.hours import ResetWindow
from core.venues.ibkr.line import SymbolLine
from core.venues.incident_log import IncidentLog


@dataclasses.dataclass(slots=True)
class Desk:
    """One venue's state beyond a single connection. Engine loop only, but for what `status()` reads."""

    settings: Settings
    stream: UnifiedDataStream
    clock: Clock
    is_enabled: IsEnabled
    incidents: IncidentLog
    bad: BadFrames
    farms: Farms
    slots: DepthSlots
    messages: RollingBudget
    history: HistoryBudget
    offset: ClockOffset
    reset: ResetWindow
    #: symbol -> its line, in the order they came
    lines: dict[str, SymbolLine] = dataclasses.field(default_factory=dict)
    #: TWS has lost IB's servers, in words; empty: it has not
    lost: str = ""
    lost_ns: int = 0
    #: Unix ms since when data do not flow because of the venue; 0: they do
    outage_ms: int = 0

    def venue_s(self) -> float:
        """The venue's epoch seconds, as far as we know them."""
        return (self.clock.now_ms() + (self.offset.ms or 0.0)) / 1000

    def expected(self) -> str:
        """Why the present outage is no surprise, and until when; empty when it is one."""
        return self.reset.words(self.outage_ms, self.clock.now_ms()) if self.outage_ms else ""

    def began_outage(self) -> None:
        self.outage_ms = self.outage_ms or self.clock.now_ms()
