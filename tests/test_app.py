"""The process that `make run` starts, from outside."""

import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil


def ends_with_one_line(app: Any, pattern: str) -> None:
    """The app ends by itself, with a code that is not 0, and says why in one line."""
    assert app.process.wait(30) != 0
    lines = [line for line in app.log.read_text().splitlines() if line.startswith("quintet: ")]
    assert len(lines) == 1, app.tail()
    assert re.search(pattern, lines[0]), lines[0]
    assert "Traceback" not in app.tail()


def test_the_app_starts_serves_and_leaves_nothing_behind(start_app: Callable[..., Any]) -> None:
    app = start_app("--market", "simulated")
    app.wait_live()
    children = psutil.Process(app.process.pid).children(recursive=True)
    assert {"postgres", "valkey-server"} <= {c.name() for c in children}
    assert {s["state"] for s in app.series().values()} == {"LIVE"}
    assert app.get("/health") == (200, {"status": "ok"})
    code = app.stop()
    assert code in (0, 143, -15), app.tail()
    _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []
    assert "Traceback" not in app.tail()


def test_a_port_in_use_is_told_in_one_line(start_app: Callable[..., Any], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        app = start_app("--market", "simulated", "--port", str(port))
        ends_with_one_line(app, rf"cannot listen on 127.0.0.1 port {port}")
    assert not (tmp_path / "data" / "postgres").exists()


def test_an_unreachable_database_is_told_in_one_line_without_its_password(start_app: Callable[..., Any]) -> None:
    app = start_app("--market", "simulated", DATABASE_URL="postgresql://me:sesame-open@127.0.0.1:9/db")
    ends_with_one_line(app, "DATABASE_URL|[Pp]ostgres")
    assert "sesame-open" not in app.log.read_text()


def test_a_public_host_without_a_password_is_refused(start_app: Callable[..., Any]) -> None:
    ends_with_one_line(start_app("--host", "0.0.0.0"), "ADMIN_PASSWORD and SECRET_KEY")


def test_a_replay_of_a_file_that_is_no_recording_is_told_in_one_line(start_app: Callable[..., Any], tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.jsonl"
    nonsense.write_text("this is no recording\n")
    ends_with_one_line(start_app("--market", "replay", "--replay", str(nonsense)), "replay|recording|frame")


def test_a_data_dir_that_is_a_file_is_told_in_one_line(start_app: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "data").write_text("I am a file")
    ends_with_one_line(start_app("--market", "simulated"), re.escape(str(tmp_path / "data")))


def test_a_second_app_on_the_same_data_dir_is_refused(start_app: Callable[..., Any]) -> None:
    first = start_app("--market", "simulated")
    first.wait_ready()
    ends_with_one_line(start_app("--market", "simulated"), str(first.process.pid))


def test_after_kill_9_the_next_start_works_and_keeps_what_was_stored(start_app: Callable[..., Any]) -> None:
    app = start_app("--market", "simulated")
    app.wait_ready()
    app.wait_for("stored rows", lambda: app.get("/api/v1/storage")[1]["rows_written"] > 50)
    assert app.patch_settings({"processor.bar_reconciliation": False}) == 200
    app.process.kill()
    app.process.wait()
    again = start_app("--market", "simulated")
    again.wait_ready()
    assert again.toggles()["processor.bar_reconciliation"] is False
