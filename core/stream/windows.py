"""What models are fed: validated snapshots as float32 arrays of documented shapes. Pure."""

import numpy as np
import numpy.typing as npt

from core.base.errors import BadInput
from core.domain.series import COLUMNS, SERIES, SERIES_NAMES
from core.domain.snapshot import Rows, UniversalDataStream

Floats = npt.NDArray[np.float32]

#: per row: log of open, high, low, close over the window's last close, and log(1 + volume)
FEATURES = 5


def validate(stream: UniversalDataStream) -> None:
    """Check all five series. Raises BadInput naming the series and its fault."""
    for name in SERIES_NAMES:
        if fault := _fault(getattr(stream, name), SERIES[name].step_ms):
            raise BadInput(f"{name}: {fault}")


def _fault(rows: Rows, step_ms: int) -> str:
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.shape[1] != len(COLUMNS):
        return f"must be an array of shape (rows, {len(COLUMNS)}), was {getattr(rows, 'shape', type(rows).__name__)}"
    if rows.dtype != np.float64:
        return f"must be float64, was {rows.dtype}"
    if not np.isfinite(rows).all():
        return f"row {_first(~np.isfinite(rows).all(axis=1))} has a value that is not finite"
    timestamp, open_, high, low, close, volume = rows.T
    checks = (
        (timestamp % step_ms != 0, f"has a timestamp off the {step_ms} ms grid"),
        (np.append(False, np.diff(timestamp) != step_ms), f"does not follow the one before by {step_ms} ms"),
        (low <= 0, "has a price that is not positive"),
        (high < np.maximum(open_, close), "has a high below its open or close"),
        (low > np.minimum(open_, close), "has a low above its open or close"),
        (volume < 0, "has a negative volume"),
    )
    return next((f"row {_first(bad)} {words}" for bad, words in checks if bad.any()), "")


def _first(bad: npt.ArrayLike) -> int:
    return int(np.argmax(bad))


def _features(stream: UniversalDataStream, rows: int) -> npt.NDArray[np.float64]:
    """Shape (5 series, rows, 5 features)."""
    if rows < 2:
        raise BadInput(f"a window needs at least 2 rows, was {rows}")
    out = np.empty((len(SERIES_NAMES), rows, FEATURES))
    for index, name in enumerate(SERIES_NAMES):
        # a copy: the newest row may change while we compute
        series = getattr(stream, name)[-rows:].copy()
        if len(series) < rows:
            raise BadInput(f"{name}: has {len(series)} rows, the window needs {rows}")
        if not np.isfinite(series).all() or (series[:, 1:5] <= 0).any() or (series[:, 5] < 0).any():
            raise BadInput(f"{name}: has prices or volumes that no model can use")
        out[index, :, :4] = np.log(series[:, 1:5] / series[-1, 4])
        out[index, :, 4] = np.log1p(series[:, 5])
    return out


def window_for_cnn(stream: UniversalDataStream, rows: int) -> Floats:
    """Shape (5 series, 5 features, rows), oldest first; series in the order of SERIES_NAMES, features as FEATURES says.

    Raises BadInput naming the series that has too few rows.
    """
    return np.ascontiguousarray(_features(stream, rows).transpose(0, 2, 1), dtype=np.float32)


def window_for_rl(stream: UniversalDataStream, rows: int) -> Floats:
    """A state vector of length 5·(rows + 3): per series rows − 1 log returns of closes, oldest first, then the newest bar's
    log open, high and low over its close, and log(1 + volume). Raises BadInput naming the series that has too few rows.
    """
    features = _features(stream, rows)
    returns = np.diff(features[:, :, 3], axis=1)
    newest = features[:, -1, [0, 1, 2, 4]]
    return np.concatenate([returns, newest], axis=1).astype(np.float32).ravel()


def window_for_transformer(stream: UniversalDataStream, rows: int) -> Floats:
    """Shape (rows, 25): one token a row, oldest first, the five features of each series one after the other.

    Row k of every series is its k-th newest, whatever its step. Raises BadInput naming the series that has too few rows.
    """
    features = _features(stream, rows).transpose(1, 0, 2)
    return np.ascontiguousarray(features.reshape(rows, len(SERIES_NAMES) * FEATURES), dtype=np.float32)
