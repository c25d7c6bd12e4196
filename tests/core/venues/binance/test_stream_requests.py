"""SUBSCRIBE and UNSUBSCRIBE: paced, joined, repeated when not answered."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.base.clock import SystemClock
from core.venues.binance import stream_requests
from core.venues.binance.stream_requests import StreamRequests
from core.venues.binance.wire import Control


class Bench:
    def __init__(self) -> None:
        self.sent: list[tuple[float, dict[str, Any]]] = []
        self.open = True
        self.requests = StreamRequests(SystemClock(), self._send, lambda: self.open)
        self.task = asyncio.create_task(self.requests.run())

    def _send(self, text: bytes) -> None:
        self.sent.append((time.monotonic(), json.loads(text)))

    @property
    def said(self) -> list[tuple[str, list[str]]]:
        return [(m["method"], m["params"]) for _, m in self.sent]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    bench.task.cancel()
    await asyncio.gather(bench.task, return_exceptions=True)


async def test_what_is_asked_for_together_is_one_message(bench: Bench, wait_until: Any) -> None:
    bench.requests.subscribe(["a@trade", "a@bookTicker"])
    bench.requests.subscribe(["b@trade"])
    await wait_until(lambda: bench.sent)
    assert bench.said == [("SUBSCRIBE", ["a@trade", "a@bookTicker", "b@trade"])]
    assert (bench.requests.sent, bench.requests.waiting) == (1, 0)


async def test_messages_are_never_closer_than_a_quarter_of_a_second(bench: Bench, wait_until: Any) -> None:
    for number in range(4):
        bench.requests.subscribe([f"{number}@trade"])
        await asyncio.sleep(0)
        await wait_until(lambda number=number: len(bench.sent) > number)
    times = [at for at, _ in bench.sent]
    assert all(later - earlier >= 0.25 for earlier, later in itertools.pairwise(times))


async def test_a_thousand_streams_go_out_in_few_messages(bench: Bench, wait_until: Any) -> None:
    names = [f"{n}@trade" for n in range(450)]
    bench.requests.subscribe(names)
    await wait_until(lambda: len(bench.sent) == 3)
    assert [len(streams) for _, streams in bench.said] == [200, 200, 50]
    assert [name for _, streams in bench.said for name in streams] == names


async def test_subscribing_anew_lets_go_first(bench: Bench, wait_until: Any) -> None:
    bench.requests.anew(["a@trade"])
    await wait_until(lambda: len(bench.sent) == 2)
    assert bench.said == [("UNSUBSCRIBE", ["a@trade"]), ("SUBSCRIBE", ["a@trade"])]


async def test_what_was_let_go_before_it_was_asked_for_is_not_asked_for(bench: Bench, wait_until: Any) -> None:
    bench.requests.subscribe(["a@trade"])
    bench.requests.unsubscribe(["a@trade"])
    await wait_until(lambda: bench.sent)
    await asyncio.sleep(0.4)
    assert bench.said == [("UNSUBSCRIBE", ["a@trade"])]


async def test_without_a_connection_nothing_is_kept(bench: Bench, wait_until: Any) -> None:
    bench.open = False
    bench.requests.subscribe(["a@trade"])
    await wait_until(lambda: bench.requests.waiting == 0)
    assert bench.sent == []


async def test_a_request_without_an_answer_is_sent_again(
    bench: Bench, wait_until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_requests, "_ACK_S", 0.4)
    bench.requests.subscribe(["a@trade"])
    await wait_until(lambda: len(bench.sent) == 2)
    assert bench.said[1] == ("SUBSCRIBE", ["a@trade"])
    bench.requests.answered(Control(bench.sent[1][1]["id"], "", False))
    await asyncio.sleep(0.7)
    assert len(bench.sent) == 2


async def test_a_refusal_names_the_streams(bench: Bench, wait_until: Any) -> None:
    bench.requests.subscribe(["a@trade", "b@trade"])
    await wait_until(lambda: bench.sent)
    number = bench.sent[0][1]["id"]
    assert bench.requests.answered(Control(number, "2 Invalid request", False)) == "a@trade, b@trade"
    assert bench.requests.answered(Control(number, "2 Invalid request", False)) == ""
