"""The disk spool: order, kill -9, damage, its bound and a full disk."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.storage.spool import Spool, SpoolFull

ROOT = Path(__file__).resolve().parents[3]


def opened(folder: Path, limit_bytes: int = 1_000_000, segment_bytes: int = 200) -> Spool:
    spool = Spool(folder, limit_bytes, segment_bytes)
    spool.open()
    return spool


def drain(spool: Spool, limit_bytes: int = 1) -> list[bytes]:
    taken: list[bytes] = []
    while records := spool.peek(limit_bytes):
        taken += records
        spool.advance(len(records))
    return taken


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.seg"))


STEPS = st.lists(st.one_of(st.binary(max_size=150), st.integers(1, 400), st.just("reopen")), max_size=40)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_it_is_a_queue_whatever_is_appended_taken_and_reopened(
    steps: list[object], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spool = opened(folder)
    expected: list[bytes] = []
    for step in steps:
        if isinstance(step, bytes):
            spool.append(step)
            expected.append(step)
        elif isinstance(step, int):
            records = spool.peek(step)
            assert records == expected[: len(records)]
            assert bool(records) == bool(expected)
            spool.advance(len(records)) if records else None
            del expected[: len(records)]
        else:
            # a segment taken in part comes again from its start: only what follows is promised
            spool.close()
            spool = opened(folder)
            everything = drain(opened(folder))
            assert everything[len(everything) - len(expected) :] == expected
            expected = []
            spool = opened(folder)
        assert spool.empty == (not expected)
    assert drain(spool) == expected
    assert spool.damaged == 0
    assert not segments(folder)
    assert spool.size == 0


def test_records_survive_a_kill_between_appends_and_the_torn_one_is_cut(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from core.storage.spool import Spool\n"
        "spool = Spool(Path(sys.argv[1]), 10_000_000); spool.open()\n"
        "for i in range(20): spool.append(b'%06d' % i * 10)\n"
        "os.write(spool._fd, b''); os.pwrite(spool._fd, b'\\x3c\\0\\0\\0half', spool._segments[spool._writing])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert killed.returncode == -9
    spool = opened(tmp_path)
    spool.append(b"after")
    assert drain(spool) == [b"%06d" % i * 10 for i in range(20)] + [b"after"]
    assert spool.damaged == 0


@pytest.mark.parametrize("cut", range(1, 20))
def test_a_file_cut_anywhere_in_its_last_record_loses_only_that(tmp_path: Path, cut: int) -> None:
    spool = opened(tmp_path, segment_bytes=10_000)
    for i in range(3):
        spool.append(b"record %03d  " % i)
    spool.close()
    (path,) = segments(tmp_path)
    os.truncate(path, path.stat().st_size - cut)
    assert drain(opened(tmp_path)) == [b"record %03d  " % i for i in range(2)]


def test_a_flipped_bit_is_detected_counted_and_costs_one_record(tmp_path: Path) -> None:
    spool = opened(tmp_path, segment_bytes=10_000)
    for i in range(5):
        spool.append(b"record %d" % i)
    spool.close()
    (path,) = segments(tmp_path)
    data = bytearray(path.read_bytes())
    data[data.index(b"record 2")] ^= 1
    path.write_bytes(data)
    spool = opened(tmp_path)
    assert drain(spool) == [b"record %d" % i for i in (0, 1, 3, 4)]
    assert spool.damaged == 1


@pytest.mark.parametrize("whole_read", [1, 10_000])
def test_a_damaged_length_ends_its_segment_and_the_next_one_goes_on(tmp_path: Path, whole_read: int) -> None:
    spool = opened(tmp_path, segment_bytes=50)
    for i in range(10):
        spool.append(b"record %d" % i)
    spool.close()
    first = segments(tmp_path)[0]
    data = bytearray(first.read_bytes())
    position = data.index(b"record 1") - 8
    data[position : position + 4] = b"\xff\xff\xff\x7f"
    first.write_bytes(data)
    spool = opened(tmp_path)
    taken = drain(spool, whole_read)
    assert taken[0] == b"record 0"
    assert taken[-1] == b"record 9"
    assert b"record 1" not in taken
    assert spool.damaged == 1
    assert spool.empty


def test_a_file_that_is_no_segment_is_counted_and_removed(tmp_path: Path) -> None:
    (tmp_path / "0000000001.seg").write_bytes(b"something else entirely")
    (tmp_path / "note.txt").write_text("kept")
    spool = opened(tmp_path)
    spool.append(b"new")
    assert drain(spool) == [b"new"]
    assert spool.damaged == 1
    assert (tmp_path / "note.txt").exists()


def test_its_bound_holds_and_taking_makes_room(tmp_path: Path) -> None:
    spool = opened(tmp_path, limit_bytes=1_000, segment_bytes=300)
    count = 0
    with contextlib.suppress(SpoolFull):
        while count < 100:
            spool.append(b"x" * 100)
            count += 1
    assert 3 < count < 10
    assert sum(path.stat().st_size for path in segments(tmp_path)) <= 1_000
    records = spool.peek(10_000)
    spool.advance(len(records))
    spool.append(b"y" * 100)
    assert drain(spool) == [b"x" * 100] * (count - len(records)) + [b"y" * 100]


def test_a_full_disk_leaves_it_as_it_was_and_it_goes_on_when_there_is_room(tmp_path: Path) -> None:
    script = (
        "import resource, sys; from pathlib import Path; from core.storage.spool import Spool\n"
        "spool = Spool(Path(sys.argv[1]), 10_000_000); spool.open(); n = 0\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))\n"
        "try:\n"
        "    while True: spool.append(b'%03d' % n * 50); n += 1\n"
        "except OSError: pass\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "spool.append(b'room again'); print(n)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    written = int(run.stdout)
    assert written > 2
    spool = opened(tmp_path)
    assert drain(spool) == [b"%03d" % i * 50 for i in range(written)] + [b"room again"]
    assert spool.damaged == 0


def test_a_peek_takes_nothing(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.append(b"a")
    spool.append(b"b")
    assert spool.peek(1) == [b"a"]
    assert spool.peek(1_000) == [b"a", b"b"]
    spool.advance(1)
    assert spool.peek(1_000) == [b"b"]
