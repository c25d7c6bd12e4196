"""Which trades we have."""

from hypothesis import given
from hypothesis import strategies as st

from core.market.tape import Tape

IDS = st.lists(st.integers(0, 60), min_size=1, max_size=80)


@given(IDS)
def test_every_id_is_accepted_exactly_once_in_whatever_order_it_comes(ids: list[int]) -> None:
    tape = Tape()
    accepted = [trade_id for trade_id in ids if tape.accept(trade_id)]
    assert sorted(accepted) == sorted(set(ids))
    assert tape.accepted == len(set(ids))
    assert tape.duplicates == len(ids) - len(set(ids))


@given(IDS)
def test_the_gaps_are_what_is_missing_between_the_first_and_the_last(ids: list[int]) -> None:
    tape = Tape()
    for trade_id in ids:
        tape.accept(trade_id)
    missing = [trade_id for low, high in tape.gaps for trade_id in range(low, high + 1)]
    assert missing == [trade_id for trade_id in range(min(ids), max(ids) + 1) if trade_id not in set(ids)]
    assert (tape.first_id, tape.last_id) == (min(ids), max(ids))


def test_filling_the_middle_of_a_gap_splits_it() -> None:
    tape = Tape()
    for trade_id in (10, 20, 15):
        tape.accept(trade_id)
    assert tape.gaps == [(11, 14), (16, 19)]
    assert tape.late == 1


def test_filling_a_gap_from_its_ends_closes_it() -> None:
    tape = Tape()
    for trade_id in (10, 14, 11, 13, 12):
        assert tape.accept(trade_id)
    assert tape.gaps == []


def test_gaps_are_bounded_and_the_oldest_is_given_up() -> None:
    tape = Tape(max_gaps=2)
    for trade_id in (0, 2, 4, 6):
        tape.accept(trade_id)
    assert tape.gaps == [(3, 3), (5, 5)]
    assert tape.forgotten == 1
    assert not tape.accept(1)


def test_ids_given_up_are_missed_no_longer() -> None:
    tape = Tape()
    for trade_id in (10, 20, 30):
        tape.accept(trade_id)
    tape.give_up(15, 25)
    assert tape.gaps == [(11, 14), (26, 29)]
    assert not tape.accept(17)
    assert tape.accept(12)
