"""Which client library there is, loaded so that its import and its log do not get in our way."""

import asyncio
import importlib.util
import logging
import sys
from collections.abc import Callable
from typing import Any

from core.base.errors import VenueUnavailable

#: the library to use, the first that is installed
LIBRARIES = ("ib_async", "ib_insync")


def installed() -> str | None:
    """The library's name, None when there is none."""
    return next((name for name in LIBRARIES if importlib.util.find_spec(name) is not None), None)


async def load() -> Any:
    """The library. Its import takes a quarter of a second and wants an event loop of its thread: so in a thread of its own.

    Raises VenueUnavailable when it is not installed.
    """
    name = installed()
    if name is None:
        raise VenueUnavailable(f"neither {' nor '.join(LIBRARIES)} is installed")
    return await asyncio.to_thread(_import, name)


def _import(name: str) -> Any:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        library = importlib.import_module(name)
        for part in ("client", "wrapper", "ib"):
            # a filter that is there already is not added again
            logging.getLogger(f"{name}.{part}").addFilter(_HUSH)
        return library
    finally:
        asyncio.set_event_loop(None)
        loop.close()


class _Hush(logging.Filter):
    """Keeps the library's lines out of our log, for each message of the venue is ours to tell."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.CRITICAL


_HUSH = _Hush()


class DecoderLog(logging.Logger):
    """Where the library's decoder tells what it could not decode."""

    def __init__(self, on_undecodable: Callable[[str], None]) -> None:
        super().__init__("decoder")
        self._on_undecodable = on_undecodable

    def exception(self, msg: object, *args: object, **_: Any) -> None:
        self._on_undecodable(f"{str(msg)[:200]} {sys.exc_info()[1]!r}")
