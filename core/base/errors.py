"""The exception tree.

QuintetError
├── FatalError            start-up cannot go on; the message is one clear line for the person at the terminal
│   └── ConfigError       a setting, file or argument is wrong; names it
├── RetryableError        the same call may work later
│   ├── VenueUnavailable  the venue refused, timed out, or dropped us
│   ├── VenueBanned       the venue told us to stay away until `until_ms` (HTTP 418/429)
│   └── StorageUnavailable
└── BadInput              somebody else's data is unusable; counted, never fatal
"""


class QuintetError(Exception):
    """Base of all our own errors."""


class FatalError(QuintetError):
    """Start-up cannot go on."""


class ConfigError(FatalError):
    """A setting, file or argument is wrong."""


class RetryableError(QuintetError):
    """The same call may work later."""


class VenueUnavailable(RetryableError):
    """The venue refused, timed out, or dropped us."""


class VenueBanned(RetryableError):
    """The venue told us to stay away until `until_ms` (Unix ms)."""

    def __init__(self, message: str, until_ms: int) -> None:
        super().__init__(message)
        self.until_ms = until_ms


class StorageUnavailable(RetryableError):
    """Postgres cannot be reached just now."""


class BadInput(QuintetError):
    """A frame, row or parameter that cannot be used."""
