"""`python -m core.venues.simulated.tws`: the simulated TWS as a process of its own.

The first line on stdout is `{"port": …, "control_port": …, "symbols": [...]}`; logs go to stderr.
"""

import argparse
import asyncio
import sys

from core.base.clock import SystemClock
from core.base.errors import ConfigError, FatalError
from core.base.log import configure_logging
from core.venues.simulated.process import announce, stop_event
from core.venues.simulated.tws.control import Control
from core.venues.simulated.tws.stocks import STOCKS
from core.venues.simulated.tws.venue import Venue


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM, SIGINT or, with `--parent-pipe`, the end of stdin. Returns the exit code."""
    options = _parser().parse_args(arguments)
    configure_logging(options.log_level)
    try:
        asyncio.run(_serve(options))
    except FatalError as error:
        sys.stderr.write(f"simulated TWS: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m core.venues.simulated.tws", description="A TWS on loopback")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--control-port", type=int, default=0, help="of the HTTP control; 0: any free port")
    parser.add_argument("--seed", type=int, default=1, help="which market; the same seed is the same market for ever")
    parser.add_argument("--rate", type=float, default=1.0, help="trades and volume, as a multiple of a normal day's")
    parser.add_argument("--depth-slots", type=int, default=3, help="Level II subscriptions a client may have")
    parser.add_argument("--tick-slots", type=int, default=6, help="tick-by-tick subscriptions a client may have")
    parser.add_argument("--depth-mode", choices=("shifting", "update_only"), default="shifting")
    parser.add_argument("--position", action="append", default=[], metavar="SYMBOL:SHARES:PRICE", help="held from the start")
    parser.add_argument("--closed", action="store_true", help="the market is closed")
    parser.add_argument("--parent-pipe", action="store_true", help="end when stdin does")
    parser.add_argument("--log-level", default="WARNING")
    return parser


def _position(text: str) -> tuple[str, int, float]:
    symbol, _, rest = text.partition(":")
    shares, _, price = rest.partition(":")
    try:
        if symbol in STOCKS:
            return symbol, int(shares), float(price)
    except ValueError:
        pass
    raise ConfigError(f"--position must be SYMBOL:SHARES:PRICE of {', '.join(STOCKS)}, was {text[:40]!r}")


async def _serve(options: argparse.Namespace) -> None:
    if not 0.01 <= options.rate <= 10_000:
        raise ConfigError(f"--rate must be 0.01 to 10000, was {options.rate:g}")
    positions = tuple(_position(text) for text in options.position)
    venue = Venue(SystemClock(), options.seed, options.rate, options.depth_slots, options.tick_slots, positions)
    venue.faults.update_only = options.depth_mode == "update_only"
    venue.faults.is_closed = options.closed
    control = Control(venue)
    stop = stop_event(options.parent_pipe)
    port = await venue.start(options.host, options.port)
    control_port = await control.start(options.host, options.control_port)
    announce({"port": port, "control_port": control_port, "symbols": list(STOCKS)})
    try:
        await stop.wait()
    finally:
        await control.stop()
        await venue.stop()


if __name__ == "__main__":
    sys.exit(main())
