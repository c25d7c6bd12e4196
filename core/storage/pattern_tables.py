"""The table of detected patterns."""

PATTERN_TABLES = """
CREATE TABLE worker_patterns (
    symbol text NOT NULL,
    ts timestamptz NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    direction smallint NOT NULL,
    strength real NOT NULL,
    price double precision NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (symbol, ts, name)
);
CREATE INDEX worker_patterns_ts ON worker_patterns (ts DESC);
"""
