"""A simulated market and a real one, one after the other on one Redis."""

from typing import Any

import pytest

from core.workers.market_kind import OtherMarket, claim
from core.workers.stream_names import DEAD, GROUP, STREAM, TOTALS, shard_stream, worker


def test_streams_of_the_other_kind_are_put_aside_and_come_back_as_they_were(client: Any) -> None:
    assert claim(client, "simulated") is False
    first = [client.xadd(STREAM, {"d": str(n)}) for n in range(5)]
    client.xadd(shard_stream(3), {"t": "packed"})
    client.xadd(DEAD, {"d": "x"})
    client.hset(TOTALS, "processed", 3)
    client.xgroup_create(STREAM, GROUP, "0")
    client.xreadgroup(GROUP, "mac-0", {STREAM: ">"}, count=2)
    assert claim(client, "simulated") is False, "its own again changes nothing"
    assert client.xlen(STREAM) == 5

    assert claim(client, "real") is True
    assert not client.exists(STREAM, shard_stream(3), DEAD, TOTALS)
    client.xadd(STREAM, {"d": "real"})

    assert claim(client, "simulated") is True
    assert [entry for entry, _ in client.xrange(STREAM)] == first
    assert client.xpending(STREAM, GROUP)["pending"] == 2, "group and pending entries came along"
    assert client.exists(shard_stream(3), DEAD) == 2
    assert client.hget(TOTALS, "processed") == b"3"
    assert claim(client, "real") is True
    assert [fields for _, fields in client.xrange(STREAM)] == [{b"d": b"real"}]


def test_workers_of_the_other_kind_keep_their_streams(client: Any) -> None:
    claim(client, "real")
    client.xadd(STREAM, {"d": "real"})
    client.set(worker("mac-0"), "{}", px=60_000)
    with pytest.raises(OtherMarket, match="the ticks of a real market"):
        claim(client, "simulated")
    assert client.xlen(STREAM) == 1
    assert claim(client, "real") is False
    client.delete(worker("mac-0"))
    assert claim(client, "simulated") is True
