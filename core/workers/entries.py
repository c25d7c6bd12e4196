"""What came out of the stream, entry by entry."""

from collections.abc import Sequence

import msgspec

from core.workers.tick import PACKED, BadTick, Tick, decode, decode_packed


class Entry(msgspec.Struct, frozen=True, gc=False):
    """An entry as it stands in the stream: `pairs` are names and values in turn."""

    id: bytes
    pairs: list[bytes]

    @property
    def fields(self) -> dict[bytes, bytes]:
        return dict(zip(self.pairs[::2], self.pairs[1::2], strict=True))


class Refused(msgspec.Struct, frozen=True):
    """An entry that is no tick, and why."""

    entry: Entry
    reason: str


class Decoded(msgspec.Struct, frozen=True):
    """`ticks[n]` came out of `entries[n]`."""

    entries: list[Entry]
    ticks: list[Tick]
    refused: list[Refused]


class Pending(msgspec.Struct, frozen=True, gc=False):
    """An entry that was given out and not acknowledged, `deliveries` times so far."""

    id: bytes
    deliveries: int


def entries_of(reply: Sequence[Sequence[object]] | None) -> list[Entry]:
    """Entries out of XREADGROUP's or XCLAIM's list; those deleted meanwhile have no fields and are left out."""
    return [Entry(entry_id, pairs) for entry_id, pairs in reply or () if pairs]  # type: ignore[arg-type]


def entry_key(entry_id: bytes) -> int:
    """An entry's id as one number of 63 bits: ms, then 20 bits of the number within the ms."""
    ms, _, number = entry_id.partition(b"-")
    return (int(ms) << 20 | int(number) & 0xFFFFF) & 0x7FFFFFFFFFFFFFFF


def entry_ms(entry_id: bytes) -> int:
    """When the entry was added (Unix ms, Redis's clock)."""
    return int(entry_id.partition(b"-")[0])


def next_id(entry_id: str) -> str:
    """The smallest id after one."""
    ms, _, number = entry_id.partition("-")
    return f"{ms}-{int(number or 0) + 1}"


def is_after(one: str, other: str) -> bool:
    """Whether an id is larger than another."""
    return _parts(one) > _parts(other)


def _parts(entry_id: str) -> tuple[int, int]:
    ms, _, number = entry_id.partition("-")
    return int(ms), int(number or 0)


def decode_all(entries: Sequence[Entry]) -> Decoded:
    """Every entry is decoded or refused; none costs another."""
    if all(len(entry.pairs) == 2 and entry.pairs[0] == PACKED for entry in entries):
        ticks = decode_packed([entry.id for entry in entries], [entry.pairs[1] for entry in entries])
        if ticks is not None:
            return Decoded(list(entries), ticks, [])
    decoded = Decoded([], [], [])
    for entry in entries:
        try:
            tick = decode(entry.id, entry.fields)
        except BadTick as error:
            decoded.refused.append(Refused(entry, str(error)))
        else:
            decoded.entries.append(entry)
            decoded.ticks.append(tick)
    return decoded
