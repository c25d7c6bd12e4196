import pytest

from core.base.settings import ScannerConfig
from core.switchboard import COUNT, PAUSED, PROCESSOR, LockedToggle, Switchboard, worker_toggles


@pytest.fixture
def calls() -> list[tuple[str, bool]]:
    return []


@pytest.fixture
def board(calls: list[tuple[str, bool]]) -> Switchboard:
    return Switchboard(lambda name, on: calls.append((name, on)))


def test_processors_are_on_until_a_stored_value_says_otherwise(board: Switchboard) -> None:
    assert board.is_enabled("gap_backfill")
    board.apply({"processor.gap_backfill": False})
    assert not board.is_enabled("gap_backfill")


def test_a_consumer_toggle_is_carried_out_once_per_change(board: Switchboard, calls: list[tuple[str, bool]]) -> None:
    board.add_consumer("storage")
    board.apply({"consumer.storage": False})
    board.apply({"consumer.storage": False})
    board.apply({"consumer.storage": True})
    assert calls == [("storage", False), ("storage", True)]


def test_what_was_read_before_a_change_does_not_undo_it(board: Switchboard) -> None:
    before = board.changes
    board.apply({"processor.gap_backfill": False})
    board.follow({"processor.gap_backfill": True}, before)
    assert not board.is_enabled("gap_backfill")
    board.follow({"processor.gap_backfill": True}, board.changes)
    assert board.is_enabled("gap_backfill")


def test_a_value_stored_before_its_consumer_exists_waits_for_it(board: Switchboard, calls: list[tuple[str, bool]]) -> None:
    board.apply({"consumer.recorder": False})
    assert calls == []
    board.add_consumer("recorder")
    assert calls == [("recorder", False)]
    assert board.value("consumer.recorder") is False


def test_the_dashboard_cannot_be_switched_off(board: Switchboard, calls: list[tuple[str, bool]]) -> None:
    board.add_consumer("dashboard")
    with pytest.raises(LockedToggle, match=r"consumer\.dashboard is locked"):
        board.check("consumer.dashboard", False)
    board.apply({"consumer.dashboard": False})
    assert calls == []
    assert board.value("consumer.dashboard") is True


def test_unknown_keys_and_wrong_types_are_named(board: Switchboard) -> None:
    with pytest.raises(KeyError, match=r"processor\.nonsense"):
        board.check("processor.nonsense", True)
    with pytest.raises(TypeError, match=r"processor\.order_book must be true or false, was 'yes'"):
        board.check("processor.order_book", "yes")
    board.apply({"processor.order_book": "yes"})
    assert board.is_enabled("order_book")


def test_a_choice_takes_its_own_values_only(board: Switchboard) -> None:
    told: list[object] = []
    for toggle in worker_toggles(ScannerConfig(use_optimized_stream_processor=False, optimized_processor_workers=3)):
        board.add(toggle, told.append)
    assert [board.value(key) for key in (PROCESSOR, COUNT, PAUSED)] == ["standard", 3, False]
    for key, value in (
        (PROCESSOR, "fast"),
        (PROCESSOR, True),
        (COUNT, 0),
        (COUNT, 9),
        (COUNT, True),
        (COUNT, 1.0),
        (PAUSED, 1),
    ):
        with pytest.raises(TypeError, match=f"{key} must be"):
            board.check(key, value)
        board.apply({key: value})
    assert told == []
    for change in ({PROCESSOR: "optimized"}, {COUNT: None}, {COUNT: 8}, {COUNT: 8}, {PAUSED: True}):
        for key, value in change.items():
            board.check(key, value)
        board.apply(change)
    assert told == ["optimized", None, 8, True], "each change once"
    choices = {t["key"]: t["choices"] for t in board.all()}
    assert choices[PROCESSOR] == ("optimized", "standard")
    assert choices[COUNT] == (None, 1, 2, 3, 4, 5, 6, 7, 8)
    assert choices[PAUSED] == choices["processor.order_book"] == ()


def test_a_stored_choice_waits_for_its_part_and_an_unfit_one_is_forgotten(board: Switchboard) -> None:
    told: list[object] = []
    board.apply({PROCESSOR: "standard", COUNT: 99, PAUSED: "yes"})
    for toggle in worker_toggles(ScannerConfig()):
        board.add(toggle, told.append)
    assert told == ["standard"]
    assert [board.value(key) for key in (PROCESSOR, COUNT, PAUSED)] == ["standard", None, False]
