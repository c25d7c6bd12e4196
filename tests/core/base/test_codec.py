"""JSON in and out."""

import msgspec
import pytest

from core.base.codec import from_json, to_json
from core.domain.health import Freshness, Incident


def test_structs_and_enums_become_plain_json() -> None:
    assert from_json(to_json({"incident": Incident("binance", "lost", 5), "state": Freshness.LIVE})) == {
        "incident": {
            "component": "binance",
            "cause": "lost",
            "start_ms": 5,
            "end_ms": 0,
            "detail": "",
            "kind": "unknown",
        },
        "state": "LIVE",
    }


def test_what_is_no_number_becomes_null() -> None:
    assert to_json([float("nan"), float("inf")]) == b"[null,null]"


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        from_json(b"{nonsense")
