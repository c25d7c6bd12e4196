"""The pure rules: codes, farms, hours, budgets, clock, frames, subscriptions."""

import datetime
import math
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.clock import ManualClock
from core.domain.health import Cause, LinkState
from core.venues.bad_frames import BadFrame
from core.venues.connector import VenueRefused
from core.venues.ibkr.accounts import kind_of
from core.venues.ibkr.budgets import DepthSlots, HistoryBudget, RollingBudget
from core.venues.ibkr.clock_offset import ClockOffset
from core.venues.ibkr.codes import Action, rule_of
from core.venues.ibkr.farms import Farms
from core.venues.ibkr.frames import BarTick, DepthRow, LastTick, QuoteTick, TopTick, check
from core.venues.ibkr.history import duration_of
from core.venues.ibkr.hours import ResetWindow, TradingHours, zone
from core.venues.ibkr.subscription import Kind, Subscription

NEW_YORK = ZoneInfo("America/New_York")
NAN = math.nan


def ms(text: str) -> int:
    """Unix ms of a US/Eastern `YYYY-MM-DD HH:MM`."""
    return round(datetime.datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=NEW_YORK).timestamp() * 1000)


# -- codes


@pytest.mark.parametrize(
    ("code", "text", "action", "kind"),
    [
        (1100, "lost", Action.LOST, Cause.VENUE_DOWN),
        (2110, "broken", Action.LOST, Cause.VENUE_DOWN),
        (1101, "", Action.RESTORED_LOST, Cause.VENUE_DOWN),
        (1102, "", Action.RESTORED_KEPT, Cause.VENUE_DOWN),
        (2103, "broken:usfarm", Action.FARM, Cause.FARM_DOWN),
        (2107, "inactive", Action.FARM, Cause.FARM_DOWN),
        (326, "in use", Action.ID_IN_USE, Cause.COMPETING_SESSION),
        (317, "reset", Action.DEPTH_RESET, Cause.SEQUENCE_GAP),
        (316, "halted", Action.RESUBSCRIBE, Cause.SEQUENCE_GAP),
        (10225, "bust", Action.RESUBSCRIBE, Cause.EXCHANGE_LATE),
        (309, "max", Action.LIMIT, Cause.RATE_LIMIT),
        (10190, "max", Action.LIMIT, Cause.RATE_LIMIT),
        (354, "not subscribed", Action.REFUSED, Cause.NO_PERMISSION),
        (10168, "not subscribed", Action.REFUSED, Cause.NO_PERMISSION),
        (10089, "not subscribed", Action.REFUSED, Cause.NO_PERMISSION),
        (10167, "delayed", Action.DELAYED, Cause.NO_PERMISSION),
        (10197, "competing", Action.COMPETING, Cause.COMPETING_SESSION),
        (100, "rate", Action.PACING, Cause.RATE_LIMIT),
        (200, "unknown", Action.UNKNOWN_CONTRACT, Cause.NOT_CONFIGURED),
        (300, "", Action.UNKNOWN_CANCEL, Cause.UNKNOWN),
        (10147, "", Action.UNKNOWN_CANCEL, Cause.UNKNOWN),
        (2119, "connecting", Action.IGNORE, Cause.UNKNOWN),
        (4711, "news", Action.NOTE, Cause.UNKNOWN),
    ],
)
def test_each_code_has_its_rule(code: int, text: str, action: Action, kind: Cause) -> None:
    rule = rule_of(code, text)
    assert (rule.action, rule.kind) == (action, kind)


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("Historical Market Data Service error message:Historical data request pacing violation", Action.PACING),
        ("HMDS query returned no data: AAPL@SMART Trades", Action.NO_DATA),
        ("API historical data query cancelled: 7", Action.IGNORE),
        ("No market data permissions for NASDAQ STK", Action.REFUSED),
    ],
)
def test_162_says_several_things(text: str, action: Action) -> None:
    assert rule_of(162, text).action is action


# -- farms


