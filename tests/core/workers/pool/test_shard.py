"""A shard's indicators between transactions, and who owns it."""

import itertools

import numpy as np
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from core.storage.tick_tables import INDICATOR_NAMES, Packed
from core.workers.hybrid_calculations import HybridCalculations
from core.workers.indicators.config import IndicatorConfig
from core.workers.shard import Shard, last_of_each
from core.workers.shard_leases import LEASE_MS, ShardLeases, assigned
from core.workers.stream_names import SHARDS, lease
from core.workers.tick_batch import SHARD_ROW, unpack

CONFIG = IndicatorConfig()


def some(count: int, first: int = 0) -> Packed:
    rows = np.zeros(count, SHARD_ROW)
    numbers = np.arange(first, first + count)
    rows["entry"], rows["symbol_id"], rows["ts"] = numbers, 1 + numbers % 3, 1_723_118_400_000 + numbers * 40
    rows["price"], rows["volume"] = 2_000 + np.sin(numbers) * 5, 1 + numbers % 4
    return rows


@given(st.lists(st.integers(0, 200), max_size=6))
def test_a_shard_that_changes_hands_goes_on_as_if_it_had_not(cuts: list[int]) -> None:
    ticks = some(200)
    whole = Shard(3, 1, "0-0", [], CONFIG)
    whole.take(ticks, "9-9")
    expected = whole.unstored()

    stored: dict[tuple[int, int], list[float]] = {}
    states: dict[int, bytes] = {}
    edges = [0, *sorted(cuts), 200]
    for epoch, (start, end) in enumerate(itertools.pairwise(edges), 1):
        shard = Shard(3, epoch, f"{start}-0", list(states.items()), CONFIG)
        shard.take(ticks[start:end], f"{end}-0")
        found = shard.unstored()
        states |= found.states
        for row in found.indicators:
            stored[int(row["symbol_id"]), int(row["ts"])] = [float(row[name]) for name in INDICATOR_NAMES]
    for row in expected.indicators:
        key = int(row["symbol_id"]), int(row["ts"])
        np.testing.assert_allclose(stored[key], [float(row[name]) for name in INDICATOR_NAMES], rtol=1e-9)
    assert len(stored) == len(expected.indicators)
    assert set(states) == set(expected.states) == {1, 2, 3}


def test_the_last_of_each_symbol_and_second_is_kept() -> None:
    ticks = some(100)
    kept = ticks[last_of_each(ticks)]
    for row in kept:
        same = ticks[(ticks["symbol_id"] == row["symbol_id"]) & (ticks["ts"] // 1_000 == row["ts"] // 1_000)]
        assert row["entry"] == same["entry"].max()
    assert len(kept) == len({(int(r["symbol_id"]), int(r["ts"]) // 1_000) for r in ticks})


def test_packed_ticks_of_several_workers_come_in_the_order_of_the_stream() -> None:
    ticks = some(30)
    packed = [ticks[2::3].tobytes(), ticks[::3].tobytes(), ticks[1::3].tobytes()]
    assert unpack(packed)["entry"].tolist() == list(range(30))


def test_a_state_of_other_periods_is_left_and_the_symbol_begins_anew() -> None:
    old = HybridCalculations(IndicatorConfig(ema=50))
    old.update(["1"], [5.0], [1.0], [1_723_118_400_000])
    before = Shard(0, 1, "0-0", [], IndicatorConfig(ema=50))
    before.take(some(10), "9-9")
    shard = Shard(0, 2, "9-9", [*before.unstored().states.items(), (9, b"damaged")], CONFIG)
    assert shard.refused == 4
    shard.take(some(1), "10-0")
    assert shard.rows == 1


def test_only_what_has_changed_is_stored() -> None:
    shard = Shard(0, 1, "0-0", [], CONFIG)
    shard.take(some(9), "1-0")
    rows = shard.unstored()
    shard.has_stored(rows)
    assert shard.stored == "1-0"
    assert shard.rows == 0
    shard.take(some(1, 9), "2-0")
    assert set(shard.unstored().states) == {1}


@given(st.sets(st.text(min_size=1, max_size=5), min_size=1, max_size=20))
def test_shards_are_dealt_out_whole_and_evenly(members: set[str]) -> None:
    shares = {me: assigned(sorted(members), me) for me in members}
    assert sorted(shard for share in shares.values() for shard in share) == list(range(SHARDS))
    sizes = [len(share) for share in shares.values()]
    assert max(sizes) - min(sizes) <= 1


def test_two_processes_share_and_one_that_dies_is_inherited_from(client: "redis.Redis") -> None:
    one, two = ShardLeases(client, "one"), ShardLeases(client, "two")
    lost, all_of_them = one.renew(frozenset())
    assert (lost, len(all_of_them)) == (frozenset(), SHARDS)
    _, nothing_yet = two.renew(frozenset())
    assert nothing_yet == frozenset()  # the first still holds its leases
    lost, _ = one.renew(all_of_them)
    assert len(lost) == SHARDS // 2
    _, half = two.renew(frozenset())
    assert half == lost
    # the second one dies: its leases and its membership run out
    client.zadd("ticks:intraday:members", {"two": 0})
    for shard in half:
        assert 0 < client.pttl(lease(shard)) <= LEASE_MS
        client.delete(lease(shard))
    assert one.renew(all_of_them - half)[1] == half
    one.leave(all_of_them)
    assert not any(client.exists(lease(shard)) for shard in range(SHARDS))


def test_a_lease_of_another_is_neither_taken_nor_given_back(client: "redis.Redis") -> None:
    client.set(lease(0), "somebody")
    leases = ShardLeases(client, "me")
    _, gained = leases.renew(frozenset())
    assert 0 not in gained
    leases.release(0)
    assert client.get(lease(0)) == b"somebody"


@pytest.mark.parametrize("field", ["price", "volume", "ts"])
def test_an_unusable_value_costs_only_itself(field: str) -> None:
    ticks = some(9)
    ticks[field][4] = -1
    shard = Shard(0, 1, "0-0", [], CONFIG)
    shard.take(ticks, "1-0")
    assert shard.refused == 1
    assert shard.position == "1-0"
    assert set(shard.unstored().states) == {1, 2, 3}
