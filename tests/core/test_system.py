"""All parts together in this process, without the web."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.base.errors import FatalError
from core.base.settings import Settings
from core.stream.messages import DataType, Message
from core.switchboard import LockedToggle
from core.system import System
from tests.patience import wait_until


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    system = System(Settings(market="simulated", data_dir=tmp_path_factory.mktemp("system")))
    system.start()
    yield system
    system.stop()


def toggles(system: System) -> dict[str, bool]:
    return {t["key"]: t["value"] for t in asyncio.run(system.toggles())}


def test_all_components_become_well(system: System) -> None:
    wait_until(lambda: set(system.components().values()) == {"ok"})
    assert [s["rows"] >= 1_500 for s in system.stream.series_summary()] == [True] * 5
    assert {m["name"]: m["ok"] for m in system.slo()}["Bars equal to the venue's own"] in (True, None)
    wait_until(lambda: {s["stage"] for s in system.stages()} >= {"receive → parsed", "parsed → published"})


def test_a_consumer_that_comes_later_gets_a_switch_and_obeys_it(system: System) -> None:
    seen: list[Message] = []

    async def handle(messages: Any) -> None:
        seen.extend(messages)

    subscription = system.stream.register_consumer("late", {DataType.TICKS}, handle)
    wait_until(lambda: seen)
    wait_until(lambda: "consumer.late" in toggles(system))
    asyncio.run(system.set_toggle("consumer.late", False, "tester"))
    seen.clear()
    count = system.totals()["trades"]
    wait_until(lambda: system.totals()["trades"] > count + 20)
    assert len(seen) <= 20, "what was in its mailbox when it was switched off, at most"
    before = len(seen)
    wait_until(lambda: system.totals()["trades"] > count + 60)
    assert len(seen) == before
    asyncio.run(system.set_toggle("consumer.late", True, "tester"))
    wait_until(lambda: len(seen) > before)
    subscription.close()
    audit = asyncio.run(system.settings_audit(10))
    assert [(e["key"], e["who"], e["new"]) for e in audit[:2]] == [
        ("consumer.late", "tester", True),
        ("consumer.late", "tester", False),
    ]


def test_a_change_made_in_the_database_takes_effect_by_itself(system: System) -> None:
    assert system._store is not None
    system._store.set("processor.order_book", False, "somebody else")
    wait_until(lambda: system.stream.book("ETHUSDT") is None, 4)
    system._store.set("processor.order_book", True, "somebody else")
    wait_until(lambda: system.stream.book("ETHUSDT") is not None, 10)


def test_a_switch_that_is_unknown_or_locked_changes_nothing(system: System) -> None:
    wait_until(lambda: "consumer.storage" in toggles(system))
    before = toggles(system)
    with pytest.raises(KeyError):
        asyncio.run(system.set_toggle("consumer.nobody", False, "tester"))
    with pytest.raises(TypeError):
        asyncio.run(system.set_toggle("processor.order_book", "off", "tester"))
    system.stream.register_consumer("dashboard", {DataType.UI_DATA})
    wait_until(lambda: "consumer.dashboard" in toggles(system))
    with pytest.raises(LockedToggle):
        asyncio.run(system.set_toggle("consumer.dashboard", False, "tester"))
    assert toggles(system).items() >= before.items()


def test_a_start_that_fails_leaves_nothing_running(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.jsonl"
    nonsense.write_text("no frame\n")
    system = System(Settings(market="replay", replay=(nonsense,), data_dir=tmp_path / "data"))
    with pytest.raises(FatalError, match="replay did not start"):
        system.start()
    again = System(Settings(market="simulated", data_dir=tmp_path / "data"))
    again.start()
    again.stop()


def test_a_stop_in_the_middle_of_the_preparations_leaves_nothing_running(tmp_path: Path) -> None:
    settings = Settings(market="simulated", data_dir=tmp_path / "data")
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    system = System(settings)
    system.prepare()
    system.stop()
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before
    again = System(settings)
    again.prepare()
    again.start()
    again.stop()
