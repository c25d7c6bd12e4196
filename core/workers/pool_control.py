"""What everybody wants of all pools on one Redis: kept there, so that every machine obeys."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from core.workers.core_counts import MOST_WORKERS
from core.workers.redis_clients import ask
from core.workers.stream_names import CONTROL

ProcessorName = Literal["optimized", "standard"]


class PoolControl(msgspec.Struct, frozen=True):
    """`workers` a machine, None for as many as its cores are worth."""

    workers: int | None = None
    is_paused: bool = False
    processor: ProcessorName = "optimized"

    @property
    def is_idle(self) -> bool:
        """Whether the workers are to leave the stream alone."""
        return self.is_paused or self.processor != "optimized"


def control_of(fields: Mapping[bytes, bytes]) -> PoolControl:
    """Out of the hash; what means nothing is taken as not said."""
    told = {key.decode("utf-8", "replace"): value.decode("utf-8", "replace") for key, value in fields.items()}
    workers = told.get("workers", "")
    number = int(workers) if workers.isdecimal() else 0
    return PoolControl(
        number if 1 <= number <= MOST_WORKERS else None,
        told.get("is_paused", "").lower() in ("1", "true"),
        "standard" if told.get("processor") == "standard" else "optimized",
    )


def fields_of(control: PoolControl) -> dict[str, str]:
    """For the hash."""
    return {
        "workers": "" if control.workers is None else str(control.workers),
        "is_paused": "1" if control.is_paused else "0",
        "processor": control.processor,
    }


async def read_control(client: Any) -> PoolControl:
    """Raises what Redis raises."""
    reply = await ask(client, "HGETALL", CONTROL)
    pairs = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
    return control_of(pairs)


async def write_control(client: Any, control: PoolControl) -> None:
    """Raises what Redis raises."""
    pipeline = client.pipeline(transaction=True)
    pipeline.hset(CONTROL, mapping=fields_of(control))
    pipeline.publish(CONTROL, "changed")
    await pipeline.execute()
