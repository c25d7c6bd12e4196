"""The link against a real WebSocket server on loopback."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from core.base.backoff import Backoff
from core.base.clock import ManualClock, SystemClock
from core.base.errors import BadInput
from core.domain.health import LinkState
from core.venues.bad_frames import BadFrame
from core.venues.causes import Signals
from core.venues.connect_budget import ConnectBudget
from core.venues.connection import PER_TURN
from core.venues.link import Link, LinkTimes


class Recorder:
    """What a link told."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.states: list[tuple[LinkState, str]] = []
        self.fail_on: dict[bytes, Exception] = {}
        self.congested = False

    def on_frame(self, frame: bytes, recv_ns: int) -> None:
        if frame in self.fail_on:
            raise self.fail_on[frame]
        self.frames.append(frame)

    def on_state(self, state: LinkState, cause: str) -> None:
        self.states.append((state, cause))

    @property
    def causes(self) -> list[str]:
        return [cause for state, cause in self.states if state is LinkState.RECONNECTING]


@pytest.fixture
async def run_link() -> AsyncIterator[Callable[..., tuple[Link, Recorder]]]:
    """Start a link to a URL; it is cancelled at the end."""
    tasks: list[asyncio.Task[None]] = []

    def run(url: str, **options: Any) -> tuple[Link, Recorder]:
        recorder = Recorder()
        backoff = Backoff(base_s=0.01, cap_s=0.05, floor_s=0.01, rng=random.Random(0))
        link = Link(
            "test", lambda: url, recorder.on_frame, recorder.on_state, SystemClock(), backoff,
            lambda: recorder.congested, **options,
        )  # fmt: skip
        tasks.append(asyncio.create_task(link.run()))
        return link, recorder

    yield run
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def hello(socket: web.WebSocketResponse) -> None:
    await socket.send_str("hello")


async def test_states_go_from_connecting_over_syncing_to_live_with_the_first_message(
    scripted_server: Any, run_link: Any, wait_until: Any
) -> None:
    scripted_server.script = hello
    link, told = run_link(scripted_server.url)
    await wait_until(lambda: link.state is LinkState.LIVE)
    assert [state for state, _ in told.states] == [LinkState.SYNCING, LinkState.LIVE]
    assert told.frames == [b"hello"]


async def test_an_open_connection_without_a_message_is_not_live(
    scripted_server: Any, run_link: Any, wait_until: Any
) -> None:
    link, _ = run_link(scripted_server.url)
    await wait_until(lambda: link.is_open)
    await asyncio.sleep(0.1)
    assert link.state is LinkState.SYNCING


async def test_a_dropped_connection_is_made_anew_and_tells_code_1006(
    scripted_server: Any, run_link: Any, wait_until: Any
) -> None:
    scripted_server.script = hello
    link, told = run_link(scripted_server.url)
    await wait_until(lambda: link.state is LinkState.LIVE)
    scripted_server.drop_all()
    await wait_until(lambda: link.connects == 2 and link.state is LinkState.LIVE)
    assert told.causes == ["connection lost (code 1006)"]


async def test_the_venue_s_close_code_and_reason_are_the_cause(scripted_server: Any, run_link: Any, wait_until: Any) -> None:
    async def once(socket: web.WebSocketResponse) -> None:
        await socket.send_str("hello")
        if scripted_server.attempts == 1:
            await socket.close(code=1008, message=b"24 h are over")

    scripted_server.script = once
    link, told = run_link(scripted_server.url)
    await wait_until(lambda: link.connects == 2 and link.state is LinkState.LIVE)
    assert told.causes == ["connection closed by the venue (code 1008: 24 h are over)"]


async def test_a_refused_connection_is_tried_until_the_server_is_there(
    scripted_server: Any, run_link: Any, wait_until: Any
) -> None:
    scripted_server.script = hello
    await scripted_server.stop()
    link, told = run_link(scripted_server.url)
    await wait_until(lambda: "connection refused" in told.causes)
    await asyncio.sleep(0.2)
    await scripted_server.start()
    await wait_until(lambda: link.state is LinkState.LIVE)
    assert link.connects == 1


async def test_an_http_refusal_tells_the_status(scripted_server: Any, run_link: Any, wait_until: Any) -> None:
    scripted_server.refuse = (503, {})
    _, told = run_link(scripted_server.url)
    await wait_until(lambda: scripted_server.attempts >= 3)
    assert set(told.causes) <= {"", "connect refused with HTTP 503"}
    assert "connect refused with HTTP 503" in told.causes


