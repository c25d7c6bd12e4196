"""Toggles and their audit."""

import concurrent.futures
from collections.abc import Iterator

import pytest

from core.base.clock import ManualClock
from core.base.errors import BadInput, StorageUnavailable
from core.storage import Change, SettingsStore

NOON_MS = 1_723_118_400_000


@pytest.fixture
def store(dsn: str, clock: ManualClock) -> Iterator[SettingsStore]:
    store = SettingsStore(dsn, clock)
    yield store
    store.close()


def test_a_change_is_stored_and_audited_with_who_when_old_and_new(store: SettingsStore, clock: ManualClock) -> None:
    assert store.all() == {}
    assert store.set("consumer.dashboard", False, "ada") == Change("consumer.dashboard", None, False, "ada", NOON_MS)
    clock.advance(60)
    assert store.set("consumer.dashboard", True, "bob").old is False
    assert store.all() == {"consumer.dashboard": True}
    assert store.audit(10) == [
        {"at_ms": NOON_MS + 60_000, "who": "bob", "key": "consumer.dashboard", "old": False, "new": True},
        {"at_ms": NOON_MS, "who": "ada", "key": "consumer.dashboard", "old": None, "new": False},
    ]
    assert len(store.audit(1)) == 1


@pytest.mark.parametrize("value", [True, 0, 1.5, "text ü", None, [1, "a"], {"a": {"b": [None]}}])
def test_an_unchanged_value_leaves_no_audit_row(store: SettingsStore, value: object) -> None:
    store.set("key", value, "ada")
    change = store.set("key", value, "bob")
    assert change.old == change.new == value
    assert [row["who"] for row in store.audit(10)] == ["ada"]


def test_one_and_true_are_different_values(store: SettingsStore) -> None:
    store.set("key", True, "ada")
    store.set("key", 1, "ada")
    assert store.all() == {"key": 1}
    assert len(store.audit(10)) == 2


def test_changes_at_once_make_an_unbroken_chain(store: SettingsStore, dsn: str, clock: ManualClock) -> None:
    stores = [SettingsStore(dsn, clock) for _ in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(stores[i % 4].set, "key", i, "ada") for i in range(24)]:
            done.result()
    for other in stores:
        other.close()
    rows = store.audit(100)[::-1]
    assert len(rows) == 24
    assert [row["old"] for row in rows] == [None, *(row["new"] for row in rows[:-1])]


@pytest.mark.parametrize(("key", "value"), [("a\0b", True), ("key", object()), ("key", "a\0b")])
def test_what_cannot_be_stored_is_bad_input(store: SettingsStore, key: str, value: object) -> None:
    with pytest.raises(BadInput):
        store.set(key, value, "ada")
    assert store.all() == {}
    assert store.audit(10) == []


def test_without_postgres_it_says_storage_is_unavailable(clock: ManualClock) -> None:
    store = SettingsStore("postgresql://me@127.0.0.1:1/db", clock)
    with pytest.raises(StorageUnavailable, match="refused"):
        store.all()
