"""What the connector tells of itself, and what it asks of the venue."""

from itertools import pairwise
from typing import Any

import pytest

from core.domain.health import Cause, Source
from core.domain.instrument import Instrument
from core.venues.connector import Address, VenueRefused
from tests.patience import until

ETH, BTC = "ETH-PERP", "BTC-PERP"
STATUS_KEYS = {
    "venue", "title", "transport", "state", "since", "cause", "hint", "detail", "endpoint", "source", "delayed",
    "reconnects", "messages", "backlog", "rate_per_s", "malformed", "malformed_kinds", "api_calls", "clock_offset_ms",
    "budgets", "subscriptions", "transitions", "farms", "accounts", "incidents",
}  # fmt: skip
BOOK_KEYS = {
    "symbol", "venue", "kind", "state", "cause", "updates", "updates_per_s", "gaps", "resyncs", "crossed", "last_update_id",
    "age_ms", "known_range", "bid_levels", "ask_levels",
}  # fmt: skip


async def test_one_connection_one_subscription_per_symbol_and_channel_and_everything_is_told(
    start_venue: Any, open_desk: Any, wait_until: Any
) -> None:
    venue = start_venue("--rate", "8")
    desk = await open_desk(venue, silence_s=30.0)
    await wait_until(lambda: len(desk.connector.tickers()) == 2 and desk.quotes, 8, "statistics and quotes")
    await wait_until(lambda: all(len(desk.stream.bars(s, "1m", 600)) >= 499 for s in (ETH, BTC)), 8, "history")
    stats = await venue.get("/sim/stats")
    assert (stats["connections_total"], stats["messages"]) == (1, {"subscribe": 8})
    assert stats["subscriptions"] == {
        f"{channel}:{coin}{',1m' if channel == 'candle' else ''}": 1
        for channel in ("trades", "l2Book", "bbo", "candle")
        for coin in ("ETH", "BTC")
    }
    status = desk.status
    assert set(status) == STATUS_KEYS
    assert (status["state"], status["source"], status["hint"]) == ("LIVE", "SIMULATED", "")
    assert status["api_calls"] == 8 + sum(stats["rest"].values())
    assert abs(status["clock_offset_ms"]) < 400
    budgets = {b["name"]: b for b in status["budgets"]}
    assert budgets["weight"]["limit"] == 1_200
    # the venue counts by the minute, which may have turned, we the last sixty seconds
    assert budgets["weight"]["used"] >= stats["rest_weight"] > 0
    assert (budgets["messages"]["used"], budgets["messages"]["limit"]) == (8, 2_000)
    assert (budgets["subscriptions"]["used"], budgets["subscriptions"]["limit"]) == (8, 1_000)
    assert (budgets["connects"]["used"], budgets["connects"]["limit"]) == (1, 30)
    assert status["transitions"][0]["state"] == "LIVE"
    for book in desk.connector.books():
        assert set(book) == BOOK_KEYS
        assert (book["state"], book["bid_levels"], book["ask_levels"]) == ("SYNCED", 20, 20)
    ticker = desk.connector.tickers()[ETH]
    assert ticker["low"] <= ticker["open"] <= ticker["high"]
    assert ticker["volume"] > 0


async def test_history_is_the_venue_s_own_and_a_wrong_interval_is_refused(shared_venue: Any, open_desk: Any) -> None:
    desk = await open_desk()
    klines = await desk.connector.klines(ETH, "5m", 40)
    assert len(klines) == 40
    assert [b.open_ms - a.open_ms for a, b in pairwise(klines)] == [300_000] * 39
    with pytest.raises(VenueRefused):
        await desk.connector.klines(ETH, "7m", 40)
    with pytest.raises(VenueRefused):
        await desk.connector.klines("NOSUCH", "5m", 40)


