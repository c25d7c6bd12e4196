"""Frames and fields of the TWS text protocol, and layouts: message shapes as data, one for all server versions.

A frame is a big-endian uint32 length and that many bytes of fields, each UTF-8 and ended by a NUL. Booleans are 1 and 0,
what is not set is empty, and a double that is not set is `UNSET_DOUBLE` in what the server sends.
"""

import re
import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple

UNSET_DOUBLE = "1.7976931348623157E308"
UNSET_INTEGER = "2147483647"
#: no message of a client is longer than this; more is a broken frame
MAX_FRAME_BYTES = 1 << 20

Value = str | int | float | bool | None


class Malformed(Exception):
    """A message that cannot be read; the text tells why."""


class Field(NamedTuple):
    """One field: there from server version `since` up to (not including) `until`."""

    name: str
    default: str
    since: int
    until: int


Layout = tuple[Field, ...]

_TOKEN = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:=(?P<default>[^<>\s]*))?(?:(?P<sign><|>=)(?P<version>\d+))?")


def layout(text: str) -> Layout:
    """A layout from its notation: `name`, `name=default`, `name>=176` (since), `name<177` (until), separated by blanks."""
    fields = []
    for token in text.split():
        match = _TOKEN.fullmatch(token)
        if match is None:
            raise ValueError(f"not a field: {token!r}")
        version = int(match["version"] or 0)
        since, until = (version, 1 << 30) if match["sign"] != "<" else (0, version)
        fields.append(Field(match["name"], match["default"] or "", since, until))
    return tuple(fields)


def present(shape: Layout, version: int) -> list[Field]:
    """The fields that a layout has at a server version."""
    return [field for field in shape if field.since <= version < field.until]


def text(value: Value) -> str:
    """A value as its field."""
    if value is True:
        return "1"
    if value is False:
        return "0"
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def values_of(shape: Layout, version: int, values: Mapping[str, Value]) -> list[str]:
    """The fields of a layout filled with values; what is not given has its default."""
    return [text(values[f.name]) if f.name in values else f.default for f in present(shape, version)]


def frame(fields: Iterable[str]) -> bytes:
    """A whole frame of the fields."""
    body = ("\0".join(fields) + "\0").encode()
    return struct.pack(">I", len(body)) + body


def encode(shape: Layout, version: int, /, **values: Value) -> bytes:
    """A frame of a layout's fields."""
    return frame(values_of(shape, version, values))


class Cursor:
    """Reads the fields of a message from first to last. Every reader raises Malformed when there is nothing left."""

    def __init__(self, fields: list[str], version: int) -> None:
        self.fields = fields
        self.version = version
        self.position = 0

    @classmethod
    def of_body(cls, body: bytes, version: int) -> "Cursor":
        """A cursor over a frame's body (without the length)."""
        fields = body.decode(errors="backslashreplace").split("\0")
        if fields[-1] == "":
            fields.pop()
        return cls(fields, version)

    @property
    def left(self) -> int:
        return len(self.fields) - self.position

    def string(self) -> str:
        if self.position >= len(self.fields):
            raise Malformed(f"message {self.fields[:1]} ends after {len(self.fields)} fields")
        self.position += 1
        return self.fields[self.position - 1]

    def integer(self) -> int:
        """An int; empty counts as 0."""
        value = self.string()
        try:
            return int(value or 0)
        except ValueError:
            raise Malformed(f"not an integer: {value[:40]!r}") from None

    def flag(self) -> bool:
        return self.string() not in ("", "0", "false")

    def read(self, shape: Layout) -> dict[str, str]:
        """All fields of a layout by name."""
        return {field.name: self.string() for field in present(shape, self.version)}


def number(value: str) -> float | None:
    """A double; None where it is not set. Raises Malformed on anything that is not a number."""
    if not value or value == UNSET_DOUBLE:
        return None
    try:
        return float(value)
    except ValueError:
        raise Malformed(f"not a number: {value[:40]!r}") from None
