"""The venue's REST side: layouts, paging, errors, weights."""

import asyncio
import itertools

import pytest

from core.base.clock import ManualClock
from core.venues.simulated.model_source import ModelSource
from core.venues.simulated.request_weight import RequestWeight
from core.venues.simulated.source import Candle
from core.venues.simulated.wire import kline_row

NOW_MS = 1_780_000_123_456


@pytest.fixture
async def still(start_venue):
    """A venue whose clock stands still."""
    clock = ManualClock(NOW_MS)
    return await start_venue(ModelSource(clock, seed=5), clock=clock)


async def test_ping_time_and_exchange_info(still) -> None:
    assert (await still.get("ping"))[:2] == (200, {})
    assert (await still.get("time"))[1] == {"serverTime": NOW_MS}
    _, info, _ = await still.get("exchangeInfo")
    assert [s["symbol"] for s in info["symbols"]] == ["ETHUSDT", "BTCUSDT"]
    filters = {f["filterType"]: f for f in info["symbols"][1]["filters"]}
    assert filters["PRICE_FILTER"]["tickSize"] == "0.01000000"
    assert filters["LOT_SIZE"]["stepSize"] == "0.00001000"
    _, one, _ = await still.get("exchangeInfo?symbol=BTCUSDT")
    assert len(one["symbols"]) == 1


