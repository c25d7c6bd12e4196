"""Each fault a simulated TWS can have: flagged soon, mended soon after its cure, nothing lost or twice, the cause named.

The faults of a track hit one connector, one after another; the tracks run side by side, for each fault takes seconds.
"""

import asyncio
import datetime
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
import pytest_asyncio

from core.base.settings import IbkrConfig
from core.domain.health import Cause
from core.venues.ibkr.subscription import Kind

FLAGGED_S, CURED_S = 5.0, 10.0
Rig = Any


class Fault(msgspec.Struct, frozen=True):
    """`break_` makes it, `is_flagged` tells whether people can see it, `cure` ends it (None: it ends by itself)."""

    name: str
    track: str
    kinds: tuple[Cause, ...]
    break_: Callable[[Rig], Awaitable[None]]
    is_flagged: Callable[[Rig], bool] | None
    cure: Callable[[Rig], Awaitable[None]] | None = None


def not_live(rig: Rig) -> bool:
    """The venue left LIVE since the fault."""
    return any(t.at_ms >= rig.broken_ms and t.state != "LIVE" for t in rig.connector.state.transitions)


def stale(channel: str) -> Callable[[Rig], bool]:
    return lambda rig: rig.subscription(channel)["state"] == "STALE"


def noted(rig: Rig) -> bool:
    return bool(rig.kinds_since(rig.broken_ms))


def sim(kind: str, **options: object) -> Callable[[Rig], Awaitable[None]]:
    return lambda rig: rig.tws.fault(kind, **options)


def both(*acts: Callable[[Rig], Awaitable[None]]) -> Callable[[Rig], Awaitable[None]]:
    async def act(rig: Rig) -> None:
        for one in acts:
            await one(rig)

    return act


def pause(seconds: float) -> Callable[[Rig], Awaitable[None]]:
    return lambda rig: asyncio.sleep(seconds)


async def found_out(rig: Rig) -> None:
    """Until the bars of all trades that were hit have been compared, and one told: a thin market takes its time."""
    for _ in range(300):
        if not any(name.startswith(("duplicate", "gap")) for name in (await rig.tws.get("stats"))["faults"]):
            break  # none is left that would meet the next fault
        await asyncio.sleep(0.1)
    else:
        pytest.fail("the fault did not hit all its trades within 30 s")
    await asyncio.sleep(8)
    await rig.until("told", lambda: noted(rig), 10)


async def all_garbage(rig: Rig) -> None:
    kinds = (
        "truncated",
        "unknown_message",
        "not_a_number",
        "nan_price",
        "negative_price",
        "time_1970",
        "time_2100",
        "bad_utf8",
        "empty",
    )
    for payload in kinds:
        await rig.tws.fault("garbage", payload=payload, n=3, symbol="AAPL")


async def another_farm(rig: Rig) -> None:
    """Ours breaks; another farm breaks and is mended, which cures nothing of ours."""
    await rig.tws.fault("farm_down", farm="usfarm")
    await rig.until("STALE", lambda: rig.connector.state.state == "STALE", FLAGGED_S)
    await rig.tws.fault("farm_down", farm="eufarmnj")
    await rig.tws.fault("farm_up", farm="eufarmnj")
    await asyncio.sleep(1)
    assert rig.connector.state.cause == "farm usfarm is down"
    assert rig.subscription("AAPL@bars_1m")["state"] == "LIVE", "history comes from another farm"
    await rig.tws.fault("farm_up", farm="usfarm")


async def not_our_farm(rig: Rig) -> None:
    await rig.tws.fault("farm_down", farm="eufarmnj")
    await rig.tws.fault("farm_idle", farm="ushmds")
    await rig.until("told", lambda: {"DOWN", "IDLE"} <= {f["state"] for f in rig.connector.status()["farms"]}, 3)
    await asyncio.sleep(0.6)
    assert rig.connector.state.state == "LIVE", rig.tell()
    await rig.tws.fault("farm_up", farm="ushmds")


async def no_history(rig: Rig) -> None:
    """A break while there is no history: trades are not held for ever, and the hole is filled when history is back."""
    connects = rig.connector.connects
    await rig.tws.fault("hmds_down")
    await rig.tws.fault("drop")
    lines = rig.connector.desk.lines
    await rig.until("connected again", lambda: rig.connector.connects > connects, 5)
    await rig.until("trades flow", lambda: not any(line.flow.holds for line in lines.values()), 10)
    assert not any(line.flow.is_joined for line in lines.values())
    await rig.tws.fault("hmds_up")


