"""The server as a process: its first line, its ends, and the very same market after a restart."""

import asyncio
import signal
from pathlib import Path

import aiohttp


async def get(port: int, path: str) -> object:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/api/v3/{path}") as answer:
        return await answer.json()


async def test_a_killed_server_goes_on_on_the_same_port_with_the_very_same_market(start_process) -> None:
    first = await start_process("--seed", "3", "--rate", "5")
    port = first.hello["port"]
    assert first.hello == {"port": port, "streams": None, "symbols": ["ETHUSDT", "BTCUSDT"]}
    async with aiohttp.ClientSession() as session:
        streamed = []
        async with session.ws_connect(f"http://127.0.0.1:{port}/ws/ethusdt@trade") as ws:
            while len(streamed) < 30:
                streamed.append(await ws.receive_json(timeout=30))
            since = streamed[0]["t"] - 900
            before = await get(port, f"historicalTrades?symbol=ETHUSDT&fromId={since}&limit=900")
            end = before[-1]["time"]
            path = f"klines?symbol=ETHUSDT&interval=1s&startTime={end - 60_000}&endTime={end - 1_000}"
            bars = await get(port, path)
            first.process.kill()
            await first.process.wait()
        second = await start_process("--seed", "3", "--rate", "5", "--port", str(port))
        assert second.hello["port"] == port
        assert await get(port, f"historicalTrades?symbol=ETHUSDT&fromId={since}&limit=900") == before
        assert await get(port, path) == bars
        # what was streamed before, what was missed, and what is streamed now join without a gap
        async with session.ws_connect(f"http://127.0.0.1:{port}/ws/ethusdt@trade") as ws:
            after = await ws.receive_json(timeout=30)
        missed = await get(port, f"historicalTrades?symbol=ETHUSDT&fromId={streamed[0]['t']}&limit=1000")
        ids = [t["id"] for t in missed]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        told = {t["id"]: (t["price"], t["qty"], t["time"]) for t in missed}
        assert all(told[t["t"]] == (t["p"], t["q"], t["T"]) for t in streamed)
        assert after["t"] > streamed[-1]["t"]


async def test_it_ends_quickly_on_sigterm_even_with_clients(start_process) -> None:
    server = await start_process()
    url = f"http://127.0.0.1:{server.hello['port']}/ws/ethusdt@depth@100ms"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as ws:
        await ws.receive_str(timeout=30)
        server.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(server.process.wait(), 30) == 0


async def test_it_ends_when_its_parent_is_gone(start_process) -> None:
    server = await start_process("--parent-pipe")
    server.process.stdin.close()
    assert await asyncio.wait_for(server.process.wait(), 30) == 0


async def test_without_the_option_a_closed_stdin_means_nothing(start_process) -> None:
    server = await start_process()
    server.process.stdin.close()
    assert await get(server.hello["port"], "ping") == {}


async def test_a_port_in_use_and_an_unusable_recording_end_with_one_line(start_process, tmp_path: Path) -> None:
    server = await start_process()
    bad = tmp_path / "bad.jsonl"
    bad.write_text("nothing of use\n")
    for arguments, word in (
        (["--port", str(server.hello["port"])], "cannot listen"),
        (["--replay", str(bad)], "no usable frame"),
        (["--replay", str(tmp_path / "missing")], "cannot read"),
        (["--rate", "0"], "--rate"),
    ):
        failed = await start_process(*arguments)
        _, errors = await asyncio.wait_for(failed.process.communicate(), 30)
        assert failed.process.returncode == 2
        lines = [line for line in errors.decode().splitlines() if " WARNING " not in line]
        assert len(lines) == 1
        assert word in lines[0]


async def test_a_replay_says_which_streams_it_has(start_process, recordings) -> None:
    server = await start_process("--replay", *map(str, recordings), "--speed", "0")
    assert set(server.hello["symbols"]) == {"ETHUSDT", "BTCUSDT"}
    assert sorted(server.hello["streams"])[0] == "btcusdt@bookTicker"
    assert len(server.hello["streams"]) == 6
