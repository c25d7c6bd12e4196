"""`UniversalDataStream`: the snapshot that models are given."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class UniversalDataStream:
    """The five series at one moment.

    Each array is read-only, float64, of shape (rows, 6): timestamp (ms UTC), open, high, low, close, volume.
    `timestamp` is Unix ms. `metadata` has `source`, and per series `freshness`, `age_ms` and `completeness`.
    """

    eth_ticks: Rows
    eth_1m: Rows
    eth_1h: Rows
    eth_1d: Rows
    btc_ticks: Rows
    timestamp: int
    metadata: dict[str, Any]