async def flood_of_1100(rig: Rig) -> None:
    connects = rig.connector.connects
    for _ in range(20):
        await rig.tws.fault("connectivity_lost")
    await asyncio.sleep(0.5)
    mine = [i for i in rig.connector.desk.incidents.snapshot() if i.start_ms >= rig.broken_ms]
    # once a connection: on a busy machine the flood lasts long enough for another one
    assert 1 <= sum("1100" in i.cause for i in mine) <= 1 + rig.connector.connects - connects


FAULTS = (
    Fault("reset", "sockets", (Cause.NETWORK,), sim("drop"), not_live),
    Fault("refused", "sockets", (Cause.NETWORK,), both(sim("refuse", seconds=3), sim("drop")), not_live, pause(3)),
    Fault("half open", "sockets", (Cause.NETWORK,), sim("half_open"), not_live),
    Fault("a frame without an end", "sockets", (Cause.BAD_FRAMES,), sim("garbage", payload="endless"), not_live),
    Fault(
        "client id in use", "sockets", (Cause.COMPETING_SESSION,),
        both(sim("client_id_in_use", n=2), sim("drop")), not_live,
    ),
    Fault(
        "1100 then 1101", "venue", (Cause.VENUE_DOWN,),
        sim("connectivity_lost"), stale("AAPL@trades"), both(pause(1), sim("restored_lost")),
    ),
    Fault(
        "1100 then 1102", "venue", (Cause.VENUE_DOWN,),
        sim("connectivity_lost"), stale("AAPL@trades"), both(pause(1), sim("restored_kept")),
    ),
    Fault(
        "1102 and nothing follows", "venue", (Cause.VENUE_DOWN, Cause.EXCHANGE_LATE),
        both(sim("connectivity_lost"), sim("restored_kept", starve=True)), stale("MSFT@quotes"),
        both(pause(4), sim("clear")),
    ),
    Fault(
        "a farm blip of three seconds", "venue", (Cause.FARM_DOWN,),
        sim("farm_down", farm="usfarm"), stale("AAPL@trades"), both(pause(3), sim("farm_up", farm="usfarm")),
    ),
    Fault("pacing violation", "venue", (Cause.RATE_LIMIT,), both(sim("pacing", n=2), sim("drop")), not_live),
    Fault(
        "trades silent, the rest live", "channels", (Cause.EXCHANGE_LATE,),
        sim("silence", symbol="AAPL", channel="trades"), stale("AAPL@trades"), sim("clear"),
    ),
    Fault(
        "depth silent, the rest live", "channels", (Cause.EXCHANGE_LATE,),
        sim("silence", symbol="MSFT", channel="depth"), stale("MSFT@depth"), sim("clear"),
    ),
    Fault("garbage", "channels", (Cause.BAD_FRAMES,), all_garbage, noted, pause(2)),
    Fault("trades told twice", "channels", (Cause.SEQUENCE_GAP,), sim("duplicate", symbol="AAPL", n=4), None, found_out),
    Fault("trades lost", "channels", (Cause.SEQUENCE_GAP,), sim("gap", symbol="AAPL", n=4), None, found_out),
    Fault("trades out of order", "channels", (), sim("reorder", symbol="AAPL", n=4), None, pause(2)),
    Fault("depth reset", "sets", (Cause.SEQUENCE_GAP,), sim("depth_reset", symbol="AAPL"), noted, pause(2)),
    Fault("clock two seconds ahead", "sets", (Cause.CLOCK,), sim("clock_skew", ms=2000), None, pause(11)),
    Fault("clock back again", "sets", (), sim("clear"), None, pause(3)),
    Fault("clock two seconds behind", "sets", (Cause.CLOCK,), sim("clock_skew", ms=-2000), None, pause(11)),
    Fault("clock right once more", "sets", (), sim("clear"), None, pause(3)),
    Fault("bars ended by a correction", "rules", (Cause.EXCHANGE_LATE,), sim("bust", symbol="AAPL"), noted, pause(2)),
    Fault(
        "competing session", "rules", (Cause.COMPETING_SESSION,), sim("competing_session"), stale("AAPL@trades"),
        both(pause(2), sim("clear")),
    ),
    Fault("a farm that is not ours", "rules", (Cause.FARM_DOWN,), not_our_farm, None, pause(2)),
    Fault("a break without history", "rules", (Cause.FARM_DOWN, Cause.NETWORK), no_history, not_live),
    Fault("another farm's OK", "sets", (Cause.FARM_DOWN,), another_farm, not_live),
    Fault("a flood of 1100", "night", (Cause.SCHEDULED_RESET,), flood_of_1100, not_live, sim("restored_lost")),
    Fault("nightly reset", "night", (Cause.SCHEDULED_RESET,), sim("reset", seconds=4), not_live, pause(4)),
)  # fmt: skip
TRACKS = tuple(dict.fromkeys(fault.track for fault in FAULTS))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcomes(start_tws: Any, make_rig: Any) -> AsyncIterator[dict[str, "asyncio.Future[None]"]]:
    """Name -> its outcome, as it comes."""
    loop = asyncio.get_running_loop()
    futures: dict[str, asyncio.Future[None]] = {fault.name: loop.create_future() for fault in FAULTS}
    tracks = [asyncio.create_task(_run(track, start_tws, make_rig, futures)) for track in TRACKS]
    yield futures
    for track in tracks:
        track.cancel()
    await asyncio.gather(*tracks, return_exceptions=True)
    for future in futures.values():
        future.cancel()


