"""What to do with entries that were given out before: pure."""

from collections.abc import Sequence

import msgspec

from core.workers.entries import Pending


class Plan(msgspec.Struct, frozen=True):
    """`groups` are begun one after the other, each as a whole; `dead` are given up."""

    groups: list[list[bytes]]
    dead: list[Pending]


def plan(pending: Sequence[Pending], most_deliveries: int, batch_size: int, group_size: int) -> Plan:
    """Entries that were given out once go as a group, twice in batches, more often each alone.

    An entry that ends its worker thus takes fewer neighbours with it each time, and those that were begun less often go
    first: when an entry has been begun `most_deliveries` times, it was alone in the last of them.
    """
    dead = [entry for entry in pending if entry.deliveries >= most_deliveries]
    alive = sorted((entry for entry in pending if entry.deliveries < most_deliveries), key=lambda entry: entry.deliveries)
    groups: list[list[bytes]] = []
    begun = -1
    for entry in alive:
        size = group_size if entry.deliveries <= 1 else batch_size if entry.deliveries == 2 else 1
        if entry.deliveries != begun or len(groups[-1]) >= size:
            groups.append([])
        groups[-1].append(entry.id)
        begun = entry.deliveries
    return Plan(groups, dead)


def linger_s(have: int, batch_size: int, rate_per_s: float, linger_ms: int) -> float:
    """How long a batch that has `have` ticks stays open: until it would be full at this rate, `linger_ms` at most."""
    if have >= batch_size:
        return 0.0
    longest = linger_ms / 1_000
    return longest if rate_per_s <= 0 else min(longest, (batch_size - have) / rate_per_s)
