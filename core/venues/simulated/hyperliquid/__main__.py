"""`python -m core.venues.simulated.hyperliquid`: the simulated Hyperliquid as a process of its own.

The first line on stdout is `{"port": …, "control_port": …, "symbols": [...]}`; logs go to stderr.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable

from core.base.clock import SystemClock
from core.base.errors import ConfigError, FatalError
from core.base.log import configure_logging
from core.venues.simulated.hyperliquid.market import HyperliquidMarket
from core.venues.simulated.hyperliquid.server import RECENT_TRADES, HyperliquidServer
from core.venues.simulated.process import announce, first_of, stop_event


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM, SIGINT or, with `--parent-pipe`, the end of stdin. Returns the exit code."""
    options = _parser().parse_args(arguments)
    configure_logging(options.log_level)
    try:
        if not 0.01 <= options.rate <= 1_000:
            raise ConfigError(f"--rate must be 0.01 to 1000, was {options.rate:g}")
        if options.control_port not in (None, options.port):
            raise ConfigError(f"--control-port must be {options.port}, that of --port, was {options.control_port}")
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(options))
    except FatalError as error:
        sys.stderr.write(f"simulated Hyperliquid: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m core.venues.simulated.hyperliquid", description="Hyperliquid on loopback"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--control-port", type=int, help="the same as --port: there is only one")
    parser.add_argument("--seed", type=int, default=1, help="which market; the same seed is the same market for ever")
    parser.add_argument("--rate", type=float, default=1.0, help="trades and volume, as a multiple of a normal day's")
    parser.add_argument("--recent", type=int, default=RECENT_TRADES, metavar="N", help="trades that recentTrades gives")
    parser.add_argument("--weight", type=int, default=1_200, metavar="N", help="request weight a minute that it allows")
    parser.add_argument("--parent-pipe", action="store_true", help="end when stdin does")
    parser.add_argument("--log-level", default="WARNING")
    return parser


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(options: argparse.Namespace) -> None:
    market = HyperliquidMarket(SystemClock(), options.seed, options.rate)
    server = HyperliquidServer(market, options.recent, options.weight)
    stop = stop_event(options.parent_pipe)
    port = await server.start(options.host, options.port)
    announce({"port": port, "control_port": port, "symbols": list(market.symbols)})
    try:
        await first_of(stop.wait(), server.ended())
    finally:
        await server.stop()


if __name__ == "__main__":
    sys.exit(main())
