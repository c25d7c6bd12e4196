"""Settings: the command line, then the environment, then `configs/*.json`, read once, typed and frozen.

Secrets come from the environment only. An unknown key in a file is refused by its name.
"""

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import unquote, urlsplit

import msgspec

from core.base.errors import ConfigError

MarketMode = Literal["auto", "live", "simulated", "replay"]
MODES: tuple[MarketMode, ...] = ("auto", "live", "simulated", "replay")

PROJECT_ROOT = Path(__file__).resolve().parents[2]


class FreshnessConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ages (seconds since the last update) above which a series is LATE, STALE, DEAD."""

    late_s: float = 2.0
    stale_s: float = 4.0
    dead_s: float = 60.0


class StreamConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`configs/stream.json`. `history_rows` are back-filled per series at start."""

    freshness: FreshnessConfig = FreshnessConfig()
    history_rows: int = 1_500
    #: a channel without a message for this long is re-subscribed, even when pings are answered
    silence_s: float = 5.0
    #: gaps longer than this many trades are filled from the venue's bars instead of trade by trade
    backfill_max_trades: int = 50_000
    book_levels: int = 200


class BinanceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`orders_per_10s` and `orders_per_day` are the venue's limits on orders, shown beside their use."""

    weight_per_minute: int = 6_000
    orders_per_10s: int = 100
    orders_per_day: int = 200_000


class IbkrConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One TWS or Gateway. Limits are those of an account without quote boosters."""

    enabled: bool = True
    depth_rows: int = 20
    depth_slots: int = 3
    messages_per_s: int = 45
    #: requests for bars per 10 minutes
    history_per_10min: int = 60
    #: a socket without any message for this long is asked for the time, and given up when that is not answered
    silence_s: float = 5.0
    #: the nightly reset: begin (US/Eastern, HH:MM) and how long an outage that begins in it is expected, minutes
    reset_at: str = "23:45"
    reset_minutes: int = 60


class HyperliquidConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Public market data of Hyperliquid."""

    enabled: bool = True
    silence_s: float = 5.0


class VenuesConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`configs/venues.json`."""

    binance: BinanceConfig = BinanceConfig()
    ibkr: IbkrConfig = IbkrConfig()
    hyperliquid: HyperliquidConfig = HyperliquidConfig()


class StorageConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`configs/storage.json`. A batch is written at `flush_rows` or after `flush_ms`, whichever comes first."""

    flush_rows: int = 5_000
    flush_ms: int = 5_000
    queue_rows: int = 200_000
    spool_bytes: int = 512 * 1024 * 1024
    #: days after which trades are dropped by partition; 0 keeps all
    trade_retention_days: int = 0


class ScannerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`configs/scanner.json`: the worker pool. The settings page overrides the first two."""

    use_optimized_stream_processor: bool = True
    #: 1–8; None: 70 % of the cores, 5 to 8
    optimized_processor_workers: int | None = None
    optimized_processor_batch_size: int = 50
    redis_url: str | None = None
    #: threads that calculate and store in the standard pipeline
    pipeline_threads: int = 2
    #: entries of the tick stream above which our producer writes to its disk spool instead
    stream_entries: int = 400_000
    #: what that spool may hold
    spool_bytes: int = 256 * 1024 * 1024
    #: days after which the workers' ticks, indicators and Greeks are dropped; 0 keeps all
    tick_retention_days: int = 0
    #: days after which detected patterns are dropped; 0 keeps all
    pattern_retention_days: int = 30


class Settings(msgspec.Struct, frozen=True):
    """Everything the process was told. `repr` never shows a secret."""

    market: MarketMode = "auto"
    replay: tuple[Path, ...] = ()
    speed: float = 1.0
    host: str = "127.0.0.1"
    port: int = 8050
    data_dir: Path = PROJECT_ROOT / "data"
    open_browser: bool = False
    database_url: str | None = None
    redis_url: str | None = None
    binance_rest_url: str | None = None
    binance_ws_url: str | None = None
    binance_wsapi_url: str | None = None
    binance_api_key: str | None = None
    binance_api_secret: str | None = None
    ibkr_host: str | None = None
    ibkr_port: int | None = None
    ibkr_client_id: int = 33
    hyperliquid_url: str | None = None
    secret_key: str | None = None
    admin_password: str | None = None
    log_level: str = "INFO"
    stream: StreamConfig = StreamConfig()
    storage: StorageConfig = StorageConfig()
    scanner: ScannerConfig = ScannerConfig()
    venues: VenuesConfig = VenuesConfig()

    def __repr__(self) -> str:
        return f"Settings(market={self.market!r}, host={self.host!r}, port={self.port}, data_dir={str(self.data_dir)!r})"

    @property
    def is_public(self) -> bool:
        """Whether the server listens beyond this machine, so that every page needs a login."""
        return not is_loopback(self.host)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret value, for the log filter."""
        values = (self.secret_key, self.admin_password, self.binance_api_key, self.binance_api_secret)
        urls = tuple(url for url in (self.database_url, self.redis_url) if url)
        # as it is typed and as it stands in the URL: an error message may quote either
        passwords = (form for url in urls for form in (url_password(url), urlsplit(url).password))
        return tuple(dict.fromkeys(value for value in (*values, *passwords) if value))


