"""Cores, workers, processes."""

from pathlib import Path

import pytest

from core.workers.core_counts import (
    Cores,
    apple_cores,
    cgroup_cores,
    core_kind,
    layout,
    machine_cores,
    process_count,
    usable_cores,
    worker_count,
)


@pytest.mark.parametrize(("cores", "workers"), [(1, 5), (2, 5), (7, 5), (8, 6), (10, 7), (12, 8), (64, 8)])
def test_seventy_percent_of_the_cores_five_to_eight(cores: int, workers: int) -> None:
    assert worker_count(cores) == workers


@pytest.mark.parametrize("workers", range(1, 9))
@pytest.mark.parametrize("cores", [1, 2, 4, 10])
def test_every_worker_is_in_one_process(workers: int, cores: int) -> None:
    processes = layout(workers, process_count(workers, cores))
    assert sorted(slot for slots in processes for slot in slots) == list(range(workers))
    assert all(processes)
    assert len(processes) <= cores


def test_a_process_keeps_its_workers_when_another_is_added() -> None:
    before, after = layout(5, 2), layout(6, 2)
    assert all(set(old) <= set(new) for old, new in zip(before, after, strict=True))


def test_an_m4_tells_its_two_kinds_of_cores() -> None:
    told = {
        "hw.logicalcpu": "10",
        "hw.perflevel0.logicalcpu": "4",
        "hw.perflevel1.logicalcpu": "6",
        "machdep.cpu.brand_string": "Apple M4",
    }
    cores = apple_cores(told)
    assert cores == Cores(10, 4, 6, "Apple M4")
    assert [core_kind(slot, cores) for slot in range(7)] == ["performance"] * 4 + ["efficiency"] * 3


def test_an_intel_mac_has_one_kind() -> None:
    cores = apple_cores({"hw.logicalcpu": "8", "machdep.cpu.brand_string": "Intel Core i7"})
    assert cores == Cores(8, None, None, "Intel Core i7")
    assert core_kind(0, cores) == "any"


@pytest.mark.parametrize(
    ("told", "cores"),
    [("max 100000", None), ("200000 100000", 2), ("50000 100000", 1), ("", None), ("x y", None), ("-1 100000", None)],
)
def test_a_containers_share_is_heeded(told: str, cores: int | None) -> None:
    assert cgroup_cores(told) == cores


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, None),
        ({"cpu.max": "100000 100000"}, 1),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
    ],
)
def test_both_versions_of_control_groups_are_read(tmp_path: Path, files: dict[str, str], cores: int | None) -> None:
    (tmp_path / "cpu").mkdir()
    for name, told in files.items():
        (tmp_path / name).write_text(told + "\n")
    unlimited = usable_cores(tmp_path / "nothing here")
    assert usable_cores(tmp_path) == (unlimited if cores is None else cores)


def test_this_machine_has_cores_and_a_name() -> None:
    cores = machine_cores()
    assert cores.total >= 1
    assert cores.kind
