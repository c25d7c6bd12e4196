"""`app.py` with eight models' worth of consumers beside the dashboard: what the latency benchmark runs."""

import sys
from collections.abc import Sequence

import app
from core.stream.messages import DataType, Message, Policy
from core.system import System

MODELS = 7


class LoadedSystem(System):
    """Seven async consumers of trades and bars beside storage and dashboard: nine in all."""

    def start(self) -> None:
        for number in range(MODELS):
            self.stream.register_consumer(
                f"model-{number}", {DataType.TICKS, DataType.OHLCV}, _consume, policy=Policy.BOUNDED
            )
        super().start()


async def _consume(messages: Sequence[Message]) -> None:
    for message in messages:
        _ = message


def main() -> int:
    import core.system

    core.system.System = LoadedSystem  # type: ignore[misc]
    return app.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
