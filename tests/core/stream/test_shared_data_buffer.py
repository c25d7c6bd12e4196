"""The ring of rows, against a list."""

import threading
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.stream.shared_data_buffer import SharedDataBuffer

Row = tuple[float, ...]


def row(number: int, value: float = 0.0) -> Row:
    return (float(number * 10), value, value, value, value, value)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.floats(-5, 5)),
        st.tuples(st.just("amend"), st.integers(0, 12)),
        st.tuples(st.just("prepend"), st.integers(1, 9)),
        st.tuples(st.just("jump"), st.integers(2, 40)),
        st.tuples(st.just("many"), st.integers(1, 90)),
    ),
    max_size=40,
)


@given(st.integers(1, 12), STEPS)
def test_it_holds_what_a_list_of_the_newest_rows_would(capacity: int, steps: list[tuple[str, float]]) -> None:
    buffer, model = SharedDataBuffer(capacity, 10), [row(100, 1)]
    buffer.append(model[0])
    for kind, value in steps:
        newest, oldest = int(model[-1][0]) // 10, int(model[0][0]) // 10
        if kind in ("append", "many"):
            for offset in range(int(value) if kind == "many" else 1):
                model.append(row(newest + 1 + offset, value))
                buffer.put(model[-1])
        elif kind == "amend":
            index = len(model) - 1 - int(value)
            amended = row(newest - int(value), value + 0.5)
            assert buffer.amend(amended) is (index >= 0)
            if index >= 0:
                model[index] = amended
        elif kind == "prepend":
            older = [row(oldest - offset, -value) for offset in range(int(value), 0, -1)]
            taken = buffer.prepend(older)
            assert taken == min(len(older), capacity - len(model))
            model[:0] = older[len(older) - taken :]
        else:
            model = [row(newest + int(value), value)]
            buffer.put(model[0])
        model = model[-capacity:]
        assert buffer.copy(capacity).tolist() == [list(one) for one in model]
    assert buffer.rows == len(model)
    assert (buffer.first_timestamp, buffer.last_timestamp) == (model[0][0], model[-1][0])


@given(st.integers(0, 400), st.integers(0, 30), st.integers(0, 40))
def test_since_gives_the_first_rows_from_a_time_on(timestamp: int, limit: int, count: int) -> None:
    buffer = SharedDataBuffer(20, 10)
    for number in range(count):
        buffer.append(row(number, number))
    expected = [list(row(n, n)) for n in range(max(0, count - 20), count) if n * 10 >= timestamp][:limit]
    assert buffer.since(timestamp, limit).tolist() == expected


def test_views_given_out_keep_their_rows_for_ever() -> None:
    buffer = SharedDataBuffer(50, 10)
    views: list[tuple[np.ndarray, np.ndarray]] = []
    for number in range(1_000):
        buffer.append(row(number, number))
        view = buffer.window(50)
        views.append((view, view.copy()))
    assert all(np.array_equal(view, as_given) for view, as_given in views)


def test_windows_share_the_rings_memory_and_cannot_be_written() -> None:
    buffer = SharedDataBuffer(50, 10)
    for number in range(30):
        buffer.append(row(number))
    first, second = buffer.window(10), buffer.window(20)
    assert np.shares_memory(first, second)
    assert first.flags.c_contiguous
    assert first.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 1
    buffer.amend(row(29, 7))
    assert first[-1, 4] == 7


def test_a_copy_is_the_callers_own() -> None:
    buffer = SharedDataBuffer(50, 10)
    buffer.append(row(1, 1))
    copied = buffer.copy(10)
    copied[0, 1] = 99
    assert buffer.window(1)[0, 1] == 1


def test_a_row_that_does_not_follow_is_refused() -> None:
    buffer = SharedDataBuffer(50, 10)
    buffer.append(row(1))
    for number in (1, 3, 0):
        with pytest.raises(ValueError, match="does not follow"):
            buffer.append(row(number))


def test_every_write_changes_the_version() -> None:
    buffer = SharedDataBuffer(50, 10)
    seen = {buffer.version}
    buffer.append(row(1))
    seen.add(buffer.version)
    buffer.amend(row(1, 2))
    seen.add(buffer.version)
    assert len(seen) == 3


