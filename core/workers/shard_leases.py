"""Which process owns which shards."""

from collections.abc import Sequence

import redis

from core.workers import stream_scripts
from core.workers.stream_names import MEMBERS, SHARDS, lease

#: a process that is silent for this long is no member, and its leases are over
LEASE_MS = 3_000


def assigned(members: Sequence[str], me: str) -> frozenset[int]:
    """My share of the shards: they are dealt out to the members in the order of their names."""
    places = sorted(set(members) | {me})
    mine = places.index(me)
    return frozenset(shard for shard in range(SHARDS) if shard % len(places) == mine)


class ShardLeases:
    """Our leases in Redis. A lease only keeps two owners from working in vain: what counts is the epoch in Postgres."""

    def __init__(self, client: "redis.Redis", me: str) -> None:
        self._client = client
        self._me = me

    def renew(self, owned: frozenset[int]) -> tuple[frozenset[int], frozenset[int]]:
        """Tell a sign of life; which of ours are lost, and which shards we have just been given."""
        seconds, microseconds = self._client.time()
        now_ms = int(seconds) * 1_000 + int(microseconds) // 1_000
        pipeline = self._client.pipeline(transaction=False)
        pipeline.zadd(MEMBERS, {self._me: now_ms})
        pipeline.zremrangebyscore(MEMBERS, "-inf", now_ms - LEASE_MS)
        pipeline.zrange(MEMBERS, 0, -1)
        members = [name.decode() for name in pipeline.execute()[2]]
        share = assigned(members, self._me)
        for shard in owned - share:
            self.release(shard)
        held = frozenset(shard for shard in sorted(share) if self._keep(shard))
        return owned - held, held - owned

    def _keep(self, shard: int) -> bool:
        return bool(self._client.eval(stream_scripts.KEEP, 1, lease(shard), self._me, str(LEASE_MS)))

    def release(self, shard: int) -> None:
        self._client.eval(stream_scripts.RELEASE, 1, lease(shard), self._me)

    def leave(self, owned: frozenset[int]) -> None:
        """Give all back."""
        for shard in owned:
            self.release(shard)
        self._client.zrem(MEMBERS, self._me)
