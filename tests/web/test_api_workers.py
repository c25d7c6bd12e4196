"""The routes of the worker pool and of the options that it values, asked over a real socket."""

from typing import Any

import pytest

CHAIN = {
    "expiries": ["2026-06-26", "2026-12-25"],
    "chains": {
        "2026-06-26": [{"symbol": "BTC-26JUN26-90000-C", "strike": 90_000.0, "volatility": float("nan")}],
        "2026-12-25": [{"symbol": "BTC-25DEC26-90000-C", "strike": 90_000.0, "volatility": 0.5}],
    },
}


def letter(entry: str) -> dict[str, Any]:
    return {"id": entry, "reason": "price: missing", "deliveries": 1, "first_ms": 1, "last_ms": 2, "fields": {"symbol": "X"}}


@pytest.fixture
def letters(server: Any) -> Any:
    server.system.letters = {f"{9 - n}-0": letter(f"{9 - n}-0") for n in range(5)}
    return server


def test_the_state_of_the_pool_is_what_the_system_says(server: Any) -> None:
    with server.client() as client:
        assert client.get("/api/v1/workers").json() == server.system.pool


def test_the_feed_tells_the_pool_once_a_second_from_the_first_moment_on(server: Any) -> None:
    with server.feed(channels=["workers"]) as viewer:
        first = viewer.until(lambda frame: frame.get("channel") == "workers")
        assert first["processed"] == 7
        server.system.pool = {**server.system.pool, "processed": 8}
        second = viewer.until(lambda frame: frame.get("processed") == 8, timeout=3)
        assert second["seq"] > first["seq"]
        third = viewer.until(lambda frame: frame["seq"] > second["seq"], timeout=3)
        assert 700 < third["sent_ms"] - second["sent_ms"] < 2_000


def test_dead_letters_are_listed_newest_first_up_to_the_limit(letters: Any) -> None:
    with letters.client() as client:
        assert [e["id"] for e in client.get("/api/v1/workers/dead").json()["entries"]] == ["9-0", "8-0", "7-0", "6-0", "5-0"]
        entries = client.get("/api/v1/workers/dead", params={"limit": 2}).json()["entries"]
    assert entries == [letter("9-0"), letter("8-0")]


@pytest.mark.parametrize(
    ("query", "parameter"), [("limit=0", "limit"), ("limit=1001", "limit"), ("limit=x", "limit"), ("since=1", "since")]
)
def test_a_bad_parameter_of_dead_letters_is_422_and_named(shared_server: Any, query: str, parameter: str) -> None:
    with shared_server.client() as client:
        answer = client.get(f"/api/v1/workers/dead?{query}")
    assert (answer.status_code, answer.json()["parameter"]) == (422, parameter)


def test_one_dead_letter_is_replayed_and_then_all_others(letters: Any) -> None:
    with letters.client() as client:
        assert client.post("/api/v1/workers/dead/replay", json={"id": "8-0"}).json() == {"replayed": 1}
        assert client.post("/api/v1/workers/dead/replay", json={"id": "8-0"}).json() == {"replayed": 0}
        assert list(letters.system.letters) == ["9-0", "7-0", "6-0", "5-0"]
        assert client.post("/api/v1/workers/dead/replay", json={"id": "all"}).json() == {"replayed": 4}
        assert client.get("/api/v1/workers/dead").json() == {"entries": []}


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"id": 8},
        {"id": ""},
        {"id": "8"},
        {"id": "-"},
        {"id": "8-0 9-0"},
        {"id": "²-0"},
        {"id": "1" * 50 + "-0"},
        {"id": "ALL"},
        {"id": "8-0", "and": "9-0"},
        {"ids": ["8-0"]},
    ],
    ids=str,
)
def test_a_replay_of_nothing_that_can_be_an_entry_is_refused(shared_server: Any, body: object) -> None:
    shared_server.system.letters = {"8-0": letter("8-0")}
    with shared_server.client() as client:
        assert client.post("/api/v1/workers/dead/replay", json=body).status_code == 422
    assert len(shared_server.system.letters) == 1


