"""Names of what the pool keeps in Redis."""

STREAM = "ticks:intraday:processed"
GROUP = "quintet"
DEAD = "ticks:intraday:dead"
#: hash: `workers` (1–8, empty = auto), `is_paused` (1/0), `processor` (optimized/standard); also the channel of its changes
CONTROL = "ticks:intraday:control"
#: hash: ticks `processed`, `duplicates`, `errors`, counted in the same script as the acknowledgement
TOTALS = "ticks:intraday:totals"
#: hash: consumer -> the token that its scripts must bring; whoever takes entries from it takes the token away
FENCES = "ticks:intraday:fences"
#: sorted set: process -> ms (the server's clock) of its last sign of life; they share the shards
MEMBERS = "ticks:intraday:members"

#: a random text that stays as long as Redis remembers; Postgres knows it too
MARKER = "ticks:intraday:marker"

SHARDS = 16


def shard_stream(shard: int) -> str:
    """The packed ticks of a shard."""
    return f"ticks:intraday:shard:{shard}"


def lease(shard: int) -> str:
    """Who owns the shard."""
    return f"ticks:intraday:lease:{shard}"


def worker(name: str) -> str:
    """A worker's newest status."""
    return f"ticks:intraday:worker:{name}"


def slot(name: str) -> str:
    """Which pool uses a worker's name."""
    return f"ticks:intraday:slot:{name}"
