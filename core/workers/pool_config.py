"""What a pool is told."""

import msgspec

from core.base.errors import ConfigError


class PoolConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times as their names say. A batch closes at `batch_size` ticks or `linger_ms` after its first one.

    Under a backlog up to `group_batches` batches share a transaction. `min_idle_ms`: an entry untouched for this long is
    taken from its worker, which is looked for every `sweep_s`. An entry given out `most_deliveries` times in vain is dead.
    `shard_bound`: with more packed entries than this waiting in a shard's stream, no more ticks are read.
    """

    batch_size: int = 50
    linger_ms: int = 10
    group_batches: int = 40
    block_ms: int = 500
    min_idle_ms: int = 15_000
    sweep_s: float = 5.0
    most_deliveries: int = 5
    shard_bound: int = 1_000
    #: days after which ticks, Greeks and indicators are dropped; 0 keeps all
    retention_days: int = 0

    def __post_init__(self) -> None:
        for name, least, most in (
            ("batch_size", 1, 5_000),
            ("linger_ms", 0, 1_000),
            ("group_batches", 1, 200),
            ("block_ms", 10, 10_000),
            ("min_idle_ms", 100, 3_600_000),
            ("most_deliveries", 1, 100),
            ("shard_bound", 1, 100_000),
            ("retention_days", 0, 36_500),
        ):
            if not least <= getattr(self, name) <= most:
                raise ConfigError(f"{name} must be {least}–{most}, was {getattr(self, name)}")
        if not 0.05 <= self.sweep_s <= 60:
            raise ConfigError(f"sweep_s must be 0.05–60, was {self.sweep_s:g}")

    @property
    def group_size(self) -> int:
        """Entries read at once at most; Lua unpacks no more than some 8,000 values."""
        return min(self.batch_size * self.group_batches, 4_000)
