import pytest

from core.switchboard import LockedToggle, Switchboard


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
