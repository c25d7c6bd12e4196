"""`python -m core.venues.record --symbols ETHUSDT,AAPL,ETH-PERP --out session.jsonl.gz [--seconds N]`: records frames.

The venues are found as the app finds them: command line, environment, `configs/`. The file is in the replay format; what
came from Binance is played again by `--market replay --replay FILE`. Binance and Hyperliquid frames are kept as they came,
with one REST depth snapshot per symbol of Binance and connection; of Interactive Brokers the events that were made of its
messages are kept, as `{"venue":"ibkr","kind":…}`.
"""

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

import msgspec

from core.base.clock import SystemClock
from core.base.errors import ConfigError, FatalError
from core.base.log import configure_logging
from core.base.settings import MODES, Settings, load_settings
from core.base.supervise import Supervisor
from core.domain.instrument import INSTRUMENTS, Instrument, instruments_of
from core.stream.unified_data_stream import UnifiedDataStream
from core.venues.binance.connector import BinanceConnector
from core.venues.connector import Connector, Tap
from core.venues.endpoints import Endpoints
from core.venues.frame_file import FrameFile
from core.venues.ibkr.connector import IbkrConnector
from core.venues.locators import Locators
from core.venues.market_finder import MarketFinder
from core.venues.registry import VENUES
from core.venues.stream_connector import StreamConnector
from core.venues.symbol_feed import SymbolFeed

logger = logging.getLogger(__name__)

_TOLD_S = 10.0


def main(arguments: list[str] | None = None) -> int:
    """Record until SIGINT, SIGTERM or the time is over. Returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        settings = load_settings({"market": options.market})
        configure_logging(options.log_level, settings.secrets)
        wanted = _instruments(options.symbols)
        finder = MarketFinder(settings)
        try:
            _run(settings, finder.find(), wanted, options.out, options.seconds)
        finally:
            finder.stop()
    except FatalError as error:
        sys.stderr.write(f"record: {error}\n")
        return 2
    return 0


def _run(settings: Settings, endpoints: Endpoints, wanted: list[Instrument], path: Path, seconds: float | None) -> None:
    file = FrameFile(path)
    try:
        asyncio.run(_record(settings, endpoints, wanted, file, seconds))
    finally:
        file.close()
        _say(f"{_counts(file)} in {path}")
    if file.error:
        raise FatalError(file.error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m core.venues.record", description="Record frames of any venue")
    parser.add_argument("--symbols", required=True, help="comma-separated: " + ", ".join(INSTRUMENTS))
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="compressed if it ends in .gz")
    parser.add_argument("--seconds", type=float, default=None, help="without it until Ctrl-C")
    parser.add_argument("--market", choices=MODES, default=None, help="as for the app")
    parser.add_argument("--log-level", default="WARNING")
    return parser


def _instruments(symbols: str) -> list[Instrument]:
    """Raises ConfigError naming a symbol that is not known."""
    names = [name.strip().upper() for name in symbols.split(",") if name.strip()]
    unknown = [name for name in names if name not in INSTRUMENTS]
    if unknown or not names:
        raise ConfigError(f"--symbols: {', '.join(unknown) or 'none'}; there are {', '.join(INSTRUMENTS)}")
    return [INSTRUMENTS[name] for name in dict.fromkeys(names)]


async def _record(
    settings: Settings, endpoints: Endpoints, wanted: list[Instrument], file: FrameFile, seconds: float | None
) -> None:
    # bars are not recorded, so none are fetched but what the start of a feed needs
    settings = msgspec.structs.replace(settings, stream=msgspec.structs.replace(settings.stream, history_rows=2))
    stream = UnifiedDataStream(settings.stream, SystemClock())
    stream.attach()
    locators = Locators(settings, endpoints.source, _at_once)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if seconds is not None:
        loop.call_later(seconds, stop.set)
    supervisor = Supervisor()
    try:
        for venue in dict.fromkeys(i.venue for i in wanted):
            ours = [i for i in wanted if i.venue == venue]
            connector = _connector(venue, settings, endpoints, locators, stream, ours, file.add)
            supervisor.start(venue, connector.run)
        _say(f"recording {', '.join(i.symbol for i in wanted)} ({endpoints.source}: {endpoints.detail}), Ctrl-C ends it")
        supervisor.start("counts", lambda: _tell(file, stop))
        supervisor.failed.add_done_callback(lambda _: stop.set())
        await stop.wait()
        if supervisor.failed.done():
            raise supervisor.failed.result()
    finally:
        await supervisor.close()
        await stream.close()
        await asyncio.to_thread(locators.stop)


async def _at_once() -> None:
    """Nothing is looked at here that a starting venue could slow."""


def _connector(
    venue: str,
    settings: Settings,
    endpoints: Endpoints,
    locators: Locators,
    stream: UnifiedDataStream,
    wanted: list[Instrument],
    tap: Tap,
) -> Connector:
    """A connector of the venue that has the wanted symbols only, and is tapped."""
    clock = SystemClock()
    symbols = [i.symbol for i in wanted]
    if venue == "binance":
        feeds = {symbol: SymbolFeed(symbol, stream, _all_on) for symbol in symbols}
        return BinanceConnector(settings, endpoints, stream, feeds, clock, _all_on, tap=tap)
    connector = VENUES[venue].make()(settings, locators.locate()[venue], stream, clock, _all_on)
    if isinstance(connector, IbkrConnector):
        connector.tap = tap
    elif isinstance(connector, StreamConnector):
        unix_ns = clock.now_ms() * 1_000_000 - clock.monotonic_ns()
        connector.link.tap(lambda frame, recv_ns: tap(venue, unix_ns + recv_ns, frame))
    for instrument in wanted:
        connector.subscribe(instrument)
    for other in instruments_of(venue):
        if other.symbol not in symbols:
            connector.unsubscribe(other.symbol)
    return connector


def _all_on(toggle: str) -> bool:
    return True


async def _tell(file: FrameFile, stop: asyncio.Event) -> None:
    """A line with counts now and then; a file that cannot be written any more ends the recording."""
    while not stop.is_set():
        try:
            async with asyncio.timeout(_TOLD_S):
                await stop.wait()
        except TimeoutError:
            _say(_counts(file))
        if file.error:
            stop.set()


def _counts(file: FrameFile) -> str:
    venues = ", ".join(f"{venue} {count:,}" for venue, count in sorted(file.frames.items()))
    waiting = f", {file.waiting:,} waiting" if file.waiting else ""
    total, size = f"{file.frames.total():,} frames ({venues or 'none yet'})", f"{file.bytes / 1e6:.1f} MB"
    return f"{total}, {file.dropped:,} dropped{waiting}, {size}"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
