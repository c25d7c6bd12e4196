"""Tables of the worker pool: their definitions and the layouts of their rows.

`worker_ticks` and `worker_greeks` are partitioned by day (hypertables where TimescaleDB is). `entry` tells which entry of
the stream a row came from: the same one again is a redelivery, another one with the same event a duplicate. Unknown quotes
and indicators are NULL; an option's unknown figures are NaN.
"""

import numpy as np
import numpy.typing as npt

from core.storage.connection import TimedConnection

Packed = npt.NDArray[np.void]

SYMBOLS = """
CREATE TABLE worker_symbols (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    venue text NOT NULL,
    text text NOT NULL,
    kind text, exchange text, underlying text, root text, quote text, expiry date, month text, strike double precision,
    side text, underlying_kind text,
    note text NOT NULL DEFAULT '',
    UNIQUE (venue, text)
);
CREATE INDEX worker_symbols_underlying ON worker_symbols (underlying) WHERE kind = 'option'
"""

TICKS = """
CREATE TABLE worker_ticks (
    symbol_id int NOT NULL,
    ts timestamptz NOT NULL,
    event_key bigint NOT NULL,
    entry bigint NOT NULL,
    price double precision NOT NULL CHECK (price > 0 AND price < 'Infinity'),
    volume double precision NOT NULL CHECK (volume >= 0 AND volume < 'Infinity'),
    bid double precision,
    ask double precision,
    PRIMARY KEY (symbol_id, ts, event_key)
)
"""

GREEKS = """
CREATE TABLE worker_greeks (
    symbol_id int NOT NULL,
    ts timestamptz NOT NULL,
    event_key bigint NOT NULL,
    volatility_state smallint NOT NULL,
    years double precision NOT NULL,
    underlying_price double precision NOT NULL,
    price double precision,
    implied_volatility double precision,
    delta double precision, gamma double precision, vega double precision, theta double precision, rho double precision,
    vanna double precision, vomma double precision,
    PRIMARY KEY (symbol_id, ts, event_key)
)
"""

INDICATOR_NAMES = (
    "ema",
    "rsi",
    "macd",
    "macd_signal",
    "macd_histogram",
    "atr",
    "bollinger_upper",
    "bollinger_middle",
    "bollinger_lower",
    "vwap",
    "obv",
    "realised_volatility",
    "volume_ratio",
)

INDICATORS = f"""
CREATE TABLE worker_indicators (
    symbol_id int NOT NULL,
    ts timestamptz NOT NULL,
    {", ".join(f"{name} double precision" for name in INDICATOR_NAMES)},
    PRIMARY KEY (symbol_id, ts)
);
CREATE TABLE worker_states (symbol_id int PRIMARY KEY, shard smallint NOT NULL, state bytea NOT NULL);
CREATE INDEX worker_states_shard ON worker_states (shard);
CREATE TABLE worker_shards (
    shard smallint PRIMARY KEY, epoch bigint NOT NULL, owner text NOT NULL, position text NOT NULL DEFAULT '0-0',
    at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE worker_stream_epoch (
    consumer_group text PRIMARY KEY, marker text NOT NULL, run_id text NOT NULL,
    last_id text NOT NULL, newest_id text NOT NULL,
    entries bigint NOT NULL, losses int NOT NULL DEFAULT 0, note text NOT NULL DEFAULT '',
    lost_ms bigint NOT NULL DEFAULT 0
)
"""

#: columns -> Postgres types, in the order in which they are copied
TICK_COLUMNS = {
    "symbol_id": "int4",
    "ts": "timestamptz",
    "event_key": "int8",
    "entry": "int8",
    "price": "float8",
    "volume": "float8",
    "bid": "float8",
    "ask": "float8",
}
GREEK_VALUES = ("price", "implied_volatility", "delta", "gamma", "vega", "theta", "rho", "vanna", "vomma")
GREEK_COLUMNS = {
    "symbol_id": "int4",
    "ts": "timestamptz",
    "event_key": "int8",
    "volatility_state": "int2",
    "years": "float8",
    "underlying_price": "float8",
} | dict.fromkeys(GREEK_VALUES, "float8")
INDICATOR_COLUMNS = {"symbol_id": "int4", "ts": "timestamptz"} | dict.fromkeys(INDICATOR_NAMES, "float8")

_NUMPY = {"int2": "<i2", "int4": "<i4", "int8": "<i8", "float8": "<f8", "timestamptz": "<i8"}


def _layout(columns: dict[str, str]) -> np.dtype[np.void]:
    return np.dtype([(name, _NUMPY[kind]) for name, kind in columns.items()])


#: rows as the writer takes them: `ts` in Unix ms, NaN for what is unknown
TICK_ROW = _layout(TICK_COLUMNS)
GREEK_ROW = _layout(GREEK_COLUMNS)
INDICATOR_ROW = _layout(INDICATOR_COLUMNS)


def create(connection: TimedConnection, has_timescale: bool) -> None:
    """The migration's step."""
    connection.execute(SYMBOLS)
    for table, definition in (("worker_ticks", TICKS), ("worker_greeks", GREEKS)):
        connection.execute(definition if has_timescale else definition + "PARTITION BY RANGE (ts)")
        if has_timescale:
            connection.execute("SELECT create_hypertable(%s, 'ts', chunk_time_interval => interval '1 day')", (table,))
    connection.execute(INDICATORS)