def test_each_farm_has_a_state_of_its_own() -> None:
    farms = Farms(ManualClock())
    for code, farm in ((2104, "usfarm"), (2106, "ushmds"), (2104, "eufarmnj")):
        farms.notice(code, f"Market data farm connection is OK:{farm}")
    change = farms.notice(2103, "Market data farm connection is broken:usfarm")
    assert change is not None
    assert (change.farm, change.state, change.was, change.is_ours) == ("usfarm", "DOWN", "OK", True)
    assert farms.notice(2104, "Market data farm connection is OK:eufarmnj") is None
    assert farms.down("market data") == "usfarm", "another farm's OK is no cure"
    assert farms.down("history") == ""
    assert farms.notice(2104, "Market data farm connection is OK:usfarm").was == "DOWN"  # type: ignore[union-attr]
    assert farms.down("market data") == ""


def test_a_farm_of_others_that_is_down_is_none_of_our_trouble() -> None:
    farms = Farms(ManualClock())
    change = farms.notice(2103, "Market data farm connection is broken:eufarmnj")
    assert change is not None
    assert not change.is_ours
    assert farms.down("market data") == ""


def test_an_idle_farm_is_no_fault() -> None:
    farms = Farms(ManualClock())
    farms.notice(2107, "HMDS data farm connection is inactive but should be available upon demand.ushmds")
    assert farms.status() == [{"farm": "ushmds", "kind": "history", "state": "IDLE", "since_ms": 1_700_000_000_000}]
    assert farms.down("history") == ""
    assert farms.notice(2104, "no name in this one") is None


# -- hours

HOURS = "20261120:0930-20261120:1600;20261121:CLOSED;20261122:CLOSED;20261123:0930-20261123:1600"


@pytest.mark.parametrize(
    ("at", "is_closed"),
    [
        ("2026-11-20 10:00", False),
        ("2026-11-20 16:00", True),
        ("2026-11-21 12:00", True),
        ("2026-11-23 09:29", True),
        ("2026-11-23 09:30", False),
        ("2026-11-18 12:00", False),  # not known
        ("2026-11-24 12:00", False),
    ],
)
def test_the_market_is_closed_where_its_hours_say_so(at: str, is_closed: bool) -> None:
    assert TradingHours.parse(HOURS, "US/Eastern").is_closed(ms(at)) is is_closed


@pytest.mark.parametrize("text", ["", "nonsense", "20261120:xx-20261120:1600"])
def test_hours_that_are_not_understood_close_nothing(text: str) -> None:
    assert not TradingHours.parse(text, "Mars/Olympus").is_closed(ms("2026-11-21 12:00"))


def test_days_that_are_all_closed_are_closed() -> None:
    assert TradingHours.parse("20261121:CLOSED;20261122:CLOSED", "EST").is_closed(ms("2026-11-21 12:00"))


def test_a_zone_that_is_not_known_is_eastern_winter_time() -> None:
    assert zone("Mars/Olympus").utcoffset(None) == datetime.timedelta(hours=-5)


@pytest.mark.parametrize(
    ("began", "now", "words"),
    [
        ("2026-11-20 23:50", "2026-11-21 00:10", "expected outage until 00:45 US/Eastern"),
        ("2026-11-21 00:40", "2026-11-21 00:44", "expected outage until 00:45 US/Eastern"),
        ("2026-11-20 23:50", "2026-11-21 00:45", ""),  # the deadline
        ("2026-11-20 23:50", "2026-11-21 03:00", ""),  # LEAN #258: began in the window, and never ended
        ("2026-11-20 23:44", "2026-11-20 23:50", ""),  # began before
        ("2026-07-20 23:45", "2026-07-21 00:00", "expected outage until 00:45 US/Eastern"),
    ],
)
def test_an_outage_of_the_nightly_reset_is_expected_until_its_end(began: str, now: str, words: str) -> None:
    assert ResetWindow("23:45", 60).words(ms(began), ms(now)) == words


# -- budgets


@given(st.lists(st.floats(0, 0.5), max_size=120), st.integers(1, 10))
def test_no_second_ever_has_more_messages_than_allowed(waits: list[float], limit: int) -> None:
    clock = ManualClock()
    budget = RollingBudget(clock, limit, 1.0)
    spent: list[int] = []
    for wait in waits:
        clock.advance(wait)
        if budget.wait_s() > 0:
            clock.advance(budget.wait_s())
        budget.take()
        spent.append(clock.monotonic_ns())
        assert sum(1 for at in spent if spent[-1] - at < 1_000_000_000) <= limit
        assert budget.used <= limit


