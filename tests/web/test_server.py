"""The server's life: start, stop, failure, and the page it serves."""

import asyncio
import logging
import re
from typing import Any

import httpx
import pytest
import uvicorn

from core.system import FatalError
from web.paths import KnownPaths
from web.security.headers import inline_script_hashes
from web.server import create_server


def test_the_system_starts_and_stops_with_the_server(make_server: Any):
    server = make_server()
    assert server.system.started
    assert [c["name"] for c in server.system.stream.consumers()] == ["dashboard"]
    server.stop()
    assert server.system.stopped
    assert server.system.stream.consumers() == []


def test_a_system_that_cannot_start_is_told_in_one_line(shared_server: Any, caplog: pytest.LogCaptureFixture):
    system = type(shared_server.system)(shared_server.system.settings, shared_server.system.clock)

    def refuse() -> None:
        raise FatalError("DATABASE_URL: connection refused")

    system.start = refuse
    config = uvicorn.Config(create_server(system), port=0, lifespan="on", log_config=None)
    with caplog.at_level(logging.ERROR), pytest.raises(SystemExit) as ended:
        asyncio.run(uvicorn.Server(config).serve())
    assert ended.value.code == 3
    messages = [record.getMessage() for record in caplog.records if record.name == "uvicorn.error"]
    assert messages == ["DATABASE_URL: connection refused", "Application startup failed. Exiting."]
    assert not any(record.exc_info for record in caplog.records)


def test_an_engine_that_cannot_go_on_is_reported_once(server: Any, eventually: Any):
    server.system.fatal_error = "the disk is gone"
    server.system.fatal.set()
    eventually(lambda: server.fatal)
    assert server.fatal == ["the disk is gone"]


async def test_a_name_that_is_not_localhosts_is_answered_only_where_it_is_allowed(shared_server: Any):
    system = type(shared_server.system)(shared_server.system.settings, shared_server.system.clock)
    for extra_hosts, status in (((), 403), ({"testserver"}, 200)):
        transport = httpx.ASGITransport(create_server(system, extra_hosts=extra_hosts))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            assert (await client.get("/health")).status_code == status


def test_every_inline_script_of_the_page_is_in_the_policy(shared_server: Any):
    with shared_server.client() as client:
        page = client.get("/")
    hashes = inline_script_hashes(page.text)
    assert hashes, "Dash starts its renderer by an inline script"
    policy = page.headers["content-security-policy"]
    assert all(each in policy for each in hashes)
    assert "_dash-config" in page.text
    for source in re.findall(r'<script[^>]+src="([^"]+)"', page.text):
        assert source.startswith("/"), source


def test_only_scripts_that_run_are_hashed():
    page = (
        '<script type="application/json">{"a": 1}</script><script src="/x.js"></script><SCRIPT>a &amp; b()</SCRIPT>'
        '<script type="module">c()</script><script>a &amp; b()</script>'
    )
    assert len(inline_script_hashes(page)) == 2
    # printf 'a()' | openssl dgst -sha256 -binary | base64
    assert inline_script_hashes("<script>a()</script>") == ["'sha256-qVpDBgj7bpq5hMAcGp3AOc79J3Y1Z4HvySTwKrWDoy4='"]


def test_pages_with_variables_in_their_path_are_known():
    known = KnownPaths(["/health"])
    known.add_pages(
        [
            {"module": "pages.market", "path": "/market/none", "path_template": "/market/<instrument>"},
            {"module": "pages.not_found_404", "path": "/not-found-404", "path_template": None},
        ]
    )
    assert known("/health")
    assert known("/market/ETHUSDT")
    assert known("/assets/live.js")
    for path in ("/market/a/b", "/market/", "/not-found-404", "/healthy", "/assets", ""):
        assert not known(path), path
