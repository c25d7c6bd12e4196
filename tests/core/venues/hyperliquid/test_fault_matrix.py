"""Each fault a venue can have, on real sockets: afterwards no trade is missing or twice, the book is the venue's, the state
LIVE, and the incident names the right cause."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.domain.health import Cause
from tests.patience import PATIENCE

ETH = "ETH-PERP"
SYMBOLS = ("ETH-PERP", "BTC-PERP")
#: with a silence limit of 1 s; the default only scales it
STALE_WITHIN_S = 2.5


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture(autouse=True)
async def cured(shared_venue: Any) -> AsyncIterator[None]:
    """Every test leaves the venue as it found it, however it ends."""
    yield
    await shared_venue.fault(kind="clear")


@pytest.fixture
def all_is_well(wait_until: Any) -> Any:
    """Check everything that has to hold after a fault that began after `from_ms` and is cured now."""

    async def check(desk: Any, from_ms: int, kind: Cause | None) -> None:
        await wait_until(lambda: desk.state == "LIVE", 10, f"LIVE, was {desk.state}: {desk.status['cause']}")
        await wait_until(lambda: all(desk.freshness(s) == "LIVE" for s in SYMBOLS), 5, "fresh symbols")
        to_ms = now_ms()
        # what happened up to now is told within a block, and by one more trade
        await wait_until(lambda: all(desk.stream.trades(s, 1)[-1].ts_ms > to_ms for s in SYMBOLS), 5, "newer trades")
        await wait_until(desk.is_settled, 10, "nothing in doubt")
        for symbol in SYMBOLS:
            assert await desk.trades_against_the_venue(symbol, from_ms, to_ms) == (0, 0), symbol
            await wait_until(lambda s=symbol: to_ms < desk.book(s)["last_update_id"] <= now_ms(), 5, "a book of now")
            await desk.book_equals_the_venue_s(symbol)
        if kind is not None:
            assert kind in desk.kinds(), desk.status["incidents"]

    return check


async def begin(desk: Any, wait_until: Any) -> int:
    """Let trades come for a moment; the time from which all must be there."""
    from_ms = now_ms()
    await wait_until(lambda: all(desk.stream.trades(s, 1)[-1].ts_ms > from_ms for s in SYMBOLS), 5, "trades")
    return from_ms


async def test_a_venue_that_refuses_connections_is_found_again_and_nothing_is_missing(
    start_venue: Any, open_desk: Any, wait_until: Any, all_is_well: Any
) -> None:
    # surely something happens while it is away, and the venue still tells all of it when it is back
    venue = start_venue("--rate", "8", "--recent", "2000")
    desk = await open_desk(venue)
    from_ms = await begin(desk, wait_until)
    venue.kill()
    assert await wait_until(lambda: desk.freshness(ETH) == "STALE", 5, "STALE") < STALE_WITHIN_S * PATIENCE
    assert desk.stream.book(ETH) is None
    await wait_until(lambda: Cause.VENUE_DOWN in desk.kinds(), 5, "the cause")
    await asyncio.sleep(2)  # an outage in which each symbol has trades
    venue.start()
    await all_is_well(desk, from_ms, Cause.VENUE_DOWN)
    assert desk.connector.audits[ETH].recovered > 0, desk.status["incidents"]
    assert [c["gaps"] for c in desk.status["subscriptions"] if c["channel"] == f"{ETH}@trades"] == [1], desk.status[
        "incidents"
    ]


async def test_a_handshake_answered_503_is_the_venue_s_fault(
    shared_venue: Any, open_desk: Any, wait_until: Any, all_is_well: Any
) -> None:
    desk = await open_desk()
    from_ms = await begin(desk, wait_until)
    await shared_venue.fault(kind="refuse")
    await shared_venue.fault(kind="drop")
    await wait_until(lambda: Cause.VENUE_DOWN in desk.kinds(), 5, "the cause")
    await shared_venue.fault(kind="clear")
    await all_is_well(desk, from_ms, Cause.VENUE_DOWN)


async def test_a_reset_connection_is_made_anew_and_what_was_missed_is_fetched(
    shared_venue: Any, open_desk: Any, wait_until: Any, all_is_well: Any
) -> None:
    desk = await open_desk()
    from_ms = await begin(desk, wait_until)
    await shared_venue.fault(kind="drop")
    await wait_until(lambda: desk.state != "LIVE", 2, "a state that says so")
    await all_is_well(desk, from_ms, Cause.NETWORK)
    assert desk.status["reconnects"] == 1


async def test_a_silent_channel_is_stale_although_pings_are_answered(
    shared_venue: Any, open_desk: Any, wait_until: Any, all_is_well: Any
) -> None:
    desk = await open_desk(silence_s=1.0)
    from_ms = await begin(desk, wait_until)
    before = (await shared_venue.get("/sim/stats"))["messages"]["subscribe"]
    await shared_venue.fault(kind="silence", channel="trades", coin="ETH")
    assert await wait_until(lambda: desk.freshness(ETH) == "STALE", 5, "STALE") < (STALE_WITHIN_S + 1) * PATIENCE
    assert desk.channel(f"{ETH}@trades")["state"] == "STALE"
    assert desk.freshness("BTC-PERP") == "LIVE"
    await wait_until(lambda: desk.state == "STALE", 1, "the venue's state")
    # the first answer is a re-subscription on the same socket, of this channel only
    assert desk.status["reconnects"] == 0
    await asyncio.sleep(0.2)
    assert (await shared_venue.get("/sim/stats"))["messages"]["subscribe"] == before + 1
    await shared_venue.fault(kind="clear")
    await all_is_well(desk, from_ms, Cause.EXCHANGE_LATE)


async def test_a_silent_book_is_withheld_while_trades_flow(
    shared_venue: Any, open_desk: Any, wait_until: Any, all_is_well: Any
) -> None:
    desk = await open_desk(silence_s=1.0)
    from_ms = await begin(desk, wait_until)
    await shared_venue.fault(kind="silence", channel="l2Book", coin="ETH")
    assert await wait_until(lambda: desk.stream.book(ETH) is None, 5, "no book") < STALE_WITHIN_S * PATIENCE
    assert desk.book(ETH)["state"] == "SYNCING"
    assert "silent" in desk.book(ETH)["cause"]
    assert desk.freshness(ETH) == "LIVE"
    await shared_venue.fault(kind="clear")
    await all_is_well(desk, from_ms, Cause.EXCHANGE_LATE)
    assert desk.book(ETH)["resyncs"] >= 1


async def test_a_black_hole_is_noticed_by_the_silence_of_all_channels(
    shared_venue: Any, open_desk: Any, wait_until: Any, all_is_well: Any
) -> None:
    desk = await open_desk(silence_s=1.0)
    from_ms = await begin(desk, wait_until)
    await shared_venue.fault(kind="half_open")
    assert await wait_until(lambda: desk.freshness(ETH) == "STALE", 5, "STALE") < STALE_WITHIN_S * PATIENCE
    await shared_venue.fault(kind="clear")
    await all_is_well(desk, from_ms, Cause.NETWORK)


GARBAGE = (
    "truncated", "not_json", "unknown_channel", "unknown_coin", "nan_price", "negative_price", "time_1970", "time_2100",
    "huge", "binary",
)  # fmt: skip


async def test_garbage_is_counted_and_costs_nothing(
    shared_venue: Any, open_desk: Any, wait_until: Any, all_is_well: Any
) -> None:
    desk = await open_desk()
    from_ms = await begin(desk, wait_until)
    for payload in GARBAGE:
        await shared_venue.fault(kind="garbage", payload=payload)
    await wait_until(lambda: desk.status["malformed"] == len(GARBAGE), 5, "all counted")
    kinds = desk.status["malformed_kinds"]
    assert {"json", "channel", "coin", "price", "time", "oversized"} <= set(kinds), kinds
    assert "frame handler failed" not in kinds
    await all_is_well(desk, from_ms, Cause.BAD_FRAMES)
    assert desk.status["reconnects"] == 0


async def test_a_crossed_book_is_never_shown(shared_venue: Any, open_desk: Any, wait_until: Any, all_is_well: Any) -> None:
    desk = await open_desk()
    from_ms = await begin(desk, wait_until)
    await shared_venue.fault(kind="garbage", payload="crossed", coin="ETH")
    await wait_until(lambda: desk.book(ETH)["crossed"] == 1, 2, "counted")
    await all_is_well(desk, from_ms, None)
    assert all(view.bids[0][0] < view.asks[0][0] for view in desk.books)


async def test_after_a_429_nothing_is_asked_before_retry_after_and_then_the_gap_is_filled(
    shared_venue: Any, open_desk: Any, wait_until: Any, all_is_well: Any
) -> None:
    desk = await open_desk()
    await wait_until(lambda: len(desk.connector.tickers()) == 2, 5, "the requests of the start")
    from_ms = await begin(desk, wait_until)
    await shared_venue.fault(kind="http_status", status=429, retry_after=2)
    await shared_venue.fault(kind="drop")
    await wait_until(lambda: desk.connector.rest.is_banned, 5, "a ban")
    await wait_until(lambda: desk.state == "BANNED", 3, "the state")
    asked = (await shared_venue.get("/sim/stats"))["rest"]["refused 429"]
    await shared_venue.fault(kind="clear")
    await asyncio.sleep(1.0)
    rest = (await shared_venue.get("/sim/stats"))["rest"]
    assert rest["refused 429"] == asked
    await all_is_well(desk, from_ms, Cause.RATE_LIMIT)
    assert desk.connector.audits[ETH].missing == 0


async def test_frames_twice_or_out_of_order_change_nothing(
    shared_venue: Any, open_desk: Any, wait_until: Any, all_is_well: Any
) -> None:
    desk = await open_desk()
    from_ms = await begin(desk, wait_until)
    for kind in ("duplicate", "reorder"):
        await shared_venue.fault(kind=kind, n=6)
        heard = desk.status["messages"]
        await wait_until(lambda: desk.status["messages"] > heard + 12, 5, "the frames that are hit")  # noqa: B023
    await shared_venue.fault(kind="clear")
    await all_is_well(desk, from_ms, None)
    assert [b.event_ms for b in desk.books if b.symbol == ETH] == sorted(b.event_ms for b in desk.books if b.symbol == ETH)
    assert desk.connector.audits[ETH].missing == 0


async def test_frames_lost_inside_a_live_stream_are_found_by_the_candles_and_fetched(
    shared_venue: Any, open_desk: Any, wait_until: Any, all_is_well: Any
) -> None:
    desk = await open_desk()
    from_ms = await begin(desk, wait_until)
    ledger = desk.connector.audits[ETH].ledger
    await wait_until(lambda: ledger.is_trusted and not ledger.is_learning, 9, "candles to trust")
    await shared_venue.fault(kind="gap", n=3, channel="trades", coin="ETH")
    await wait_until(lambda: desk.connector.audits[ETH].recovered > 0, 10, "fetched trades")
    await all_is_well(desk, from_ms, Cause.SEQUENCE_GAP)
    assert desk.channel(f"{ETH}@trades")["gaps"] >= 1
    assert desk.connector.audits[ETH].missing == 0


async def test_a_gap_longer_than_the_venue_s_memory_is_declared_to_the_trade(
    start_venue: Any, open_desk: Any, wait_until: Any
) -> None:
    venue = start_venue("--recent", "8", "--rate", "4")
    desk = await open_desk(venue)
    from_ms = await begin(desk, wait_until)
    audits = desk.connector.audits.values()
    await wait_until(
        lambda: all(audit.ledger.is_trusted and not audit.ledger.is_learning for audit in audits), 9, "candles to trust"
    )
    await venue.fault(kind="refuse")
    await venue.fault(kind="drop")
    await asyncio.sleep(2.5)
    await venue.fault(kind="clear")
    await wait_until(lambda: desk.state == "LIVE", 10, "LIVE")
    to_ms = now_ms()
    await wait_until(lambda: all(audit.missing for audit in audits) and desk.is_settled(), 20, "a verdict")
    for symbol in SYMBOLS:
        lacking, wrong = await desk.trades_against_the_venue(symbol, from_ms, to_ms)
        assert wrong == 0
        assert desk.connector.audits[symbol].missing == lacking > 0
        assert desk.channel(f"{symbol}@trades")["gaps"] == 1
        told = [i for i in desk.status["incidents"] if i["kind"] == Cause.SEQUENCE_GAP and symbol in i["cause"]]
        assert len(told) == 1
        assert f"{lacking} trades are missing for good" in told[0]["detail"]


async def test_the_end_of_a_connection_s_life_is_a_scheduled_reset(
    shared_venue: Any, open_desk: Any, wait_until: Any, all_is_well: Any
) -> None:
    desk = await open_desk(lifetime_s=0.5)
    from_ms = await begin(desk, wait_until)
    await asyncio.sleep(0.5)
    await shared_venue.fault(kind="close", code=1000)
    await wait_until(lambda: desk.state != "LIVE", 2, "a state that says so")
    await all_is_well(desk, from_ms, Cause.SCHEDULED_RESET)


async def test_a_renewal_ahead_of_the_cut_loses_nothing_and_is_no_incident(
    shared_venue: Any, open_desk: Any, wait_until: Any, all_is_well: Any
) -> None:
    desk = await open_desk(silence_s=30.0, renew_s=1.0, renew_jitter_s=0.0)
    from_ms = await begin(desk, wait_until)
    await wait_until(lambda: desk.connector.link.renewals >= 2, 10, "renewals")
    await all_is_well(desk, from_ms, None)
    assert desk.status["reconnects"] == 0
    assert not desk.status["incidents"]
    assert {audit.recovered for audit in desk.connector.audits.values()} == {0}


async def test_a_wrong_clock_is_named_and_data_go_on(
    shared_venue: Any, open_desk: Any, wait_until: Any, all_is_well: Any
) -> None:
    desk = await open_desk()
    from_ms = await begin(desk, wait_until)
    for skew_ms, words in ((2_000, "ahead of ours"), (-2_000, "behind ours")):
        await shared_venue.fault(kind="clock_skew", ms=skew_ms)
        await wait_until(lambda: abs(desk.status["clock_offset_ms"] - skew_ms) < 400, 9, "the offset")  # noqa: B023
        await wait_until(lambda: any(words in i["cause"] for i in desk.status["incidents"]), 2, "the incident")  # noqa: B023
        assert Cause.CLOCK in desk.kinds()
        assert desk.state == "LIVE"
    await shared_venue.fault(kind="clear")
    await all_is_well(desk, from_ms, Cause.CLOCK)
    await wait_until(lambda: not [i for i in desk.status["incidents"] if not i["end_ms"]], 9, "an end of it")
