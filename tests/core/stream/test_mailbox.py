"""What a mailbox keeps when its reader is slow."""

import threading
from collections.abc import Callable

import pytest

from core.domain.market import BarFlag, BarUpdate, BookView, Quote, Trade
from core.stream.mailbox import NEWEST_TRADES, Mailbox, mailbox_for
from core.stream.messages import Policy


def trade(number: int) -> Trade:
    return Trade("ETHUSDT", number, 1, 1, number, False)


def bar(stamp: int, close: float, series: str = "eth_1m") -> BarUpdate:
    return BarUpdate(series, (float(stamp), 1, 1, 1, close, 1), BarFlag.NONE)


def quote(bid: float) -> Quote:
    return Quote("ETHUSDT", bid, 1, bid + 1, 1, 1)


@pytest.fixture
def make() -> Callable[..., Mailbox]:
    def build(policy: Policy, bound: int, wake: Callable[[], None] = lambda: None) -> Mailbox:
        return mailbox_for(policy, bound, wake, lambda: None)

    return build


def test_a_bounded_one_drops_the_oldest_and_counts_them(make: Callable[..., Mailbox]) -> None:
    mailbox = make(Policy.BOUNDED, 5)
    for number in range(8):
        mailbox.put([trade(number)])
    assert [message.trade_id for message in mailbox.take()] == [3, 4, 5, 6, 7]
    assert mailbox.dropped == 3
    assert mailbox.take() == []


def test_a_batch_larger_than_the_bound_leaves_its_newest(make: Callable[..., Mailbox]) -> None:
    mailbox = make(Policy.BOUNDED, 2)
    mailbox.put([trade(number) for number in range(5)])
    assert [message.trade_id for message in mailbox.take()] == [3, 4]


def test_a_newest_one_keeps_one_message_per_key_and_the_last_trades(make: Callable[..., Mailbox]) -> None:
    mailbox = make(Policy.NEWEST, 100)
    book = BookView("ETHUSDT", 1, (), (), 1)
    for number in range(5_000):
        mailbox.put([trade(number), bar(number // 1_000, number), bar(0, number, "eth_1h"), quote(number), book])
    assert len(mailbox) < 2_000
    taken = mailbox.take()
    assert [m.trade_id for m in taken if isinstance(m, Trade)] == list(range(5_000 - NEWEST_TRADES, 5_000))
    assert [m.row[4] for m in taken if isinstance(m, BarUpdate) and m.series == "eth_1m"] == [999, 1999, 2999, 3999, 4999]
    assert [m.row[4] for m in taken if isinstance(m, BarUpdate) and m.series == "eth_1h"] == [4999]
    assert [m.bid for m in taken if isinstance(m, Quote)] == [4999]
    assert [m for m in taken if isinstance(m, BookView)] == [book]
    assert mailbox.dropped == 0
    assert mailbox.conflated == 25_000 - len(taken)


def test_a_newest_one_is_bounded_in_bars_too(make: Callable[..., Mailbox]) -> None:
    mailbox = make(Policy.NEWEST, 50)
    for number in range(5_000):
        mailbox.put([bar(number, 1)])
    assert [m.row[0] for m in mailbox.take()] == list(range(4_950, 5_000))
    assert mailbox.dropped == 4_950


def test_a_lossless_one_drops_nothing_and_is_congested_until_half_empty(make: Callable[..., Mailbox]) -> None:
    mailbox = make(Policy.LOSSLESS, 10)
    mailbox.put([trade(number) for number in range(10)])
    assert not mailbox.congested
    mailbox.put([trade(10)])
    assert mailbox.congested
    taken = mailbox.take()
    assert mailbox.congested
    taken += mailbox.take()
    assert not mailbox.congested
    taken += mailbox.take()
    assert [message.trade_id for message in taken] == list(range(11))
    assert mailbox.dropped == 0


def test_the_reader_is_woken_once_until_it_looks_again(make: Callable[..., Mailbox]) -> None:
    woken: list[int] = []
    mailbox = make(Policy.BOUNDED, 10, lambda: woken.append(1))
    mailbox.put([trade(1)])
    mailbox.put([trade(2)])
    assert len(woken) == 1
    mailbox.take()
    mailbox.put([trade(3)])
    assert len(woken) == 2


@pytest.mark.parametrize("policy", [Policy.BOUNDED, Policy.LOSSLESS])
def test_nothing_is_lost_or_left_behind_between_two_threads(policy: Policy, make: Callable[..., Mailbox]) -> None:
    ready = threading.Semaphore(0)
    mailbox = make(policy, 1_000_000, ready.release)
    taken: list[int] = []

    def read() -> None:
        while len(taken) < 50_000:
            assert ready.acquire(timeout=10)
            while messages := mailbox.take():
                taken.extend(message.trade_id for message in messages)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(0, 50_000, 2):
        mailbox.put([trade(number), trade(number + 1)])
    reader.join(20)
    assert taken == list(range(50_000))


def test_a_bound_below_one_is_refused(make: Callable[..., Mailbox]) -> None:
    with pytest.raises(ValueError, match="bound"):
        make(Policy.BOUNDED, 0)
