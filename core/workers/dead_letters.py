"""What could not be processed: listed, and put back into the stream."""

from typing import Any

import msgspec

from core.base.errors import StorageUnavailable
from core.workers import stream_scripts
from core.workers.redis_clients import REDIS_TROUBLE, ask_sync, sync_client, trouble
from core.workers.stream_names import DEAD, STREAM
from core.workers.tick import PACKED

#: an epitaph stands after the entry's own fields: reason, deliveries, first_ms, last_ms, entry
EPITAPH = 5
_PAGE = 500


class DeadLetters:
    """All methods block for seconds at most, and raise StorageUnavailable when Redis is away."""

    def __init__(self, redis_url: str) -> None:
        self._client = sync_client(redis_url)

    def list(self, limit: int) -> dict[str, Any]:
        """The body of `GET /api/v1/workers/dead`: the newest first. Bytes that are no text are shown as far as they are."""
        try:
            reply = ask_sync(self._client, "XREVRANGE", DEAD, "+", "-", "COUNT", limit)
        except REDIS_TROUBLE as error:
            raise StorageUnavailable(trouble(error)) from error
        return {"entries": [_told(entry_id, pairs) for entry_id, pairs in reply]}

    def replay(self, entry_id: str) -> int:
        """Put one dead letter, or "all" that there are now, back into the stream as they came; how many were.

        A tick keeps its event id, be it its first entry's: what was stored of it already is not stored again.
        """
        try:
            if entry_id != "all":
                return self._replay(ask_sync(self._client, "XRANGE", DEAD, entry_id, entry_id))
            newest = ask_sync(self._client, "XREVRANGE", DEAD, "+", "-", "COUNT", 1)
            replayed, start = 0, b"-"
            while newest and (page := ask_sync(self._client, "XRANGE", DEAD, start, newest[0][0], "COUNT", _PAGE)):
                replayed += self._replay(page)
                start = b"(" + page[-1][0]
            return replayed
        except REDIS_TROUBLE as error:
            if "Invalid stream ID" in str(error):
                return 0
            raise StorageUnavailable(trouble(error)) from error

    def _replay(self, letters: Any) -> int:
        replayed = 0
        for entry_id, pairs in letters:
            own = pairs[: -2 * EPITAPH]
            if own:
                fields = with_event_id(own, pairs[-1])
                replayed += int(self._client.eval(stream_scripts.REPLAY, 2, DEAD, STREAM, entry_id, *fields))
        return replayed

    def close(self) -> None:
        self._client.close()


def with_event_id(pairs: "list[bytes]", entry_id: bytes) -> "list[bytes]":
    """An entry's fields with its first id as the event id, where the tick has none of its own."""
    fields = dict(zip(pairs[::2], pairs[1::2], strict=True))
    if PACKED not in fields:
        return pairs if fields.get(b"event_id") else [*pairs, b"event_id", entry_id]
    try:
        tick = msgspec.json.decode(fields[PACKED])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return pairs
    if not isinstance(tick, dict) or tick.get("event_id"):
        return pairs
    fields[PACKED] = msgspec.json.encode(tick | {"event_id": entry_id.decode()})
    return [part for pair in fields.items() for part in pair]


def _told(entry_id: bytes, pairs: "list[bytes]") -> dict[str, Any]:
    own, epitaph = pairs[: -2 * EPITAPH], pairs[-2 * EPITAPH :]
    reason, deliveries, first_ms, last_ms, _ = (value.decode("utf-8", "replace") for value in epitaph[1::2])
    return {
        "id": entry_id.decode(),
        "reason": reason,
        "deliveries": int(deliveries),
        "first_ms": int(first_ms),
        "last_ms": int(last_ms),
        "fields": {
            name.decode("utf-8", "replace"): value.decode("utf-8", "replace")
            for name, value in zip(own[::2], own[1::2], strict=True)
        },
    }