def is_loopback(host: str) -> bool:
    """Whether `host` names only this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def url_password(url: str) -> str | None:
    """The password inside a `scheme://user:password@host` URL, if it has one."""
    password = urlsplit(url).password
    return unquote(password) if password else None


_ENVIRONMENT: dict[str, str] = {
    "PORT": "port",
    "HOST": "host",
    "DATA_DIR": "data_dir",
    "DATABASE_URL": "database_url",
    "REDIS_URL": "redis_url",
    "MARKET": "market",
    "BINANCE_REST_URL": "binance_rest_url",
    "BINANCE_WS_URL": "binance_ws_url",
    "BINANCE_WSAPI_URL": "binance_wsapi_url",
    "BINANCE_API_KEY": "binance_api_key",
    "BINANCE_API_SECRET": "binance_api_secret",
    "IBKR_HOST": "ibkr_host",
    "IBKR_PORT": "ibkr_port",
    "IBKR_CLIENT_ID": "ibkr_client_id",
    "HYPERLIQUID_URL": "hyperliquid_url",
    "SECRET_KEY": "secret_key",
    "ADMIN_PASSWORD": "admin_password",
    "LOG_LEVEL": "log_level",
}

_T = TypeVar("_T", bound=msgspec.Struct)


def read_config(path: Path, kind: type[_T]) -> _T:
    """A typed file of `configs/`; its absence means the defaults. Raises ConfigError naming file and key."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return kind()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path}: {error}") from error


def load_settings(
    arguments: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    configs: Path = PROJECT_ROOT / "configs",
) -> Settings:
    """Settings from arguments (field name -> value, None = not given), environment and files, in that precedence.

    Raises ConfigError with one line that names the offender.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, object] = {}
    for variable, field in _ENVIRONMENT.items():
        if text := environ.get(variable, "").strip():
            values[field] = _from_environment(variable, field, text)
    values |= {k: v for k, v in (arguments or {}).items() if v is not None}
    values["stream"] = read_config(configs / "stream.json", StreamConfig)
    values["venues"] = read_config(configs / "venues.json", VenuesConfig)
    values["storage"] = read_config(configs / "storage.json", StorageConfig)
    values["scanner"] = read_config(configs / "scanner.json", ScannerConfig)
    return _checked(Settings(**values))  # type: ignore[arg-type]


def _from_environment(variable: str, field: str, text: str) -> object:
    if field in ("port", "ibkr_port", "ibkr_client_id"):
        try:
            return int(text)
        except ValueError:
            raise ConfigError(f"{variable} must be a whole number, was {text!r}") from None
    if field == "data_dir":
        return Path(text)
    return text


def _checked(settings: Settings) -> Settings:
    if settings.market not in MODES:
        raise ConfigError(f"market must be one of {', '.join(MODES)}, was {settings.market!r}")
    if not 0 <= settings.port <= 65_535:
        raise ConfigError(f"port must be 0–65535, was {settings.port}")
    if settings.speed < 0:
        raise ConfigError(f"speed must be 0 (as fast as it goes) or more, was {settings.speed:g}")
    if settings.market == "replay" and not settings.replay:
        raise ConfigError("--market replay needs --replay FILE…")
    if settings.replay and settings.market != "replay":
        raise ConfigError("--replay FILE… needs --market replay")
    for path in settings.replay:
        if not path.is_file():
            raise ConfigError(f"--replay: no such file: {path}")
    if settings.log_level.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ConfigError(f"LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR, was {settings.log_level!r}")
    _check_scanner(settings.scanner)
    if settings.is_public:
        _check_public(settings)
    return settings


def _check_scanner(scanner: ScannerConfig) -> None:
    """`configs/scanner.json` within its bounds."""
    ranges = {
        "optimized_processor_workers": (
            1 if scanner.optimized_processor_workers is None else scanner.optimized_processor_workers,
            1,
            8,
        ),
        "optimized_processor_batch_size": (scanner.optimized_processor_batch_size, 1, 5_000),
        "pipeline_threads": (scanner.pipeline_threads, 1, 16),
        "stream_entries": (scanner.stream_entries, 10_000, 100_000_000),
        "spool_bytes": (scanner.spool_bytes, 1 << 20, 1 << 40),
        "tick_retention_days": (scanner.tick_retention_days, 0, 36_500),
        "pattern_retention_days": (scanner.pattern_retention_days, 0, 36_500),
    }
    for name, (value, least, most) in ranges.items():
        if not least <= value <= most:
            raise ConfigError(f"scanner.json: {name} must be {least}–{most}, was {value}")


def _check_public(settings: Settings) -> None:
    """A server that others can reach must have a login that cannot be guessed."""
    missing = [n for n, v in (("ADMIN_PASSWORD", settings.admin_password), ("SECRET_KEY", settings.secret_key)) if not v]
    if missing:
        raise ConfigError(f"host {settings.host} is reachable by others: set {' and '.join(missing)}, or use 127.0.0.1")
    if len(settings.secret_key or "") < 16:
        raise ConfigError("SECRET_KEY must have at least 16 characters")
    if len(settings.admin_password or "") < 10:
        raise ConfigError("ADMIN_PASSWORD must have at least 10 characters")
