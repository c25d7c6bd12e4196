"""What is asked of the stored trades and bars. Each takes a connection and a moment."""

from core.storage.connection import TimedConnection


def last_trade_id(connection: TimedConnection, symbol: str) -> int | None:
    """The largest stored trade id of a symbol, None when there is no trade."""
    row = connection.execute(
        "SELECT max(trade_id) FROM trades WHERE instrument_id = (SELECT id FROM instruments WHERE symbol = %s)", (symbol,)
    ).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def count_trades(connection: TimedConnection, symbol: str) -> int:
    """How many trades of a symbol are stored."""
    row = connection.execute(
        "SELECT count(*) FROM trades WHERE instrument_id = (SELECT id FROM instruments WHERE symbol = %s)", (symbol,)
    ).fetchone()
    return 0 if row is None else int(row[0])


def history(connection: TimedConnection, series: str, limit: int, before_ms: int | None) -> list[list[float]]:
    """The newest `limit` closed bars of a series that open before `before_ms` (Unix ms; None: all), oldest first.

    A row is `[timestamp in ms, open, high, low, close, volume]`.
    """
    rows = connection.execute(
        """SELECT (extract(epoch FROM ts) * 1000)::float8, open, high, low, close, volume FROM bars
        WHERE series_id = (SELECT id FROM series WHERE name = %s) AND ts < coalesce(to_timestamp(%s / 1000.0), 'infinity')
        ORDER BY ts DESC LIMIT %s""",
        (series, before_ms, limit),
    ).fetchall()
    return [list(row) for row in reversed(rows)]
