"""What a person is told to do, and the gauges."""

from core.base.clock import ManualClock
from core.base.settings import BinanceConfig
from core.domain.health import Cause, Incident, LinkState
from core.venues.binance.rest import BinanceRest
from core.venues.binance.status import ban_text, budgets, hint, incident_rows, transitions
from core.venues.binance.stream_requests import StreamRequests
from core.venues.causes import Signals
from core.venues.connect_budget import ConnectBudget
from core.venues.venue_state import VenueFacts, VenueState


def test_the_hint_says_what_can_be_done_and_nothing_when_nothing_can() -> None:
    wrong_clock = Incident("binance", "our clock is 2 s behind", 1, 0, "", Cause.CLOCK)
    behind = Incident("binance", "reading stands still", 1, 0, "", Cause.LOOP_BLOCKED)
    over = Incident("binance", "our clock was 2 s behind", 1, 2, "", Cause.CLOCK)
    assert hint(LinkState.LIVE, Signals(), [over]) == ""
    assert "clock" in hint(LinkState.LIVE, Signals(), [wrong_clock])
    assert "Monitoring" in hint(LinkState.STALE, Signals(), [behind])
    assert "ban ends" in hint(LinkState.BANNED, Signals(), [])
    for status in (403, 451):
        assert "data-api.binance.vision" in hint(LinkState.RECONNECTING, Signals(http_status=status), [])
    assert "network" in hint(LinkState.RECONNECTING, Signals(unresolved=True), [])
    assert hint(LinkState.RECONNECTING, Signals(refused=True), []) == ""


async def test_gauges_show_use_against_the_venue_s_limits_and_the_ban_s_rest() -> None:
    clock = ManualClock()
    rest = BinanceRest("http://127.0.0.1:1", clock, weight_per_minute=1_200)
    requests = StreamRequests(clock, lambda text: None, lambda: True)
    connects = ConnectBudget(clock)
    rest._observe({"X-MBX-USED-WEIGHT-1M": "700", "X-MBX-ORDER-COUNT-10S": "3", "X-MBX-ORDER-COUNT-1D": "44"})
    requests.bucket.spend()
    connects.spend()
    config = BinanceConfig(weight_per_minute=1_200, orders_per_10s=50)
    rest.banned_until_ms, rest.banned_for_s, rest.ban_cause = clock.now_ms() + 89_500, 180, "banned (418)"
    rows = {b["name"]: b for b in budgets(config, rest, requests, connects, 9, clock)}
    assert {name: (b["used"], b["limit"]) for name, b in rows.items()} == {
        "request weight": (700, 1_200), "orders": (3, 50), "orders a day": (44, 200_000), "stream messages": (1, 5),
        "connects": (1, 300), "streams": (9, 1_024), "ban": (90, 180),
    }  # fmt: skip
    assert "960" in rows["request weight"]["detail"]
    assert rows["ban"]["detail"] == ban_text(rest)
    assert ban_text(rest).startswith("banned (418) until ")
    clock.advance(90)
    rows = {b["name"]: b for b in budgets(config, rest, requests, connects, 9, clock)}
    assert (rows["ban"]["used"], rows["ban"]["detail"]) == (0, "no ban")
    assert rows["stream messages"]["used"] == 0


def test_transitions_come_newest_first_and_are_bounded() -> None:
    clock = ManualClock()
    state = VenueState(clock)
    for number in range(40):
        clock.advance(1)
        state.update(VenueFacts(LinkState.RECONNECTING, f"cause {number}"))
    rows = transitions(state)
    assert len(rows) == 30
    assert rows[0] == {"at_ms": clock.now_ms(), "state": "RECONNECTING", "cause": "cause 39"}


def test_incidents_carry_their_kind_as_text() -> None:
    (row,) = incident_rows([Incident("binance", "connection lost", 1, 2, "detail", Cause.NETWORK)])
    assert row == {"cause": "connection lost", "kind": "network", "start_ms": 1, "end_ms": 2, "detail": "detail"}