async def test_spending_waits_for_its_turn() -> None:
    clock = ManualClock()
    budget = RollingBudget(clock, 1, 0.01)
    await budget.spend()
    assert budget.used == 1
    clock.advance(0.02)
    await budget.spend()
    assert budget.waits == 0


def test_history_is_asked_sixty_times_in_ten_minutes_and_never_the_same_within_fifteen_seconds() -> None:
    clock = ManualClock()
    budget = HistoryBudget(clock, 60)
    budget.take("AAPL", ("bars", 1))
    assert budget.wait_s("AAPL", ("bars", 1)) == pytest.approx(15.0)
    assert budget.wait_s("AAPL", ("bars", 2)) == 0.0
    assert budget.wait_s("MSFT", ("bars", 1)) == 0.0
    for n in range(4):
        budget.take("AAPL", ("bars", 10 + n))
    assert budget.wait_s("AAPL", ("bars", 99)) == pytest.approx(2.0), "the sixth of one contract in two seconds"
    for n in range(55):
        clock.advance(3)
        budget.take("AAPL", ("trades", n))
    assert budget.used == 60
    assert budget.wait_s("MSFT", ("bars", 1)) == pytest.approx(600 - 55 * 3)


def test_some_requests_are_kept_for_missing_trades() -> None:
    budget = HistoryBudget(ManualClock(), 4)
    budget.take("AAPL", ("bars",))
    budget.take("MSFT", ("bars",))
    assert budget.wait_s("GOOGL", ("bars",), reserve=2) > 0
    assert budget.wait_s("GOOGL", ("trades",)) == 0.0


def test_each_pacing_violation_holds_longer_until_an_answer() -> None:
    clock = ManualClock()
    budget = HistoryBudget(clock, 60)
    waits = []
    for _ in range(3):
        budget.violated()
        waits.append(budget.wait_s("AAPL", ("x",)))
        clock.advance(waits[-1])
    assert waits == pytest.approx([2, 4, 8])
    budget.answered()
    budget.violated()
    assert budget.wait_s("AAPL", ("x",)) == pytest.approx(2)


def test_the_fourth_depth_is_refused_with_a_reason_until_a_slot_is_free() -> None:
    slots = DepthSlots(3)
    assert [slots.take(s) for s in ("AAPL", "MSFT", "GOOGL", "AMZN", "AAPL")] == [True, True, True, False, True]
    assert slots.refusal() == "3 of 3 depth slots in use (AAPL, MSFT, GOOGL): more need quote boosters"
    slots.release("MSFT")
    assert slots.take("AMZN")


# -- clock


