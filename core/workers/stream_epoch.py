"""Which Redis the stream lives in, noted in Postgres: one that comes back with less than it had is noticed."""

import logging
import secrets
from collections.abc import Mapping
from typing import Any

import msgspec
import redis

from core.storage.connection import TimedConnection, connect
from core.storage.migrations import migrate
from core.storage.tick_writer import TickWriter
from core.workers.entries import is_after
from core.workers.redis_clients import ask_sync, sync_client
from core.workers.stream_names import GROUP, MARKER, STREAM

logger = logging.getLogger(__name__)

_LIMIT_S = 5.0


class Look(msgspec.Struct, frozen=True):
    """What Redis says: our marker in it, the name of its present run, the last entry given to the group, the newest entry,
    and how many were ever added."""

    marker: str
    run_id: str
    last_id: str
    newest_id: str
    entries: int


class StreamEpoch(msgspec.Struct, frozen=True):
    """The last look; how often the stream came back with less; what the last loss was, or ""; and when (Unix ms)."""

    look: Look
    losses: int = 0
    note: str = ""
    lost_ms: int = 0


def judge(before: StreamEpoch | None, now: Look, now_ms: int) -> StreamEpoch:
    """The epoch after a look. A Redis that came back empty has not our marker, one that came back older has fewer entries;
    ids alone do not tell, since a new stream's are later ones."""
    if before is None:
        return StreamEpoch(now)
    then = before.look
    if now.marker == then.marker and now.entries >= then.entries and not is_after(then.last_id, now.newest_id):
        return StreamEpoch(now, before.losses, before.note, before.lost_ms)
    lost = (
        f"entries after {then.last_id} up to {then.newest_id}" if is_after(then.newest_id, then.last_id) else "none unread"
    )
    run = "the same run" if now.run_id == then.run_id else "another run"
    note = f"Redis has lost its stream of {then.entries} entries ({run}, now {now.entries}); lost: {lost}"
    return StreamEpoch(now, before.losses + 1, note, now_ms)


def read_epoch(connection: TimedConnection) -> StreamEpoch | None:
    """What was noted last. Raises psycopg.Error."""
    row = connection.execute(
        """SELECT marker, run_id, last_id, newest_id, entries, losses, note, lost_ms FROM worker_stream_epoch
        WHERE consumer_group = %s""",
        (GROUP,),
    ).fetchone()
    return StreamEpoch(Look(*row[:5]), *row[5:]) if row else None


def note_epoch(
    client: "redis.Redis", writer: TickWriter, known: StreamEpoch | None, group: Mapping[str, Any], now_ms: int
) -> StreamEpoch:
    """Look, and note what has changed; `group` is ours out of XINFO GROUPS. Raises what either server raises."""
    stream: dict[str, Any] = client.xinfo_stream(STREAM)
    client.set(MARKER, secrets.token_hex(8), nx=True)
    look = Look(
        str(ask_sync(client, "GET", MARKER).decode()),
        str(client.info("server")["run_id"]),
        group["last-delivered-id"].decode(),
        stream["last-generated-id"].decode(),
        int(stream["entries-added"]),
    )
    with writer.connection.limited(_LIMIT_S):
        before = known or read_epoch(writer.connection)
        epoch = judge(before, look, now_ms)
        if before is not None and epoch.losses > before.losses:
            logger.error("%s", epoch.note)
        if epoch != before:
            _write(writer.connection, epoch)
    return epoch


def _write(connection: TimedConnection, epoch: StreamEpoch) -> None:
    connection.execute(
        """INSERT INTO worker_stream_epoch
        (consumer_group, marker, run_id, last_id, newest_id, entries, losses, note, lost_ms)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (consumer_group) DO UPDATE SET marker = excluded.marker,
        run_id = excluded.run_id, last_id = excluded.last_id, newest_id = excluded.newest_id, entries = excluded.entries,
        losses = excluded.losses, note = excluded.note, lost_ms = excluded.lost_ms""",
        (GROUP, *msgspec.structs.astuple(epoch.look), epoch.losses, epoch.note, epoch.lost_ms),
    )


def first_id(url: str, dsn: str) -> str:
    """After which entry a new group begins: where the last one was, if the stream is the same, else before all.

    Blocks for seconds; raises StorageUnavailable and what Redis raises.
    """
    client = sync_client(url)
    try:
        newest = ask_sync(client, "XREVRANGE", STREAM, "+", "-", "COUNT", 1) if client.exists(STREAM) else []
    finally:
        client.close()
    if not newest:
        return "0"
    connection = connect(dsn, _LIMIT_S)
    try:
        with connection.limited(_LIMIT_S):
            migrate(connection)
            epoch = read_epoch(connection)
    finally:
        connection.close()
    if epoch is None or is_after(epoch.look.last_id, newest[0][0].decode()):
        return "0"
    return epoch.look.last_id
