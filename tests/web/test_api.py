"""The routes of the HTTP interface, asked over a real socket."""

import json
from typing import Any

import httpx
import pytest

SERIES = ("eth_ticks", "eth_1m", "eth_1h", "eth_1d", "btc_ticks")


@pytest.fixture
def client(shared_server: Any):
    with shared_server.client() as client:
        yield client


def test_health_is_ok_while_the_process_serves(client: httpx.Client):
    answer = client.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_ready_names_the_culprit_with_503_and_is_200_when_all_is_well(client: httpx.Client, shared_server: Any):
    assert client.get("/ready").json() == {"ready": True, "components": {"postgres": "ok", "redis": "ok", "binance": "ok"}}
    shared_server.system.parts = {"postgres": "ok", "redis": "ok", "binance": "RECONNECTING: refused"}
    try:
        answer = client.get("/ready")
        assert answer.status_code == 503
        assert answer.json() == {"ready": False, "components": shared_server.system.parts}
    finally:
        shared_server.system.parts = {"postgres": "ok", "redis": "ok", "binance": "ok"}


def test_the_five_series_are_listed_with_their_quality(client: httpx.Client):
    entries = client.get("/api/v1/series").json()["series"]
    assert tuple(e["name"] for e in entries) == SERIES
    for key in ("rows", "last_timestamp", "age_ms", "state", "completeness", "source"):
        assert all(key in e for e in entries), key


@pytest.mark.parametrize("name", SERIES)
def test_a_series_answers_its_latest_rows_oldest_first(client: httpx.Client, name: str):
    body = client.get(f"/api/v1/series/{name}", params={"limit": 10}).json()
    assert body["series"] == name
    assert body["columns"] == ["timestamp", "open", "high", "low", "close", "volume"]
    times = [row[0] for row in body["rows"]]
    assert len(times) == 10
    assert times == sorted(set(times))


def test_since_is_strictly_greater_and_pages_forward(client: httpx.Client):
    times = [row[0] for row in client.get("/api/v1/series/eth_1m", params={"limit": 20}).json()["rows"]]
    rest = client.get("/api/v1/series/eth_1m", params={"since": int(times[4])}).json()["rows"]
    assert [row[0] for row in rest] == times[5:]
    page = client.get("/api/v1/series/eth_1m", params={"since": int(times[4]), "limit": 3}).json()["rows"]
    assert [row[0] for row in page] == times[5:8]
    assert client.get("/api/v1/series/eth_1m", params={"since": int(times[-1])}).json()["rows"] == []


def test_an_unknown_series_is_404_and_names_the_five(client: httpx.Client):
    answer = client.get("/api/v1/series/xyz")
    assert answer.status_code == 404
    assert answer.json()["series"] == list(SERIES)
    assert all(name in answer.json()["error"] for name in SERIES)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=-5", "limit"),
        ("limit=0", "limit"),
        ("limit=20001", "limit"),
        ("limit=1.5", "limit"),
        ("limit=", "limit"),
        ("limit=²", "limit"),
        ("limit=" + "9" * 5_000, "limit"),
        ("since=-1", "since"),
        ("since=yesterday", "since"),
        ("since=nan", "since"),
        ("since=999999999999999999", "since"),
        ("before=5", "before"),
    ],
)
def test_a_bad_parameter_is_422_and_named(client: httpx.Client, query: str, parameter: str):
    answer = client.get(f"/api/v1/series/eth_1m?{query}")
    assert answer.status_code == 422
    assert answer.json()["parameter"] == parameter


def test_rows_older_than_the_ring_come_from_storage(server: Any, market: Any):
    market.seed(10)
    with server.client() as client:
        ring = client.get("/api/v1/series/eth_1m").json()["rows"]
        first = int(ring[0][0])
        stored = [[float(first + (i - 30) * 60_000), 1.0, 1.0, 1.0, 1.0, 0.0] for i in range(30)]
        server.system.stored["eth_1m"] = stored

        def times(**query: int) -> list[float]:
            return [row[0] for row in client.get("/api/v1/series/eth_1m", params=query).json()["rows"]]

        everything = [row[0] for row in stored + ring]
        assert times(limit=40) == everything
        assert times(limit=15) == everything[-15:]
        assert times(since=int(stored[4][0]), limit=5) == everything[5:10]
        assert times(since=int(stored[27][0]), limit=5) == everything[28:33]
        assert times(since=0, limit=7) == everything[:7]
        assert times(since=0) == everything


def test_old_rows_while_storage_is_away_are_503_and_newer_ones_still_answer(server: Any, market: Any, canary: str):
    market.seed(10)
    server.system.storage_away = True
    with server.client() as client:
        answer = client.get("/api/v1/series/eth_1m", params={"since": 5})
        assert answer.status_code == 503
        assert canary not in answer.text
        assert len(client.get("/api/v1/series/eth_1m").json()["rows"]) == 10


def test_the_dashboard_is_a_consumer_with_all_fields(client: httpx.Client):
    consumers = {c["name"]: c for c in client.get("/api/v1/consumers").json()["consumers"]}
    fields = {"name", "data_types", "delivered", "dropped", "errors", "rate_per_s", "latency_us"}
    assert fields <= consumers["dashboard"].keys()
    assert sorted(consumers["dashboard"]["data_types"]) == ["cob", "ohlcv", "ticks", "ui_data"]


@pytest.mark.parametrize(
    ("route", "key", "fields"),
    [
        ("connections", "connections", {"venue", "state", "since", "subscriptions", "incidents"}),
        ("cache", "cache", {"layer", "hits", "misses", "hit_rate", "entries", "bytes"}),
        ("slo", "slo", {"name", "target", "value", "ok"}),
        ("settings", "settings", {"key", "label", "group", "value", "default", "locked", "why"}),
    ],
)
def test_a_listing_has_its_fields(client: httpx.Client, route: str, key: str, fields: set[str]):
    entries = client.get(f"/api/v1/{route}").json()[key]
    assert entries
    assert all(fields <= entry.keys() for entry in entries)


