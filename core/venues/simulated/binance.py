"""`python -m core.venues.simulated.binance`: the simulated Binance as a process of its own.

The first line on stdout is `{"port": …, "streams": [...]|null, "symbols": [...]}`; logs go to stderr.
"""

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from core.base.clock import SystemClock
from core.base.errors import ConfigError, FatalError
from core.base.log import configure_logging
from core.venues.simulated.binance_streams import StreamRules
from core.venues.simulated.model_source import ModelSource
from core.venues.simulated.process import announce, first_of, stop_event
from core.venues.simulated.recording import Recording
from core.venues.simulated.replay_source import ReplaySource
from core.venues.simulated.server import VenueServer
from core.venues.simulated.source import MarketSource

logger = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM, SIGINT or, with `--parent-pipe`, the end of stdin. Returns the exit code."""
    options = _parser().parse_args(arguments)
    configure_logging(options.log_level)
    try:
        _run(options)
    except FatalError as error:
        sys.stderr.write(f"simulated Binance: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m core.venues.simulated.binance", description="Binance Spot on loopback")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--seed", type=int, default=1, help="which market; the same seed is the same market for ever")
    parser.add_argument("--rate", type=float, default=1.0, help="trades and volume, as a multiple of a normal day's")
    parser.add_argument("--replay", type=Path, nargs="+", metavar="FILE", help="recorded frames instead of the made market")
    parser.add_argument("--speed", type=float, default=1.0, help="of the replay; 0: as fast as clients read")
    parser.add_argument("--parent-pipe", action="store_true", help="end when stdin does")
    parser.add_argument("--lifetime", type=float, default=86_400.0, metavar="S", help="seconds until a connection is closed")
    parser.add_argument("--ping", type=float, default=20.0, metavar="S", help="seconds between the server's pings")
    parser.add_argument("--log-level", default="WARNING")
    return parser


def _run(options: argparse.Namespace) -> None:
    try:
        import uvloop
    except ImportError:
        factory = None
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve(options))


def _source(options: argparse.Namespace) -> MarketSource:
    if not 0.01 <= options.rate <= 10_000:
        raise ConfigError(f"--rate must be 0.01 to 10000, was {options.rate:g}")
    if options.replay:
        if not 0 <= options.speed <= 1e6:
            raise ConfigError(f"--speed must be 0 (as fast as clients read) to 1e6, was {options.speed:g}")
        return ReplaySource(Recording(options.replay), options.speed)
    return ModelSource(SystemClock(), options.seed, options.rate)


async def _serve(options: argparse.Namespace) -> None:
    clock = SystemClock()
    source = _source(options)
    rules = StreamRules(ping_s=options.ping, pong_timeout_s=3 * options.ping, lifetime_s=options.lifetime)
    server = VenueServer(source, clock, rules)
    stop = stop_event(options.parent_pipe)
    port = await server.start(options.host, options.port)
    announce({"port": port, "streams": source.streams, "symbols": source.symbols})
    try:
        await first_of(stop.wait(), server.ended())
    finally:
        await server.stop()


if __name__ == "__main__":
    sys.exit(main())
