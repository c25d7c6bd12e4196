"""Consumers do not get in each other's way."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from core.base.clock import SystemClock
from core.domain.market import BarFlag, BarUpdate, BookView, ConsolidatedBook, Quote, Trade
from core.stream.messages import DataType, Message, Policy
from core.stream.parallel_distributor import ParallelDataDistributor
from tests.patience import PATIENCE, until

Until = Callable[[Callable[[], object]], None]


def trade(number: int, recv_ns: int = 0) -> Trade:
    return Trade("ETHUSDT", number, 1, 1, number, False, recv_ns)


BAR = BarUpdate("eth_1m", (0.0, 1, 1, 1, 1, 1), BarFlag.NONE)
QUOTE = Quote("ETHUSDT", 1, 1, 2, 1, 1)
BOOK = BookView("ETHUSDT", 1, (), (), 1)
COB = ConsolidatedBook("ETHUSDT", (), (), ("binance",), None, None, None, None, (), 1)


@pytest.fixture
async def distributor() -> AsyncIterator[ParallelDataDistributor]:
    distributor = ParallelDataDistributor(SystemClock())
    distributor.attach()
    yield distributor
    await distributor.close()


def summary(distributor: ParallelDataDistributor, name: str) -> dict[str, object]:
    return next(one for one in distributor.summaries() if one["name"] == name)


@pytest.mark.parametrize(
    ("data_types", "kinds"),
    [
        ([DataType.TICKS], {Trade, Quote}),
        ([DataType.OHLCV], {BarUpdate}),
        ([DataType.COB], {ConsolidatedBook}),
        ([DataType.TRAINING_DATA], set()),
        ([DataType.UI_DATA], {Trade, Quote, BookView, BarUpdate}),
        (["ticks", "ohlcv"], {Trade, Quote, BarUpdate}),
        ([], set()),
    ],
)
async def test_a_consumer_gets_the_kinds_it_registered_for(
    distributor: ParallelDataDistributor, data_types: list[DataType], kinds: set[type]
) -> None:
    consumer = distributor.register("one", data_types)
    distributor.publish_trade(trade(1), [BAR])
    distributor.publish(Quote, (QUOTE,))
    distributor.publish(BookView, (BOOK,))
    distributor.publish(ConsolidatedBook, (COB,))
    distributor.publish(BarUpdate, (BAR,))
    messages = consumer.take()
    assert {type(message) for message in messages} == kinds
    assert sum(isinstance(message, BarUpdate) for message in messages) in (0, 2)


async def test_a_handler_that_blocks_and_one_that_raises_delay_nobody(distributor: ParallelDataDistributor) -> None:
    release = threading.Event()
    got: dict[str, list[int]] = {"task": [], "thread": []}

    def blocks(_: Sequence[Message]) -> None:
        release.wait(20)

    def raises(_: Sequence[Message]) -> None:
        raise RuntimeError("no luck")

    async def raises_too(_: Sequence[Message]) -> None:
        raise RuntimeError("no luck either")

    async def waits(_: Sequence[Message]) -> None:
        await asyncio.sleep(20)

    async def task(messages: Sequence[Message]) -> None:
        got["task"] += [message.trade_id for message in messages if isinstance(message, Trade)]

    def thread(messages: Sequence[Message]) -> None:
        got["thread"] += [message.trade_id for message in messages if isinstance(message, Trade)]

    for handler in (blocks, raises, raises_too, waits, task, thread):
        distributor.register(handler.__name__, [DataType.TICKS], handler, bound=100)
    began = time.monotonic()
    for number in range(500):
        distributor.publish_trade(trade(number), [])
        if number % 50 == 0:
            await until(lambda: len(got["task"]) == len(got["thread"]) == number + 1)  # noqa: B023
    await until(lambda: len(got["task"]) == len(got["thread"]) == 500)
    assert time.monotonic() - began < 5 * PATIENCE
    assert got["task"] == got["thread"] == list(range(500))
    assert summary(distributor, "raises")["errors"] == distributor.errors - summary(distributor, "raises_too")["errors"] > 0  # type: ignore[operator]
    assert summary(distributor, "raises")["last_error"] == "RuntimeError: no luck"
    for stuck in ("blocks", "waits"):
        assert summary(distributor, stuck)["queue"] == 100
        assert summary(distributor, stuck)["dropped"] >= 300  # type: ignore[operator]
    release.set()


async def test_a_slow_lossless_consumer_holds_up_the_sender_and_gets_everything(
    distributor: ParallelDataDistributor,
) -> None:
    got: list[int] = []

    def slow(messages: Sequence[Message]) -> None:
        threading.Event().wait(0.005)
        got.extend(message.trade_id for message in messages if isinstance(message, Trade))

    consumer = distributor.register("slow", [DataType.TICKS], slow, policy=Policy.LOSSLESS, bound=100)
    longest, pauses = 0, 0
    for number in range(3_000):
        if distributor.congested:
            pauses += 1
            await asyncio.wait_for(distributor.drained(), 10)
        distributor.publish_trade(trade(number), [])
        longest = max(longest, len(consumer.mailbox))
    await until(lambda: len(got) == 3_000)
    assert got == list(range(3_000))
    assert longest <= 101
    assert pauses > 5
    assert summary(distributor, "slow")["dropped"] == 0


@pytest.mark.parametrize("how", ["disable", "unregister"])
async def test_a_congested_consumer_that_goes_away_holds_up_nobody(distributor: ParallelDataDistributor, how: str) -> None:
    distributor.register("stuck", [DataType.TICKS], policy=Policy.LOSSLESS, bound=1)
    distributor.publish_trade(trade(1), [])
    distributor.publish_trade(trade(2), [])
    waiting = asyncio.create_task(distributor.drained())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    remove = distributor.unregister if how == "unregister" else (lambda name: distributor.set_enabled(name, False))
    await asyncio.to_thread(remove, "stuck")
    await asyncio.wait_for(waiting, 5)


async def test_a_disabled_consumer_gets_nothing_and_keeps_its_counters(distributor: ParallelDataDistributor) -> None:
    consumer = distributor.register("one", [DataType.TICKS])
    distributor.publish_trade(trade(1), [])
    consumer.take()
    distributor.publish_trade(trade(2), [])
    distributor.set_enabled("one", False)
    distributor.publish_trade(trade(3), [])
    assert consumer.take() == []
    assert summary(distributor, "one")["delivered"] == 1
    distributor.set_enabled("one", True)
    distributor.publish_trade(trade(4), [])
    assert consumer.take() == [trade(4)]
    assert summary(distributor, "one")["delivered"] == 2
    with pytest.raises(KeyError):
        distributor.set_enabled("nobody", True)


async def test_the_owner_of_a_pull_consumer_is_told_when_something_comes(distributor: ParallelDataDistributor) -> None:
    told: list[int] = []
    consumer = distributor.register("one", [DataType.TICKS], on_ready=lambda: told.append(threading.get_ident()))
    for number in range(3):
        distributor.publish_trade(trade(number), [])
    assert told == [threading.get_ident()]
    consumer.take()
    distributor.publish_trade(trade(3), [])
    assert len(told) == 2


async def test_a_name_is_taken_once_and_nonsense_is_refused(distributor: ParallelDataDistributor) -> None:
    distributor.register("one", [DataType.TICKS])
    with pytest.raises(ValueError, match="one"):
        distributor.register("one", [DataType.TICKS])
    with pytest.raises(ValueError, match="gossip"):
        distributor.register("two", ["gossip"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="bound"):
        distributor.register("three", [DataType.TICKS], bound=0)
    assert [one["name"] for one in distributor.summaries()] == ["one"]


async def test_latency_is_counted_from_the_frames_arrival(distributor: ParallelDataDistributor) -> None:
    consumer = distributor.register("one", [DataType.TICKS])
    clock = SystemClock()
    distributor.publish_trade(trade(1, clock.monotonic_ns() - 5_000_000), [])
    distributor.publish_trade(trade(2), [])
    consumer.take()
    assert consumer.latency.seen().count == 1
    assert summary(distributor, "one")["latency_us"]["p50"] >= 5_000  # type: ignore[index]
    histogram = summary(distributor, "one")["histogram"]
    assert sum(histogram["counts"]) == 1  # type: ignore[index]
    assert len(histogram["counts"]) == len(histogram["edges_us"]) + 1  # type: ignore[index]


async def test_an_async_handler_that_hogs_the_loop_is_named(
    distributor: ParallelDataDistributor, caplog: pytest.LogCaptureFixture
) -> None:
    async def hog(_: Sequence[Message]) -> None:
        until = time.perf_counter() + 0.08
        while time.perf_counter() < until:
            pass

    async def patient(_: Sequence[Message]) -> None:
        await asyncio.sleep(0.08)

    distributor.register("hog", [DataType.TICKS], hog)
    distributor.register("patient", [DataType.TICKS], patient)
    with caplog.at_level(logging.WARNING):
        distributor.publish_trade(trade(1), [])
        await until(lambda: summary(distributor, "hog")["hogged"])
        await asyncio.sleep(0.1)
    assert [record.getMessage()[:16] for record in caplog.records if record.name.startswith("core.stream")] == [
        "consumer hog kep"
    ]
    assert summary(distributor, "patient")["hogged"] == 0


async def test_consumers_that_come_and_go_on_many_threads_disturb_nobody(distributor: ParallelDataDistributor) -> None:
    steady = distributor.register("steady", [DataType.TICKS], policy=Policy.LOSSLESS, bound=10_000_000)
    faults: list[BaseException] = []
    stop = threading.Event()

    async def task(_: Sequence[Message]) -> None: ...

    def thread(_: Sequence[Message]) -> None: ...

    def storm(who: int) -> None:
        try:
            turn = 0
            while not stop.is_set():
                turn += 1
                name = f"guest-{who}"
                handler = (None, task, thread)[turn % 3]
                distributor.register(name, [DataType.TICKS, DataType.OHLCV], handler, bound=10)
                distributor.set_enabled(name, False)
                distributor.set_enabled(name, True)
                distributor.summaries()
                distributor.unregister(name)
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=storm, args=(who,)) for who in range(4)]
    for one in threads:
        one.start()
    for number in range(4_000):
        distributor.publish_trade(trade(number), [BAR])
        if number % 20 == 0:
            await asyncio.sleep(0)
    stop.set()
    for one in threads:
        await asyncio.to_thread(one.join)
    assert faults == []
    got: list[Message] = []
    while messages := steady.take():
        got += messages
    assert [message.trade_id for message in got if isinstance(message, Trade)] == list(range(4_000))
    await until(lambda: not [t for t in threading.enumerate() if t.name.startswith("consumer-guest")])
    await until(lambda: not [t for t in asyncio.all_tasks() if t.get_name().startswith("consumer-guest")])


async def test_a_lossless_consumer_gets_what_waits_when_all_is_closed() -> None:
    distributor = ParallelDataDistributor(SystemClock())
    got: list[Message] = []

    def slow(messages: Sequence[Message]) -> None:
        threading.Event().wait(0.02)
        got.extend(messages)

    distributor.register("slow", [DataType.TICKS], slow, policy=Policy.LOSSLESS, bound=100)
    for number in range(300):
        distributor.publish_trade(trade(number), [])
    await distributor.close(timeout_s=5)
    assert len(got) == 300
    assert distributor.summaries() == []


async def test_closing_does_not_wait_for_ever_for_a_handler_that_blocks() -> None:
    distributor = ParallelDataDistributor(SystemClock())
    release = threading.Event()

    async def forever(_: Sequence[Message]) -> None:
        await asyncio.sleep(60)

    distributor.register("thread", [DataType.TICKS], lambda _: release.wait(20) and None)
    distributor.register("task", [DataType.TICKS], forever)
    distributor.publish_trade(trade(1), [])
    await asyncio.sleep(0.01)
    began = time.monotonic()
    await distributor.close(timeout_s=0.1)
    assert time.monotonic() - began < 5 * PATIENCE
    release.set()


async def test_async_consumers_registered_before_the_loop_runs_start_with_it() -> None:
    distributor = ParallelDataDistributor(SystemClock())
    got: list[Message] = []

    async def task(messages: Sequence[Message]) -> None:
        got.extend(messages)

    await asyncio.to_thread(distributor.register, "early", [DataType.TICKS], task)
    distributor.publish_trade(trade(1), [])
    await until(lambda: got == [trade(1)])
    await asyncio.to_thread(distributor.register, "later", [DataType.TICKS], task)
    distributor.publish_trade(trade(2), [])
    await until(lambda: got == [trade(1), trade(2), trade(2)])
    await distributor.close()