def test_a_replay_needs_json_of_our_own_pages(letters: Any) -> None:
    path = "/api/v1/workers/dead/replay"
    with letters.client() as client:
        assert client.post(path, content='{"id": "all"}').status_code == 415
        assert client.post(path, json={"id": "all"}, headers={"Origin": "https://elsewhere.example"}).status_code == 403
    assert len(letters.system.letters) == 5


def test_without_redis_dead_letters_are_503_and_no_address_leaks(letters: Any, canary: str) -> None:
    letters.system.redis_away = True
    with letters.client() as client:
        answers = [client.get("/api/v1/workers/dead"), client.post("/api/v1/workers/dead/replay", json={"id": "all"})]
    for answer in answers:
        assert answer.status_code == 503
        assert "Redis" in answer.json()["error"]
        assert canary not in answer.text


def test_options_are_listed_by_underlying_and_told_by_expiry(server: Any) -> None:
    server.system.chains = {"BTC": {"DERIBIT": CHAIN}, "M&M": {"NFO": CHAIN}}
    with server.client() as client:
        listed = {"underlyings": ["BTC", "M&M"], "venues": {"BTC": ["DERIBIT"], "M&M": ["NFO"]}}
        assert client.get("/api/v1/options").json() == listed
        body = client.get("/api/v1/options/BTC").json()
        assert body["expiries"] == list(body["chains"]) == ["2026-06-26", "2026-12-25"]
        assert body["chains"]["2026-06-26"][0]["volatility"] is None, "what is no number is null"
        assert client.get("/api/v1/options/M%26M").json()["underlying"] == "M&M"
        one = client.get("/api/v1/options/BTC", params={"expiry": "2026-12-25"}).json()
        assert (one["expiries"], list(one["chains"])) == (["2026-06-26", "2026-12-25"], ["2026-12-25"])
        assert client.get("/api/v1/options/BTC", params={"expiry": "2027-01-01"}).json()["chains"] == {}


def test_a_chain_is_of_one_venue_and_an_unknown_one_is_422_with_those_there_are(server: Any) -> None:
    server.system.chains = {"BTC": {"DERIBIT": CHAIN, "BINANCE_OPTIONS": {"expiries": ["2026-12-25"], "chains": {}}}}
    with server.client() as client:
        assert client.get("/api/v1/options").json()["venues"] == {"BTC": ["DERIBIT", "BINANCE_OPTIONS"]}
        body = client.get("/api/v1/options/BTC").json()
        assert (body["venue"], body["venues"]) == ("DERIBIT", ["DERIBIT", "BINANCE_OPTIONS"])
        other = client.get("/api/v1/options/BTC", params={"venue": "binance_options", "expiry": "2026-12-25"}).json()
        assert (other["venue"], other["expiries"]) == ("BINANCE_OPTIONS", ["2026-12-25"])
        for unknown in ("OPRA", "", "X" * 3_000):
            answer = client.get("/api/v1/options/BTC", params={"venue": unknown})
            assert (answer.status_code, answer.json()["parameter"]) == (422, "venue")
            assert answer.json()["venues"] == ["DERIBIT", "BINANCE_OPTIONS"]
            assert "DERIBIT, BINANCE_OPTIONS" in answer.json()["error"]
            assert len(answer.text) < 300
        assert client.get("/api/v1/options/ETH", params={"venue": "DERIBIT"}).status_code == 404


def test_an_underlying_without_options_is_404_and_a_lost_database_503(server: Any, canary: str) -> None:
    with server.client() as client:
        unknown = client.get("/api/v1/options/" + "X" * 3_000)
        assert unknown.status_code == 404
        assert len(unknown.text) < 300
        server.system.storage_away = True
        for path in ("/api/v1/options", "/api/v1/options/BTC"):
            answer = client.get(path)
            assert answer.status_code == 503
            assert canary not in answer.text


def test_without_a_login_a_public_server_tells_and_replays_nothing(shared_public: Any) -> None:
    shared_public.system.letters = {"1-0": letter("1-0")}
    with shared_public.client() as client:
        for path in ("/api/v1/workers", "/api/v1/workers/dead", "/api/v1/options", "/api/v1/options/BTC"):
            assert client.get(path).status_code == 401, path
        refused = client.post("/api/v1/workers/dead/replay", json={"id": "all"}, headers={"Origin": shared_public.base})
        assert refused.status_code == 401
    assert list(shared_public.system.letters) == ["1-0"]