async def test_without_anybody_there_the_venue_is_not_configured_says_what_to_do_and_is_tried_again(
    start_venue: Any, open_desk: Any, wait_until: Any
) -> None:
    venue = start_venue()
    venue.kill()
    desk = await open_desk(venue, live=False)
    await wait_until(lambda: desk.state == "NOT CONFIGURED", 5, "the state")
    assert "connection refused" in desk.status["cause"]
    assert "HYPERLIQUID_URL" in desk.status["hint"]
    assert desk.status["incidents"] == []
    venue.start()
    await wait_until(lambda: desk.state == "LIVE", 10, "LIVE")
    assert desk.status["hint"] == ""
    assert desk.stream.source_of(ETH) is Source.SIMULATED


async def test_what_is_no_part_of_a_replay_says_so_and_may_come_later(
    shared_venue: Any, open_desk: Any, wait_until: Any
) -> None:
    desk = await open_desk(live=False)
    desk.address = None
    await wait_until(lambda: desk.state == "NOT CONFIGURED", 5, "the state")
    assert desk.status["cause"] == "not part of a replay"
    assert desk.status["hint"] == ""
    desk.address = Address(shared_venue.url, Source.SIMULATED, "simulated")
    await wait_until(lambda: desk.state == "LIVE", 10, "LIVE")


async def test_a_symbol_that_joins_costs_one_message_per_channel_and_one_that_leaves_the_same(
    start_venue: Any, open_desk: Any, wait_until: Any
) -> None:
    venue = start_venue()
    desk = await open_desk(venue, silence_s=30.0)
    desk.connector.unsubscribe(BTC)
    await wait_until(lambda: len(desk.status["subscriptions"]) == 4, 2, "four subscriptions")
    assert BTC not in {b["symbol"] for b in desk.connector.books()}
    assert desk.stream.book(BTC) is None
    desk.connector.subscribe(desk.stream.instruments[BTC])
    desk.connector.subscribe(desk.stream.instruments[BTC])
    await wait_until(lambda: desk.state == "LIVE", 5, "LIVE")
    await wait_until(lambda: len(desk.stream.bars(BTC, "1m", 600)) >= 499, 5, "history")
    messages = (await venue.get("/sim/stats"))["messages"]
    assert messages == {"subscribe": 12, "unsubscribe": 4}
    assert (await venue.get("/sim/stats"))["subscriptions"]["trades:BTC"] == 1


async def test_a_coin_the_venue_does_not_have_is_refused_by_name_and_the_others_go_on(
    shared_venue: Any, open_desk: Any, wait_until: Any
) -> None:
    desk = await open_desk()
    desk.connector.subscribe(Instrument("NO-PERP", "hyperliquid", "NO", "USD", 1.0, 1.0, 0, "perpetual", "NOSUCH"))
    await wait_until(lambda: desk.channel("NO-PERP@trades")["state"] == "STOPPED", 5, "the refusal")
    assert "Invalid subscription" in desk.channel("NO-PERP@trades")["last_cause"]
    assert Cause.NO_PERMISSION in desk.kinds()
    await wait_until(lambda: desk.state == "LIVE", 3, "LIVE")
    assert desk.freshness(ETH) == "LIVE"


async def test_a_book_switched_off_is_withheld_until_it_is_on_again(
    shared_venue: Any, open_desk: Any, wait_until: Any
) -> None:
    desk = await open_desk()
    await wait_until(lambda: desk.stream.book(ETH) is not None, 3, "a book")
    desk.disabled.add("order_book")
    await wait_until(lambda: desk.book(ETH)["state"] == "OFF", 3, "OFF")
    assert desk.stream.book(ETH) is None
    desk.disabled.clear()
    await wait_until(lambda: desk.book(ETH)["state"] == "SYNCED", 3, "SYNCED")


async def test_the_venue_is_pinged_as_often_as_it_wants(
    start_venue: Any, open_desk: Any, wait_until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.venues.hyperliquid.connector import HyperliquidConnector

    assert HyperliquidConnector.ping_s <= 50
    monkeypatch.setattr(HyperliquidConnector, "ping_s", 0.1)
    venue = start_venue()
    await open_desk(venue)

    async def is_pinged() -> bool:
        return (await venue.get("/sim/stats"))["messages"].get("ping", 0) >= 3

    await until(is_pinged)