async def test_klines_come_in_pages_that_join_without_hole_or_overlap(still) -> None:
    start = NOW_MS - 2_500 * 1_000
    rows: list[list] = []
    while True:
        _, page, _ = await still.get(f"klines?symbol=ETHUSDT&interval=1s&startTime={start}&limit=1000")
        rows += page
        if len(page) < 1_000:
            break
        start = page[-1][6] + 1
    assert [row[0] for row in rows] == list(range((NOW_MS - 2_500_000) // 1000 * 1000 + 1000, NOW_MS, 1000))
    _, latest, _ = await still.get("klines?symbol=ETHUSDT&interval=1s&limit=1000")
    assert latest == rows[-1_000:]
    _, default, _ = await still.get("klines?symbol=ETHUSDT&interval=1s")
    assert default == rows[-500:]


@pytest.mark.parametrize("interval", ["1s", "1m", "5m", "1h", "4h", "1d", "3d", "1w", "1M"])
async def test_the_running_kline_of_every_interval_closes_at_the_last_trade(still, interval: str) -> None:
    _, (row,), _ = await still.get(f"klines?symbol=BTCUSDT&interval={interval}&limit=1")
    _, (trade,), _ = await still.get("trades?symbol=BTCUSDT&limit=1")
    assert row[0] <= NOW_MS <= row[6]
    assert row[4] == trade["price"]
    assert len(row) == 12


async def test_weeks_begin_on_monday_and_months_on_the_first(still) -> None:
    _, weeks, _ = await still.get("klines?symbol=ETHUSDT&interval=1w&limit=3")
    assert all((row[0] // 86_400_000 + 3) % 7 == 0 for row in weeks)
    _, months, _ = await still.get("klines?symbol=ETHUSDT&interval=1M&startTime=1704067200000&endTime=1714521599999")
    assert [row[0] for row in months] == [1704067200000, 1706745600000, 1709251200000, 1711929600000]
    _, days, _ = await still.get("klines?symbol=ETHUSDT&interval=1d&startTime=1704067200000&endTime=1706745599999")
    assert months[0][1:5] == [days[0][1], max(d[2] for d in days), min(d[3] for d in days), days[-1][4]]
    assert months[0][8] == sum(d[8] for d in days)


async def test_the_first_kline_is_the_listing_day(still) -> None:
    _, rows, _ = await still.get("klines?symbol=ETHUSDT&interval=1d&startTime=0&limit=2")
    assert [row[0] for row in rows] == [1502928000000, 1503014400000]
    assert (await still.get("klines?symbol=ETHUSDT&interval=1d&endTime=1000"))[1] == []


async def test_trades_page_by_id_and_hide_the_future(still) -> None:
    _, latest, _ = await still.get("trades?symbol=ETHUSDT&limit=1000")
    assert latest[-1]["time"] <= NOW_MS
    assert [t["id"] for t in latest] == list(range(latest[0]["id"], latest[0]["id"] + 1_000))
    _, first, _ = await still.get(f"historicalTrades?symbol=ETHUSDT&limit=400&fromId={latest[0]['id']}")
    _, rest, _ = await still.get(f"historicalTrades?symbol=ETHUSDT&limit=1000&fromId={first[-1]['id'] + 1}")
    assert first + rest == latest
    assert set(latest[0]) == {"id", "price", "qty", "quoteQty", "time", "isBuyerMaker", "isBestMatch"}
    assert (await still.get(f"historicalTrades?symbol=ETHUSDT&fromId={latest[-1]['id'] + 1}"))[1] == []
    assert (await still.get("historicalTrades?symbol=ETHUSDT&fromId=999999999999999"))[1] == []


async def test_aggregate_trades_by_id_and_by_time_are_the_same_trades(still) -> None:
    end = NOW_MS - 3_456
    start = end - 10_000
    _, by_time, _ = await still.get(f"aggTrades?symbol=BTCUSDT&startTime={start}&endTime={end}&limit=1000")
    _, by_id, _ = await still.get(f"aggTrades?symbol=BTCUSDT&fromId={by_time[0]['a']}&limit={len(by_time)}")
    assert by_time == by_id
    assert all(start <= t["T"] <= end for t in by_time)
    assert all(b["f"] == a["l"] + 1 and b["a"] == a["a"] + 1 for a, b in itertools.pairwise(by_time))
    _, before, _ = await still.get(f"aggTrades?symbol=BTCUSDT&fromId={by_time[0]['a'] - 1}&limit=1")
    assert before[0]["T"] < start


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("klines?interval=1m", -1102),
        ("klines?symbol=ETHUSDT", -1102),
        ("klines?symbol=DOGEUSDT&interval=1m", -1121),
        ("klines?symbol=ETH%20USDT&interval=1m", -1100),
        ("klines?symbol=ETHUSDT&interval=7m", -1120),
        ("klines?symbol=ETHUSDT&interval=1m&limit=x", -1100),
        ("klines?symbol=ETHUSDT&interval=1m&limit=0", -1130),
        ("klines?symbol=ETHUSDT&interval=1m&startTime=-5", -1100),
        ("klines?symbol=ETHUSDT&interval=1m&startTime=9&endTime=8", -1128),
        ("aggTrades?symbol=ETHUSDT&fromId=1&startTime=5", -1128),
        ("trades?symbol=ETHUSDT&fromId=3", -1101),
        ("depth?symbol=ETHUSDT&limit=many", -1100),
    ],
)
async def test_a_wrong_parameter_is_refused_with_the_venues_own_code(still, path: str, code: int) -> None:
    status, body, headers = await still.get(path)
    assert (status, body["code"]) == (400, code)
    assert body["msg"]
    assert "x-mbx-used-weight-1m" in headers


@pytest.mark.parametrize("number", ["0", "1", "99999999999999999999"])
@pytest.mark.parametrize("name", ["startTime", "endTime"])
async def test_an_absurd_time_gives_an_answer(still, name: str, number: str) -> None:
    for path in (f"klines?symbol=ETHUSDT&interval=1M&{name}={number}", f"aggTrades?symbol=ETHUSDT&{name}={number}"):
        status, body, _ = await still.get(path)
        assert status == 200
        assert isinstance(body, list)


async def test_an_unknown_path_is_not_found_and_a_post_is_not_supported(still) -> None:
    assert (await still.get("nonsense"))[0] == 404
    async with still.session.post(f"{still.http}/api/v3/time") as answer:
        assert answer.status == 405


async def test_weights_are_summed_and_too_many_lead_to_429_and_then_to_a_ban(start_venue) -> None:
    clock = ManualClock(NOW_MS // 60_000 * 60_000)
    venue = await start_venue(ModelSource(clock, seed=5), clock=clock)
    used = [(await venue.get(path))[2]["x-mbx-used-weight-1m"] for path in ("ping", "klines?symbol=ETHUSDT&interval=1m")]
    used += [(await venue.get(f"depth?symbol=ETHUSDT&limit={n}"))[2]["x-mbx-used-weight-1m"] for n in (100, 500, 1000)]
    assert used == ["1", "3", "8", "33", "83"]
    answers = await asyncio.gather(*(venue.get("depth?symbol=ETHUSDT&limit=5000") for _ in range(24)))
    assert [a[0] for a in answers].count(429) == 1
    status, body, headers = await venue.get("ping")
    assert (status, body["code"], headers["retry-after"]) == (429, -1003, "60")
    for _ in range(10):
        status, body, headers = await venue.get("ping")
    assert (status, headers["retry-after"]) == (418, "120")
    assert str(clock.now_ms() + 120_000) in body["msg"]
    clock.advance(61)
    assert (await venue.get("ping"))[0] == 418
    clock.advance(60)
    assert (await venue.get("ping"))[0] == 200


def test_a_second_ban_is_twice_as_long() -> None:
    budget, now = RequestWeight(), 0
    bans = []
    while len(bans) < 2:
        refusal = budget.spend(3_001, now)
        if refusal is not None and refusal.status == 418:
            bans.append(refusal.retry_after_s)
            now = refusal.until_ms
    assert bans == [120, 240]


async def test_statistics_of_the_day_agree_with_the_klines_of_the_day(still) -> None:
    _, day, _ = await still.get("ticker/24hr?symbol=ETHUSDT")
    rows: list[list] = []
    for start in (day["openTime"], day["openTime"] + 1_000 * 60_000):
        rows += (await still.get(f"klines?symbol=ETHUSDT&interval=1m&startTime={start}&limit=1000"))[1]
    unique = {row[0]: row for row in rows}.values()
    assert day["count"] == sum(row[8] for row in unique)
    assert float(day["highPrice"]) == max(float(row[2]) for row in unique)
    assert day["lastPrice"] == list(unique)[-1][4]
    assert float(day["bidPrice"]) < float(day["askPrice"])
    _, both, _ = await still.get("ticker/24hr")
    assert [row["symbol"] for row in both] == ["ETHUSDT", "BTCUSDT"]


def test_a_kline_row_has_the_venues_twelve_fields() -> None:
    bar = Candle(
        60_000, 268380000000, 268400000000, 268300000000, 268310000000, 150000000, 119_999, 402500000000, 7, 1, 2, 3, 9
    )
    assert kline_row(bar) == [
        60_000, "2683.80000000", "2684.00000000", "2683.00000000", "2683.10000000", "1.50000000", 119_999,
        "4025.00000000", 7, "0.00000001", "0.00000002", "0",
    ]  # fmt: skip