def test_an_empty_ring_has_no_rows_and_no_times() -> None:
    buffer = SharedDataBuffer(50, 10)
    assert buffer.window(5).shape == buffer.copy(5).shape == buffer.since(0, 5).shape == (0, 6)
    assert (buffer.rows, buffer.first_timestamp, buffer.last_timestamp) == (0, 0, 0)


class Interrupted(SharedDataBuffer):
    """Lets a test write in the middle of a read, as another thread might."""

    def __init__(self, capacity: int, step_ms: int) -> None:
        super().__init__(capacity, step_ms)
        self.meanwhile: list[Callable[[], None]] = []

    def _even(self) -> int:
        if self.meanwhile:
            self.meanwhile.pop(0)()
        return super()._even()


def _nothing() -> None: ...


@pytest.mark.parametrize("writes", [1, 5, 60, 127, 128, 129, 1_000])
@pytest.mark.parametrize("kind", ["amend", "append", "both"])
@pytest.mark.parametrize("read", [lambda buffer: buffer.copy(40), lambda buffer: buffer.since(30 * 10, 40)])
def test_a_read_that_is_overtaken_by_writes_gives_the_rows_as_they_are_after_them(
    writes: int, kind: str, read: Callable[[SharedDataBuffer], np.ndarray]
) -> None:
    buffer, model = Interrupted(50, 10), {}

    def put(number: int, value: float) -> None:
        model[number] = value
        buffer.put(row(number, value))

    for number in range(60):
        put(number, number)

    def write() -> None:
        for index in range(writes):
            newest = max(model)
            if kind != "append":
                put(newest - index % 20, 1_000 + index)
            if kind != "amend":
                put(newest + 1, newest + 1)

    for quiet in range(3):
        buffer.meanwhile = [_nothing] * quiet + [write]
        found = read(buffer)
        numbers = (found[:, 0] / 10).astype(int).tolist()
        assert len(found) == 40 or numbers[0] >= 30
        assert numbers == list(range(numbers[0], numbers[0] + len(found)))
        if quiet < 2:
            assert found[:, 4].tolist() == [model[number] for number in numbers]


def test_a_read_during_which_the_rows_move_to_a_new_array_sees_what_is_amended_there() -> None:
    buffer = Interrupted(400, 10)
    for number in range(499):
        buffer.append(row(number, number))
    before = buffer.window(1)

    def write() -> None:
        for number in range(499, 502):
            buffer.append(row(number, number))
        buffer.amend(row(495, -1))

    buffer.meanwhile = [_nothing, write]
    found = buffer.copy(10)
    assert not np.shares_memory(before, buffer.window(400))
    assert found[:, 4].tolist() == [492, 493, 494, -1, 496, 497, 498, 499, 500, 501]


def test_readers_on_other_threads_see_the_rows_of_one_moment() -> None:
    """The writer keeps all values of all rows equal but for one amendment under way; a copy that mixes moments shows."""
    buffer = SharedDataBuffer(3_000, 10)
    for number in range(3_000):
        buffer.append(row(number, number))
    stop, faults, reads = threading.Event(), [], [0]

    def read() -> None:
        while not stop.is_set():
            copied = buffer.copy(3_000)
            numbers = copied[:, 0] / 10
            # each amendment adds the same whole round to the newest row first, then to the one before: never the reverse
            rounds = copied[:, 4] - numbers
            torn = (copied[:, 1:] != copied[:, 1:2]).any()
            holed = (np.diff(numbers) != 1).any()
            if torn or holed or rounds[-1] < rounds[-2]:
                faults.append((torn, holed, rounds[-2:]))
            reads[0] += 1

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    number, turn = 2_999, 0
    while reads[0] < 300:
        turn += 1
        buffer.amend(row(number, number + turn))
        buffer.amend(row(number - 1, number - 1 + turn))
        if turn % 500 == 0:
            number += 1
            buffer.append(row(number, number + turn))
    stop.set()
    for reader in readers:
        reader.join()
    assert faults == []
