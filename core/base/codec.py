"""JSON in and out, by msgspec. Nothing is ever pickled."""

from typing import Any

import msgspec

encoder = msgspec.json.Encoder()


def to_json(value: Any) -> bytes:
    """JSON bytes of structs, dicts, lists, numbers, strings and enums. NaN and infinities become null."""
    return encoder.encode(value)


def from_json(data: bytes | str) -> Any:
    """Plain Python values of a JSON text. Raises msgspec.DecodeError on anything that is not JSON."""
    return msgspec.json.decode(data)
