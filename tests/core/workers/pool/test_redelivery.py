"""Which entries are begun again, how many together, and when they are given up."""

from hypothesis import given
from hypothesis import strategies as st

from core.workers.entries import Pending, entry_key, entry_ms, is_after, next_id
from core.workers.redelivery import linger_s, plan

MOST, BATCH, GROUP = 5, 4, 16
PENDING = st.lists(st.integers(1, 8), max_size=60).map(
    lambda counts: [Pending(b"1-%d" % place, count) for place, count in enumerate(counts)]
)


@given(PENDING)
def test_every_entry_is_begun_or_given_up_once(pending: list[Pending]) -> None:
    todo = plan(pending, MOST, BATCH, GROUP)
    begun = [entry for group in todo.groups for entry in group]
    assert sorted([*begun, *(entry.id for entry in todo.dead)]) == sorted(entry.id for entry in pending)
    assert all(entry.deliveries >= MOST for entry in todo.dead)


@given(PENDING)
def test_the_more_often_an_entry_was_begun_the_fewer_go_with_it(pending: list[Pending]) -> None:
    deliveries = {entry.id: entry.deliveries for entry in pending}
    sizes = {1: GROUP, 2: BATCH}
    order = []
    for group in plan(pending, MOST, BATCH, GROUP).groups:
        counts = {deliveries[entry] for entry in group}
        assert len(counts) == 1
        assert len(group) <= sizes.get(min(counts), 1)
        order.append(min(counts))
    assert order == sorted(order)


def test_an_entry_that_ends_every_worker_takes_no_neighbour_into_the_dead_letters() -> None:
    """Worker after worker dies of entry 7: the pending list as it would be in Redis."""
    deliveries = {b"1-%d" % n: 1 for n in range(16)}
    deaths = 0
    while True:
        todo = plan([Pending(entry, n) for entry, n in deliveries.items()], MOST, BATCH, GROUP)
        if todo.dead:
            assert [entry.id for entry in todo.dead] == [b"1-7"]
            break
        for group in todo.groups:
            for entry in group:
                deliveries[entry] += 1
            if b"1-7" in group:
                deaths += 1
                break
            for entry in group:
                del deliveries[entry]
    assert set(deliveries) == {b"1-7"}
    assert deaths <= MOST


def test_a_batch_stays_open_until_it_would_be_full_but_not_longer_than_told() -> None:
    assert linger_s(50, 50, 0.0, 10) == 0
    assert linger_s(1, 50, 0.0, 10) == 0.01
    assert linger_s(1, 50, 100.0, 10) == 0.01
    assert linger_s(40, 50, 10_000.0, 10) == 0.001


def test_ids_are_compared_as_numbers() -> None:
    assert is_after("10-0", "9-5")
    assert is_after("9-10", "9-9")
    assert not is_after("9-9", "9-9")
    assert is_after(next_id("9-9"), "9-9")
    assert entry_ms(b"1723161254000-7") == 1_723_161_254_000


@given(st.integers(0, 2**42), st.integers(0, 2**20 - 2))
def test_keys_of_entries_are_in_the_order_of_their_ids(ms: int, number: int) -> None:
    assert entry_key(b"%d-%d" % (ms, number)) < entry_key(b"%d-%d" % (ms, number + 1)) < entry_key(b"%d-0" % (ms + 1))
