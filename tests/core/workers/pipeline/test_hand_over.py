"""What a stopped consumer holds goes to its heir."""

from typing import Any

from core.workers.hand_over import hand_over
from core.workers.stream_names import FENCES, GROUP, STREAM


def test_everything_goes_over_without_counting_a_delivery_and_the_old_token_is_void(client: Any) -> None:
    for number in range(2_500):
        client.xadd(STREAM, {"d": str(number)})
    client.xgroup_create(STREAM, GROUP, "0")
    client.xreadgroup(GROUP, "mac-0", {STREAM: ">"}, count=2_100)
    client.xreadgroup(GROUP, "mac-1", {STREAM: ">"}, count=100)
    client.xreadgroup(GROUP, "other-0", {STREAM: ">"}, count=50)
    client.hset(FENCES, mapping={"mac-0": "a", "mac-1": "b", "other-0": "c", "mac-standard-0": "d"})
    assert hand_over(client, ["mac-0", "mac-1", "mac-7", "mac-standard-0"], "mac-standard-0") == 2_200
    held = {each["name"]: each["pending"] for each in client.xinfo_consumers(STREAM, GROUP)}
    assert held == {b"mac-0": 0, b"mac-1": 0, b"other-0": 50, b"mac-standard-0": 2_200}
    assert client.hgetall(FENCES) == {b"other-0": b"c", b"mac-standard-0": b"d"}
    assert {each["times_delivered"] for each in client.xpending_range(STREAM, GROUP, "-", "+", 3_000)} == {1}
    assert hand_over(client, ["mac-0", "mac-1"], "mac-standard-0") == 0
    assert client.hget(FENCES, "mac-standard-0") == b"d"


def test_before_anybody_has_read_there_is_nothing_to_hand_over(client: Any) -> None:
    assert hand_over(client, ["mac-0"], "mac-standard-0") == 0
    client.xadd(STREAM, {"d": "1"})
    assert hand_over(client, ["mac-0"], "mac-standard-0") == 0