async def test_a_ban_at_the_handshake_holds_all_connects_back(scripted_server: Any, run_link: Any, wait_until: Any) -> None:
    scripted_server.refuse = (429, {"Retry-After": "1"})
    scripted_server.script = hello
    link, _ = run_link(scripted_server.url)
    await wait_until(lambda: link.state is LinkState.BANNED)
    scripted_server.refuse = None
    await asyncio.sleep(0.6)
    assert scripted_server.attempts == 1
    await wait_until(lambda: link.state is LinkState.LIVE)


async def test_a_server_that_accepts_and_never_answers_is_given_up_in_time(run_link: Any, wait_until: Any) -> None:
    release = asyncio.Event()

    async def stay_mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    server = await asyncio.start_server(stay_mute, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    _, told = run_link(f"ws://127.0.0.1:{port}/", times=LinkTimes(connect_s=0.2))
    await wait_until(lambda: told.causes)
    release.set()
    server.close()
    assert told.causes[0] == "connect timed out after 0.2 s"


async def test_a_server_that_hangs_up_during_the_handshake_is_tried_again(run_link: Any, wait_until: Any) -> None:
    calls = 0

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    link, told = run_link(f"ws://127.0.0.1:{port}/")
    await wait_until(lambda: calls >= 3)
    server.close()
    assert link.connects == 0
    assert told.causes[0] == "connect failed: the venue hung up during the handshake"


async def test_a_server_that_goes_silent_is_left(scripted_server: Any, run_link: Any, wait_until: Any) -> None:
    scripted_server.script = hello
    link, told = run_link(scripted_server.url, times=LinkTimes(idle_s=0.3))
    await wait_until(lambda: link.connects >= 2)
    assert told.causes[0] == "no message for 0 s"


async def test_fragments_are_put_together(scripted_server: Any, run_link: Any, wait_until: Any) -> None:
    async def fragments(socket: web.WebSocketResponse) -> None:
        transport = socket._req.transport
        transport.write(b"\x01\x03abc" + b"\x89\x01p" + b"\x00\x03def" + b"\x80\x03ghi" + b"\x81\x04next")

    scripted_server.script = fragments
    _, told = run_link(scripted_server.url)
    await wait_until(lambda: len(told.frames) == 2)
    assert told.frames == [b"abcdefghi", b"next"]


async def test_a_ten_megabyte_message_is_counted_and_the_connection_stays(
    scripted_server: Any, run_link: Any, wait_until: Any
) -> None:
    async def huge(socket: web.WebSocketResponse) -> None:
        await socket.send_str("x" * 10_000_000)
        await socket.send_str("after")

    scripted_server.script = huge
    link, told = run_link(scripted_server.url)
    await wait_until(lambda: told.frames == [b"after"])
    assert (link.connects, link.bad.kinds) == (1, {"oversized": 1})


async def test_a_message_of_many_fragments_above_the_limit_is_counted_and_the_connection_stays(
    scripted_server: Any, run_link: Any, wait_until: Any
) -> None:
    async def huge(socket: web.WebSocketResponse) -> None:
        transport = socket._req.transport
        body = b"x" * 60_000
        head = len(body).to_bytes(2, "big")
        transport.write(b"\x01\x7e" + head + body)
        for _ in range(20):
            transport.write(b"\x00\x7e" + head + body)
        transport.write(b"\x80\x01x" + b"\x81\x05after")

    scripted_server.script = huge
    link, told = run_link(scripted_server.url)
    await wait_until(lambda: told.frames == [b"after"])
    assert (link.connects, link.bad.kinds) == (1, {"oversized": 1})


async def test_a_handler_that_raises_ends_nothing(scripted_server: Any, run_link: Any, wait_until: Any) -> None:
    async def garbage(socket: web.WebSocketResponse) -> None:
        for text in ("bad price", "odd", "crash", "crash", "good"):
            await socket.send_str(text)

    scripted_server.script = garbage
    link, told = run_link(scripted_server.url)
    told.fail_on = {
        b"bad price": BadFrame("price", "price is -1"),
        b"odd": BadInput("odd"),
        b"crash": ZeroDivisionError("a fault of ours"),
    }
    await wait_until(lambda: told.frames == [b"good"])
    assert (link.connects, link.bad.kinds) == (1, {"price": 1, "BadInput": 1, "ZeroDivisionError": 2})


async def test_pings_are_answered(scripted_server: Any, run_link: Any, wait_until: Any) -> None:
    pongs: list[bytes] = []

    async def ping(socket: web.WebSocketResponse) -> None:
        socket._autoping = False
        await socket.ping(b"42")
        message = await socket.receive()
        if message.type is WSMsgType.PONG:
            pongs.append(bytes(message.data))

    scripted_server.script = ping
    run_link(scripted_server.url)
    await wait_until(lambda: pongs == [b"42"])


async def test_a_ping_of_ours_is_answered_apart_from_data(scripted_server: Any, run_link: Any, wait_until: Any) -> None:
    scripted_server.script = hello
    link, _ = run_link(scripted_server.url)
    await wait_until(lambda: link.state is LinkState.LIVE)
    assert link.pong_ns == 0
    link.ping()
    await wait_until(lambda: link.pong_ns > link.last_message_ns)


async def test_a_tap_hears_every_message_first_also_one_that_cannot_be_used(
    scripted_server: Any, run_link: Any, wait_until: Any
) -> None:
    async def both(socket: web.WebSocketResponse) -> None:
        await socket.send_str("bad")
        await socket.send_str("good")

    scripted_server.script = both
    link, told = run_link(scripted_server.url)
    told.fail_on = {b"bad": BadFrame("price", "price is -1")}
    heard: list[bytes] = []
    link.tap(lambda payload, recv_ns: heard.append(payload))
    await wait_until(lambda: told.frames == [b"good"])
    assert heard == [b"bad", b"good"]


async def test_the_end_of_a_connection_is_told_in_signals(scripted_server: Any, run_link: Any, wait_until: Any) -> None:
    scripted_server.script = hello
    link, told = run_link(scripted_server.url)
    await wait_until(lambda: link.state is LinkState.LIVE)
    scripted_server.drop_all()
    await wait_until(lambda: told.causes)
    assert (link.signals.reset, link.signals.close_code, link.signals.disconnected) == (True, 1006, True)
    await wait_until(lambda: link.state is LinkState.LIVE)
    link.reconnect("all channels silent", Signals(silent_s=6.0, ping_answered=False))
    await wait_until(lambda: len(told.causes) == 2)
    assert (link.signals.silent_s, link.signals.ping_answered, link.signals.close_code) == (6.0, False, 0)
    await wait_until(lambda: link.state is LinkState.LIVE)
    scripted_server.refuse = (451, {})
    scripted_server.drop_all()
    await wait_until(lambda: link.signals.http_status == 451)
    await scripted_server.stop()
    await wait_until(lambda: link.signals.refused)


async def test_nothing_is_read_while_the_stream_is_congested_and_nothing_is_lost(
    scripted_server: Any, run_link: Any, wait_until: Any
) -> None:
    sent = 0

    async def flood(socket: web.WebSocketResponse) -> None:
        nonlocal sent
        for number in range(20_000):
            await socket.send_str(f"{number:>1000}")
            sent += 1

    scripted_server.script = flood
    link, told = run_link(scripted_server.url)
    told.congested = True
    await wait_until(lambda: link.paused)
    await asyncio.sleep(0.3)
    read_while_paused = len(told.frames)
    assert read_while_paused < 5_000
    assert sent < 20_000, "the venue should have felt that nobody reads"
    told.congested = False
    await wait_until(lambda: len(told.frames) == 20_000, within_s=10)
    assert [int(frame) for frame in told.frames] == list(range(20_000))
    assert link.pauses >= 1


async def test_what_piled_up_is_handed_on_in_portions_that_leave_consumers_their_turns(
    scripted_server: Any, run_link: Any, wait_until: Any
) -> None:
    """Behind a stall a single read brings thousands of messages; a mailbox must not get them all before it is emptied."""
    sent = 0

    async def flood(socket: web.WebSocketResponse) -> None:
        nonlocal sent
        await socket.send_str("0")
        await wait_until(lambda: link.paused)
        for number in range(1, 20_000):
            await socket.send_str(str(number))
            sent += 1
        await socket.close()

    scripted_server.script = flood
    link, told = run_link(scripted_server.url)
    told.congested = True
    await wait_until(lambda: sent == 19_999)
    assert len(told.frames) == 1
    turns: list[int] = []
    told.congested = False
    while link.connects == 1 and link.state is LinkState.LIVE:
        before = len(told.frames)
        await asyncio.sleep(0)
        turns.append(len(told.frames) - before)
    assert max(turns) <= 2 * PER_TURN, "a turn of the loop between two of ours may hold the end of one read and a portion"
    assert [int(frame) for frame in told.frames] == list(range(20_000)), "also what came with the end of the connection"
    assert told.causes == ["connection closed by the venue (code 1000)"]


async def test_renewal_makes_the_new_connection_before_it_breaks_the_old(
    scripted_server: Any, run_link: Any, wait_until: Any
) -> None:
    """The old connection must be read until the new one has proven itself: nothing that either was sent may be missing."""
    numbers = iter(range(1_000_000))
    latest = 0

    async def tick(socket: web.WebSocketResponse) -> None:
        with contextlib.suppress(ConnectionError):
            while not socket.closed:
                await socket.send_str(str(latest))
                await asyncio.sleep(0.002)

    async def count() -> None:
        nonlocal latest
        while True:
            latest = next(numbers)
            await asyncio.sleep(0.01)

    scripted_server.script = tick
    counting = asyncio.create_task(count())
    link, told = run_link(scripted_server.url)
    try:
        await wait_until(lambda: link.state is LinkState.LIVE)
        for done in range(1, 6):
            link.renew("serverShutdown")
            await wait_until(lambda done=done: link.renewals == done)
            await asyncio.sleep(0.05)
    finally:
        counting.cancel()
    seen = {int(frame) for frame in told.frames}
    assert seen >= set(range(min(seen), max(seen)))
    assert told.causes == []
    assert link.connects == 6


async def test_a_renewal_that_fails_keeps_the_old_connection(scripted_server: Any, run_link: Any, wait_until: Any) -> None:
    scripted_server.script = hello
    link, told = run_link(scripted_server.url)
    await wait_until(lambda: link.state is LinkState.LIVE)
    scripted_server.refuse = (503, {})
    link.renew("serverShutdown")
    await wait_until(lambda: scripted_server.attempts == 2)
    await asyncio.sleep(0.1)
    assert link.is_open
    assert told.causes == []
    await scripted_server.sockets[0].send_str("still here")
    await wait_until(lambda: told.frames[-1] == b"still here")


async def test_an_aged_connection_is_renewed_by_itself(scripted_server: Any, run_link: Any, wait_until: Any) -> None:
    scripted_server.script = hello
    link, told = run_link(scripted_server.url, times=LinkTimes(renew_s=0.2, renew_jitter_s=0.05))
    await wait_until(lambda: link.renewals >= 2)
    assert told.causes == []


async def test_two_hundred_refusals_do_not_end_it(scripted_server: Any, run_link: Any, wait_until: Any) -> None:
    """With the budget spent, attempts go on at the pace that the budget gives back."""
    scripted_server.refuse = (503, {})
    clock = SystemClock()
    link, _ = run_link(scripted_server.url, budget=ConnectBudget(clock, limit=20, period_s=0.5))
    await wait_until(lambda: scripted_server.attempts >= 20)
    scripted_server.refuse = None
    scripted_server.script = hello
    await wait_until(lambda: link.state is LinkState.LIVE)
    assert link.connects == 1


def test_the_budget_allows_its_limit_in_any_period_whenever_it_is_asked() -> None:
    clock = ManualClock()
    budget = ConnectBudget(clock, limit=30, period_s=300)
    spent: list[int] = []
    rng = random.Random(4)
    for _ in range(4_000):
        if budget.wait_s() == 0:
            budget.spend()
            spent.append(clock.monotonic_ns())
        clock.advance(rng.choice((0.0, 0.01, 0.5, 3.0)))
    most = max(sum(1 for at in spent if begin <= at < begin + 300 * 10**9) for begin in spent)
    assert most <= 28
    assert len(spent) > 28 * clock.monotonic_ns() / 300e9 * 0.6


def test_a_storm_leaves_connects_for_the_end_of_the_outage() -> None:
    clock = ManualClock()
    budget = ConnectBudget(clock, limit=300, period_s=300)
    while budget.wait_s() == 0:
        budget.spend()
    assert budget.used == 95
    assert budget.wait_s() == pytest.approx(300 / 190)
    clock.advance(1.6)
    assert budget.wait_s() == 0


async def test_a_cancelled_link_closes_its_connection(scripted_server: Any, wait_until: Any) -> None:
    scripted_server.script = hello
    told = Recorder()
    link = Link("test", lambda: scripted_server.url, told.on_frame, told.on_state, SystemClock())
    task = asyncio.create_task(link.run())
    await wait_until(lambda: link.state is LinkState.LIVE)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert told.states[-1] == (LinkState.STOPPED, "stopped")
    await wait_until(lambda: scripted_server.sockets[0].closed)


async def test_a_link_cancelled_while_its_connection_opens_leaves_none_behind(scripted_server: Any, wait_until: Any) -> None:
    def cancel_once_open(state: LinkState, cause: str) -> None:
        if state is LinkState.SYNCING:  # whoever waits for the opening has not had its turn yet
            task.cancel()

    link = Link("test", lambda: scripted_server.url, lambda *_: None, cancel_once_open, SystemClock())
    task = asyncio.create_task(link.run())
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert link.state is LinkState.STOPPED
    await wait_until(lambda: scripted_server.sockets and scripted_server.sockets[0].closed)
