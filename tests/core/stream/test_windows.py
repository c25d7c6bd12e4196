"""What models are fed."""

import dataclasses

import numpy as np
import pytest

from core.base.errors import BadInput
from core.domain.series import SERIES
from core.domain.snapshot import Rows, UniversalDataStream
from core.stream import UniversalDataAdapter
from core.stream.windows import validate, window_for_cnn, window_for_rl, window_for_transformer


def rows_of(step_ms: int, count: int) -> Rows:
    rng = np.random.default_rng(step_ms)
    close = 2_000 * np.exp(np.cumsum(rng.normal(0, 1e-3, count)))
    open_ = np.append(close[0], close[:-1])
    high, low = np.maximum(open_, close) * 1.001, np.minimum(open_, close) * 0.999
    return np.column_stack([np.arange(count) * step_ms, open_, high, low, close, rng.exponential(50, count)]).astype(
        np.float64
    )


@pytest.fixture
def snapshot() -> UniversalDataStream:
    return UniversalDataStream(**{s.name: rows_of(s.step_ms, 50) for s in SERIES.values()}, timestamp=0, metadata={})


def test_shapes_are_as_documented_and_every_value_is_finite(snapshot: UniversalDataStream) -> None:
    cnn, rl, tokens = window_for_cnn(snapshot, 30), window_for_rl(snapshot, 30), window_for_transformer(snapshot, 30)
    assert (cnn.shape, rl.shape, tokens.shape) == ((5, 5, 30), (5 * 33,), (30, 25))
    for window in (cnn, rl, tokens):
        assert window.dtype == np.float32
        assert np.isfinite(window).all()


def test_values_are_relative_to_the_last_close(snapshot: UniversalDataStream) -> None:
    cnn, rl, tokens = window_for_cnn(snapshot, 30), window_for_rl(snapshot, 30), window_for_transformer(snapshot, 30)
    last = snapshot.eth_1m[-30:]
    assert cnn[1, 3, -1] == 0
    assert cnn[1, 0, 4] == pytest.approx(np.log(last[4, 1] / last[-1, 4]), rel=1e-5)
    assert cnn[1, 4, 4] == pytest.approx(np.log1p(last[4, 5]), rel=1e-6)
    assert np.array_equal(tokens[4, 5:10], cnn[1, :, 4])
    state = rl.reshape(5, 33)[1]
    assert state[0] == pytest.approx(np.log(last[1, 4] / last[0, 4]), rel=1e-3)
    assert state[-1] == pytest.approx(np.log1p(last[-1, 5]), rel=1e-6)
    assert state[-3] > 0 > state[-2]


@pytest.mark.parametrize("window", [window_for_cnn, window_for_rl, window_for_transformer])
def test_too_few_rows_are_refused_naming_the_series(snapshot: UniversalDataStream, window: object) -> None:
    short = dataclasses.replace(snapshot, eth_1d=snapshot.eth_1d[-7:])
    with pytest.raises(BadInput, match=r"eth_1d: has 7 rows, the window needs 30"):
        window(short, 30)  # type: ignore[operator]
    with pytest.raises(BadInput, match="at least 2"):
        window(snapshot, 1)  # type: ignore[operator]


def test_a_good_snapshot_is_valid_and_so_is_an_empty_one(snapshot: UniversalDataStream) -> None:
    validate(snapshot)
    empty = np.empty((0, 6))
    validate(UniversalDataStream(empty, empty, empty, empty, empty, 0, {}))


@pytest.mark.parametrize(
    ("place", "value", "fault"),
    [
        ((3, 4), np.nan, "row 3 has a value that is not finite"),
        ((4, 0), 61_000, "row 4 has a timestamp off"),
        ((4, 0), 60_000 * 9, "row 4 does not follow"),
        ((5, 2), 1.0, "row 5 has a high below"),
        ((6, 3), 9_999.0, "row 6 has a low above"),
        ((7, 3), 0.0, "row 7 has a price that is not positive"),
        ((8, 5), -1.0, "row 8 has a negative volume"),
    ],
)
def test_a_fault_is_named_with_its_series_and_row(
    snapshot: UniversalDataStream, place: tuple[int, int], value: float, fault: str
) -> None:
    snapshot.eth_1m[place] = value
    with pytest.raises(BadInput, match=f"eth_1m: {fault}"):
        UniversalDataAdapter.validate(snapshot)


@pytest.mark.parametrize("array", [np.zeros((3, 5)), np.zeros(6), np.zeros((3, 6), dtype=np.float32), [[0.0] * 6]])
def test_arrays_of_another_shape_or_type_are_refused(snapshot: UniversalDataStream, array: object) -> None:
    with pytest.raises(BadInput, match="btc_ticks: must be"):
        validate(dataclasses.replace(snapshot, btc_ticks=array))  # type: ignore[arg-type]