@given(
    st.integers(-5_000, 5_000),
    st.lists(st.tuples(st.integers(1, 3_000), st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=60),
)
def test_whole_seconds_narrow_the_offset_down(offset: int, asks: list[tuple[int, int, int]]) -> None:
    measured = ClockOffset()
    now = 1_700_000_000_000
    for wait, there, back in asks:
        now += wait
        second = (now + there + offset) // 1000
        measured.answered(second, now, now + there + back)
        measured.ticked(second, now + there + back)
        assert measured.ms is not None
        assert abs(measured.ms - offset) <= 1_080
    assert not measured.is_doubtful


def test_a_clock_that_was_set_is_noticed() -> None:
    measured = ClockOffset()
    assert measured.ms is None
    measured.answered(1_000, 1_000_400, 1_000_401)
    measured.ticked(1_003, 1_001_000)
    assert measured.is_doubtful
    measured.answered(1_003, 1_001_000, 1_001_001)
    assert not measured.is_doubtful
    assert measured.ms == pytest.approx(2_500, abs=501)


# -- frames


@pytest.mark.parametrize(
    "frame",
    [
        LastTick(1, 100_000, NAN, 1.0), LastTick(1, 100_000, -1.0, 1.0), LastTick(1, 100_000, 1.0, math.inf), LastTick(1, 1, 1.0, 1.0),  # noqa: E501
        LastTick(1, 4_102_444_800, 1.0, 1.0), QuoteTick(1, 100_000, NAN, 1, 1, 1), QuoteTick(1, 100_000, 1, -5, 1, 1),
        QuoteTick(1, 1, 1, 1, 1, 1), DepthRow(1, 0, 0, 0, NAN, 1), DepthRow(1, 0, 0, 0, 1, -1), BarTick(1, 5, 1, 1, NAN, 1, 1, 1),  # noqa: E501
        BarTick(1, 5, 1, 1, 2, 1, 1, 1), BarTick(1, 5, 1, 1, 1, 1, NAN, 1), TopTick(1, 1, NAN, 1), TopTick(1, 1, None, math.inf),  # noqa: E501
    ],
)  # fmt: skip
def test_absurd_numbers_are_refused(frame: LastTick | QuoteTick | DepthRow | BarTick | TopTick) -> None:
    with pytest.raises(BadFrame):
        check(frame, 100_000.0)


@pytest.mark.parametrize(
    "frame",
    [LastTick(1, 100_000, 1.0, 0.0), QuoteTick(1, 99_999, -1, 0, 1.5, 100), DepthRow(1, 3, 2, 0, 0.0, 0.0), BarTick(1, 5, 2, 3, 1, 2, -1, -1), TopTick(1, 0, None, 5)],  # noqa: E501
)  # fmt: skip
def test_sane_ones_pass(frame: LastTick | QuoteTick | DepthRow | BarTick | TopTick) -> None:
    check(frame, 100_000.0)


# -- history, accounts


@pytest.mark.parametrize(
    ("interval", "rows", "duration"),
    [
        ("1m", 30, "2700 S"),
        ("1m", 1, "90 S"),
        ("1m", 1_500, "5 D"),
        ("1d", 100, "145 D"),
        ("1d", 500, "2 Y"),
        ("1h", 24, "5 D"),
    ],
)
def test_durations_are_long_enough_for_the_rows(interval: str, rows: int, duration: str) -> None:
    assert duration_of(interval, rows) == duration


def test_an_interval_that_the_venue_has_not_is_refused() -> None:
    with pytest.raises(VenueRefused, match="7s"):
        duration_of("7s", 10)


@pytest.mark.parametrize(("account", "kind"), [("SIM1234567", "simulated"), ("DU1234567", "paper"), ("U1234567", "live")])
def test_an_account_is_known_by_its_name(account: str, kind: str) -> None:
    assert kind_of(account) == kind


# -- subscriptions

S = 1_000_000_000


def test_a_subscription_is_well_only_with_its_first_message() -> None:
    subscription = Subscription(Kind.QUOTES, "AAPL", 5.0)
    assert subscription.is_due(0)
    subscription.asked(7, S)
    assert subscription.channel.state is LinkState.SYNCING
    assert not subscription.is_overdue(3 * S)
    assert subscription.is_overdue(4 * S)
    assert subscription.received(4 * S)
    assert subscription.channel.state is LinkState.LIVE
    assert not subscription.is_overdue(60 * S)


def test_a_stale_one_stays_stale_until_it_is_proven_and_each_time_in_vain_it_is_given_longer() -> None:
    subscription = Subscription(Kind.QUOTES, "AAPL", 5.0)
    subscription.asked(7, S)
    subscription.received(S)
    subscription.channel.fault("silent", 2 * S)
    assert subscription.again(2 * S) == 7
    subscription.asked(8, 2 * S)
    assert subscription.channel.state is LinkState.STALE
    assert not subscription.is_overdue(6 * S)
    assert subscription.is_overdue(8 * S)
    subscription.again(8 * S)
    subscription.asked(9, 8 * S)
    assert not subscription.is_overdue(17 * S)
    assert subscription.is_overdue(19 * S)
    subscription.received(20 * S)
    assert subscription.attempts == 0


def test_a_refused_one_says_why_and_is_tried_again_much_later() -> None:
    subscription = Subscription(Kind.DEPTH, "AMZN", 5.0)
    subscription.refuse("3 of 3 depth slots in use", 0, 60.0)
    status = subscription.status(S, "LIVE")
    assert (status["state"], status["last_cause"], status["source"]) == ("REFUSED", "3 of 3 depth slots in use", "LIVE")
    assert not subscription.is_due(59 * S)
    assert subscription.is_due(60 * S)


def test_the_longest_of_many_silences_tells_a_thin_market() -> None:
    subscription = Subscription(Kind.TRADES, "AAPL", 5.0)
    subscription.asked(1, S)
    now = S
    for gap in [1] * 10 + [4] + [1] * 10:
        now += gap * S
        subscription.received(now)
    assert subscription.longest_gap_s() == 4.0
    assert Subscription(Kind.TRADES, "AAPL", 5.0).longest_gap_s() is None
