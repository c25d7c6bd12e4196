"""What a simulated venue says about itself, at `GET /sim/stats`."""

from typing import Any

import aiohttp
import msgspec


class SimulatedStatus(msgspec.Struct):
    """The part of the answer that matters here: `source` describes the market behind the venue, if it says so."""

    source: dict[str, Any] = {}

    @property
    def is_replay(self) -> bool:
        return self.source.get("kind") == "replay"

    @property
    def ended(self) -> bool:
        """A replay has sent its last frame."""
        return bool(self.source.get("ended"))

    @property
    def streams(self) -> tuple[str, ...] | None:
        """The streams it has, None for all."""
        names = self.source.get("streams")
        return tuple(str(name) for name in names) if isinstance(names, list) else None


async def simulated_status(rest: str, timeout_s: float = 0.5) -> SimulatedStatus | None:
    """The status of the venue at `rest`; None when that is no simulated venue, or does not answer."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s)) as session,
            session.get(f"{rest}/sim/stats") as answer,
        ):
            if answer.status != 200:
                return None
            return msgspec.json.decode(await answer.read(), type=SimulatedStatus)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return None
