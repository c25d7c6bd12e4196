"""Partial bars that are over are replaced by the venue's own."""

import asyncio
from typing import Any

import pytest

from core.base.clock import ManualClock
from core.base.errors import VenueUnavailable
from core.base.settings import StreamConfig
from core.domain.market import BarFlag, Kline, Origin, Trade
from core.domain.series import SERIES
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues import repair as module
from core.venues.repair import Repair

START = 1_750_000_000_000
ETH = SERIES["eth_ticks"]


class History:
    """A venue's klines, of which only `klines_between` is asked; as by REST, the last one counts as running."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []
        self.error: Exception | None = None

    async def klines_between(self, symbol: str, interval: str, from_ms: int, to_ms: int) -> list[Kline]:
        self.calls.append((from_ms, to_ms))
        if self.error is not None:
            raise self.error
        opens = range(from_ms, to_ms, ETH.step_ms)
        return [
            Kline(symbol, interval, at, 5.0, 9.0, 4.0, 6.0, 7.0, -1, -1, at < opens[-1], at + 999, origin=Origin.REST)
            for at in opens
        ]


@pytest.fixture
def stream() -> UnifiedDataStream:
    """A stream that came in the middle of a second and saw twelve more pass."""
    stream = UnifiedDataStream(StreamConfig(), ManualClock(START))
    stream.publish_trade(Trade("ETHUSDT", 1, 5.5, 1.0, START + 500, False))
    return stream


def flags_at(stream: UnifiedDataStream, at_ms: int) -> int:
    return stream.flags("eth_ticks").get(at_ms, 0)


def test_a_partial_bar_is_overdue_only_when_the_venues_own_had_time_to_come(stream: UnifiedDataStream) -> None:
    repair = Repair((ETH,), History(), stream, lambda toggle: True)  # type: ignore[arg-type]
    stream.advance("ETHUSDT", START + 4_000)
    assert flags_at(stream, START) & BarFlag.PARTIAL
    assert repair.overdue(ETH) == []
    stream.advance("ETHUSDT", START + 7_000)
    assert repair.overdue(ETH) == [START]


@pytest.mark.parametrize("is_on", [True, False], ids=["on", "off"])
async def test_it_is_mended_by_rest_unless_switched_off(
    stream: UnifiedDataStream, monkeypatch: pytest.MonkeyPatch, is_on: bool
) -> None:
    monkeypatch.setattr(module, "PERIOD_S", 0.001)
    history: Any = History()
    history.error = VenueUnavailable("away")
    repair = Repair((ETH,), history, stream, lambda toggle: is_on)
    stream.advance("ETHUSDT", START + 12_000)
    task = asyncio.create_task(repair.run())
    await asyncio.sleep(0.02)
    assert bool(history.calls) is is_on
    history.error = None
    async with asyncio.timeout(30):
        while is_on and repair.overdue(ETH):  # noqa: ASYNC110 - a repair announces nothing
            await asyncio.sleep(0.001)
    task.cancel()
    row = stream.rows("eth_ticks", 1, since=START)[0]
    if is_on:
        assert row == [START, 5.0, 9.0, 4.0, 6.0, 7.0]
        assert not flags_at(stream, START) & BarFlag.PARTIAL
    else:
        assert row == [START, 5.5, 5.5, 5.5, 5.5, 1.0]