async def _run(track: str, start_tws: Any, make_rig: Any, futures: dict[str, "asyncio.Future[None]"]) -> None:
    now = datetime.datetime.now(ZoneInfo("America/New_York"))
    hours_ago = 0 if track == "night" else 3
    reset_at = f"{now - datetime.timedelta(hours=hours_ago, minutes=10):%H:%M}"
    config = IbkrConfig(silence_s=2.0, reset_at=reset_at, reset_minutes=30)
    rig = make_rig(await asyncio.to_thread(start_tws, "--rate", "2"), config)
    rig.start()
    errors: dict[str, Exception] = {}
    began: dict[str, int] = {}
    try:
        await rig.until("LIVE", lambda: rig.is_live, 30)
        await asyncio.sleep(3)
        mine = [fault for fault in FAULTS if fault.track == track]
        for fault in mine:
            began[fault.name] = await rig.market_s()
            try:
                await _suffer(rig, fault)
            except (AssertionError, pytest.fail.Exception) as error:
                errors[fault.name] = RuntimeError(str(error))
                await rig.tws.fault("clear")
                await rig.until("LIVE again", lambda: rig.is_live, 20)
        await asyncio.sleep(2)
        ends = [*list(began.values())[1:], await rig.market_s()]
        for (name, from_s), until_s in zip(began.items(), ends, strict=True):
            try:
                assert await rig.compare_trades(from_s, until_s - 1) > 0
            except (AssertionError, pytest.fail.Exception) as error:
                errors.setdefault(name, RuntimeError(str(error)))
        rig_error = None
    except (AssertionError, pytest.fail.Exception) as error:
        rig_error = RuntimeError(f"the track {track} broke off: {error}")
    finally:
        await rig.stop()
    for fault in FAULTS:
        if fault.track == track:
            error = errors.get(fault.name) or rig_error
            futures[fault.name].set_exception(error) if error else futures[fault.name].set_result(None)


def _flagged_s(rig: Rig, fault: Fault) -> float:
    """Five seconds; the silence of one channel says less where (on a busy machine) the market itself has paused."""
    if "silent, the rest live" not in fault.name:
        return FLAGGED_S
    subscriptions = [s for line in rig.connector.desk.lines.values() for s in line.subscriptions.values()]
    paused_s = max((s.longest_gap_s() or 0.0) for s in subscriptions if s.kind in (Kind.TRADES, Kind.DEPTH))
    return max(FLAGGED_S, 3 * paused_s + 1)


async def _suffer(rig: Rig, fault: Fault) -> None:
    rig.broken_ms = rig.clock.now_ms()
    await fault.break_(rig)
    if fault.is_flagged is not None:
        await rig.until(f"{fault.name} flagged", lambda: fault.is_flagged(rig), _flagged_s(rig, fault))
    if fault.cure is not None:
        await fault.cure(rig)
    await rig.until(f"LIVE after the cure of {fault.name}", lambda: rig.connector.state.state == "LIVE", CURED_S)
    # each symbol is joined by its next trade: the market is thin
    await rig.until(f"joined after {fault.name}", lambda: rig.is_live, CURED_S)
    await rig.compare_books()
    kinds = rig.kinds_since(rig.broken_ms)
    if str(Cause.LOOP_BLOCKED) not in kinds:  # where this very process was held up, that is the cause of what it found
        assert {str(kind) for kind in fault.kinds} <= kinds, f"{kinds}; {rig.tell()}"


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", [fault.name for fault in FAULTS])
async def test_after_each_fault_nothing_is_lost_and_the_cause_is_named(name: str, outcomes: Any) -> None:
    await outcomes[name]
