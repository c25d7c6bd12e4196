"""Portions of what one read brought."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.venues.turns import Turns


class Owner:
    """Notes what passes, in which turn of the loop, and whether it may read."""

    def __init__(self, per_turn: int) -> None:
        self.turns: list[list[int]] = [[]]
        self.may_read: list[bool] = []
        self.afters = 0
        self.turn = Turns(self.take, self.may_read.append, per_turn, self.after)

    def take(self, number: int) -> None:
        self.turns[-1].append(number)

    def after(self) -> None:
        self.afters += 1

    async def next(self) -> None:
        self.turns.append([])
        await asyncio.sleep(0)

    @property
    def passed(self) -> list[int]:
        return [number for turn in self.turns for number in turn]


async def test_a_portion_passes_at_once_and_the_rest_a_portion_a_turn() -> None:
    owner = Owner(3)
    for number in range(8):
        owner.turn.put(number)
    assert owner.turns == [[0, 1, 2]]
    assert (len(owner.turn), owner.may_read) == (5, [False])
    await owner.next()
    assert (owner.turns[-1], owner.may_read) == ([3, 4, 5], [False])
    await owner.next()
    assert (owner.turns[-1], owner.may_read, owner.afters) == ([6, 7], [False, True], 2)
    owner.turn.put(8)
    assert owner.passed == list(range(8)), "the turn has had its portion"
    await owner.next()
    assert owner.passed == list(range(9))


async def test_a_turn_with_room_lets_everything_pass_and_never_stops_the_reading() -> None:
    owner = Owner(3)
    for number in range(9):
        owner.turn.put(number)
        if number % 3 == 2:
            await owner.next()
    assert (owner.passed, owner.may_read) == (list(range(9)), [])


async def test_nothing_passes_during_a_pause() -> None:
    owner = Owner(2)
    for number in range(5):
        owner.turn.put(number)
    owner.turn.pause()
    for _ in range(3):
        await owner.next()
    owner.turn.put(5)
    assert (owner.passed, owner.may_read) == ([0, 1], [False])
    owner.turn.resume()
    for _ in range(3):
        await owner.next()
    assert (owner.passed, owner.may_read) == (list(range(6)), [False, True])


async def test_a_pause_in_the_middle_of_a_portion_lets_it_end() -> None:
    """Whoever gets the messages may find that he cannot follow."""
    owner = Owner(2)
    owner.after = owner.turn.pause  # type: ignore[method-assign]
    turns = Turns(owner.take, owner.may_read.append, 2, lambda: turns.pause())
    for number in range(6):
        turns.put(number)
    await owner.next()
    await owner.next()
    assert (owner.passed, turns.is_paused, owner.may_read) == ([0, 1, 2, 3], True, [False])


@pytest.mark.parametrize(("end", "passed"), [(Turns.flush, [0, 1, 2, 3, 4]), (Turns.clear, [0, 1])])
async def test_what_waits_can_be_had_at_once_or_forgotten(end: Callable[[Turns], None], passed: list[int]) -> None:
    owner = Owner(2)
    for number in range(5):
        owner.turn.put(number)
    end(owner.turn)
    assert (owner.passed, len(owner.turn)) == (passed, 0)
    await owner.next()
    await owner.next()
    assert owner.may_read == [False, True]


@settings(max_examples=50)
@given(st.integers(1, 5), st.lists(st.one_of(st.integers(1, 12), st.sampled_from(["turn", "pause", "resume"])), max_size=30))
def test_order_is_kept_and_no_turn_has_more_than_two_portions(per_turn: int, steps: list[int | str]) -> None:
    async def run() -> None:
        owner, count = Owner(per_turn), 0
        for step in steps:
            if step == "turn":
                await owner.next()
            elif step == "pause":
                owner.turn.pause()
            elif step == "resume":
                owner.turn.resume()
            else:
                for _ in range(int(step)):
                    owner.turn.put(count)
                    count += 1
        owner.turn.resume()
        for _ in range(count + 2):
            await owner.next()
        assert owner.passed == list(range(count))
        assert max(map(len, owner.turns)) <= 2 * per_turn
        assert not owner.may_read or owner.may_read[-1]

    asyncio.run(run())
