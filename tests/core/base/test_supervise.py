"""Tasks have an owner."""

import asyncio

import pytest

from core.base.backoff import Backoff
from core.base.errors import FatalError
from core.base.supervise import Supervisor, end

SOON = 0.001


def quick() -> Backoff:
    return Backoff(base_s=SOON, cap_s=SOON, floor_s=0)


async def test_a_task_that_fails_is_restarted_and_counted() -> None:
    supervisor, done, calls = Supervisor(), asyncio.Event(), []

    async def flaky() -> None:
        calls.append(1)
        if len(calls) < 4:
            raise RuntimeError("again")
        done.set()

    supervisor.start("flaky", flaky, quick())
    await asyncio.wait_for(done.wait(), 30)
    await asyncio.sleep(0.01)
    assert (len(calls), supervisor.restarts) == (4, {"flaky": 3})
    await supervisor.close()


async def test_a_fatal_error_is_told_and_not_retried() -> None:
    supervisor, calls = Supervisor(), []

    async def doomed() -> None:
        calls.append(1)
        raise FatalError("the data folder is gone")

    supervisor.start("doomed", doomed, quick())
    error = await asyncio.wait_for(asyncio.shield(supervisor.failed), 30)
    assert str(error) == "the data folder is gone"
    assert (calls, supervisor.restarts) == ([1], {"doomed": 0})
    await supervisor.close()


async def test_closing_cancels_all_newest_first() -> None:
    supervisor, ended = Supervisor(), []

    async def wait(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    for name in ("first", "second", "third"):
        supervisor.start(name, lambda name=name: wait(name))
    await asyncio.sleep(0)
    await supervisor.close()
    assert ended == ["third", "second", "first"]
    assert not [task for task in asyncio.all_tasks() if task.get_name() in ("first", "second", "third")]


async def test_one_can_be_stopped_and_started_again_but_not_twice_at_once() -> None:
    supervisor, starts = Supervisor(), []

    async def wait() -> None:
        starts.append(1)
        await asyncio.Event().wait()

    supervisor.start("one", wait)
    with pytest.raises(ValueError, match="one"):
        supervisor.start("one", wait)
    await asyncio.sleep(0)
    await supervisor.stop("one")
    await supervisor.stop("nobody")
    supervisor.start("one", wait)
    await asyncio.sleep(0)
    assert len(starts) == 2
    await supervisor.close()


async def test_a_task_that_forgets_its_cancellation_ends_all_the_same() -> None:
    forgotten = []

    async def forgetful() -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if len(forgotten) == 2:
                    raise
                forgotten.append(1)

    task = asyncio.create_task(forgetful())
    await asyncio.sleep(0)
    await end([task], again_s=0.01)
    assert (task.cancelled(), len(forgotten)) == (True, 2)


async def test_ending_tasks_does_not_mind_how_they_end() -> None:
    async def fail() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("at the end")

    tasks = [asyncio.create_task(fail()), asyncio.create_task(asyncio.sleep(0))]
    await asyncio.sleep(0)
    await end(tasks)
    assert isinstance(tasks[0].exception(), RuntimeError)
    await end([])