def test_storage_answers_its_counters(client: httpx.Client):
    fields = {"rows_written", "batches", "rows_per_batch", "writes_saved", "queue", "spool_bytes", "last_error"}
    assert fields <= client.get("/api/v1/storage").json().keys()


def test_parts_that_do_not_exist_yet_say_so(client: httpx.Client):
    signals = client.get("/api/v1/signals").json()
    assert (signals["enabled"], signals["signals"]) == (False, [])
    assert signals["reason"]


def test_a_big_answer_is_compressed_for_who_asks(client: httpx.Client):
    plain = client.get("/api/v1/series/eth_1m", headers={"Accept-Encoding": "identity"})
    packed = client.get("/api/v1/series/eth_1m", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json() == plain.json()
    assert int(packed.headers["content-length"]) < len(plain.content) / 2


def test_a_change_of_settings_is_answered_audited_and_kept(server: Any):
    with server.client() as client:
        answer = client.patch("/api/v1/settings", json={"consumer.storage": False})
        assert answer.status_code == 200
        assert answer.json()["changed"] == {"consumer.storage": False}
        body = client.get("/api/v1/settings").json()
    assert {t["key"]: t["value"] for t in body["settings"]}["consumer.storage"] is False
    assert [(a["who"], a["key"], a["old"], a["new"]) for a in body["audit"]] == [("local", "consumer.storage", True, False)]


@pytest.mark.parametrize(
    ("body", "status", "key"),
    [
        ({"nonsense": True}, 422, "nonsense"),
        ({"consumer.storage": "no"}, 422, "consumer.storage"),
        ({"consumer.storage": 1}, 422, "consumer.storage"),
        ({"consumer.storage": None}, 422, "consumer.storage"),
        ({"workers.processor": "turbo"}, 422, "workers.processor"),
        ({"workers.processor": True}, 422, "workers.processor"),
        ({"workers.processor": None}, 422, "workers.processor"),
        ({"workers.count": 0}, 422, "workers.count"),
        ({"workers.count": 9}, 422, "workers.count"),
        ({"workers.count": True}, 422, "workers.count"),
        ({"workers.count": 3.0}, 422, "workers.count"),
        ({"consumer.dashboard": False}, 409, "consumer.dashboard"),
        ({"consumer.storage": False, "nonsense": 1}, 422, "nonsense"),
        ({}, 422, None),
        ([], 422, None),
    ],
)
def test_a_change_that_cannot_be_is_refused_whole(server: Any, body: object, status: int, key: str | None):
    with server.client() as client:
        answer = client.patch("/api/v1/settings", json=body)
        assert answer.status_code == status
        assert answer.json().get("key") == key
    assert server.system.values["consumer.storage"] is True
    assert server.system.audit == []


def test_processor_and_number_of_workers_are_settings_with_choices(server: Any):
    with server.client() as client:
        for change in ({"workers.processor": "standard", "workers.count": 8}, {"workers.count": None}):
            answer = client.patch("/api/v1/settings", json=change)
            assert (answer.status_code, answer.json()["changed"]) == (200, change)
        refused = client.patch("/api/v1/settings", json={"workers.count": 9})
    assert refused.json()["error"] == "the value must be one of [null,1,2,3,4,5,6,7,8]"
    assert (server.system.values["workers.processor"], server.system.values["workers.count"]) == ("standard", None)


def test_settings_need_json(client: httpx.Client):
    assert client.patch("/api/v1/settings", content='{"consumer.storage": false}').status_code == 415
    headers = {"Content-Type": "application/json"}
    for content in ("{", "\xff", "[" * 100_000):
        assert client.patch("/api/v1/settings", content=content.encode("latin-1"), headers=headers).status_code == 422


def test_settings_while_storage_is_away_are_readable_and_not_writable(server: Any, canary: str):
    server.system.storage_away = True
    with server.client() as client:
        read = client.get("/api/v1/settings")
        assert (read.status_code, read.json()["audit"]) == (200, None)
        written = client.patch("/api/v1/settings", json={"consumer.storage": False})
        assert written.status_code == 503
        assert canary not in written.text


def test_metrics_are_prometheus_text_with_every_part(client: httpx.Client):
    from prometheus_client.parser import text_string_to_metric_families

    client.get("/api/v1/series/eth_1m?limit=300")
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    rows = {s.labels["series"]: s.value for s in families["quintet_series_rows"].samples}
    assert rows["eth_1m"] == 200
    assert families["quintet_component_up"].samples[0].value == 1
    state = {s.labels["state"]: s.value for s in families["quintet_connection_state"].samples}
    assert (state["LIVE"], sum(state.values())) == (1, 1)
    assert families["quintet_storage_rows_written"].type == "counter"
    assert families["quintet_cache_misses"].samples[0].value >= 1
    assert "quintet_feed_clients" in families
    assert families["quintet_consumer_delivered"].samples[0].labels == {"consumer": "dashboard"}


def test_an_exception_is_answered_without_its_text(server: Any, canary: str, caplog: pytest.LogCaptureFixture):
    server.system.broken = True
    with server.client() as client:
        for route in ("/api/v1/storage", "/metrics"):
            answer = client.get(route)
            assert answer.status_code == 500
            assert canary not in answer.text
            assert "hunter2" not in json.dumps(dict(answer.headers))
            assert answer.headers["x-content-type-options"] == "nosniff"
