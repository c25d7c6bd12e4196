"""The five series."""

import numpy as np
import pytest

from core.domain.instrument import INSTRUMENTS
from core.domain.market import BarFlag, BarUpdate, Trade
from core.domain.series import COLUMNS, SERIES, SERIES_NAMES, series_for, series_of
from core.domain.snapshot import UniversalDataStream


def test_their_names_and_columns_are_what_the_contract_says() -> None:
    assert SERIES_NAMES == ("eth_ticks", "eth_1m", "eth_1h", "eth_1d", "btc_ticks")
    assert COLUMNS == ("timestamp", "open", "high", "low", "close", "volume")


def test_seconds_are_kept_for_a_day_at_least() -> None:
    for name in ("eth_ticks", "btc_ticks"):
        assert SERIES[name].capacity * SERIES[name].step_ms >= 24 * 3_600_000


def test_a_trade_of_eth_feeds_four_series_and_one_of_btc_one() -> None:
    assert [spec.name for spec in series_of("ETHUSDT")] == ["eth_ticks", "eth_1m", "eth_1h", "eth_1d"]
    assert [spec.name for spec in series_of("BTCUSDT")] == ["btc_ticks"]
    assert series_of("XRPUSDT") == ()


@pytest.mark.parametrize("name", SERIES_NAMES)
def test_a_series_is_found_by_symbol_and_interval(name: str) -> None:
    spec = SERIES[name]
    assert series_for(spec.symbol, spec.interval) is spec
    assert spec.symbol in INSTRUMENTS


def test_an_unknown_interval_has_no_series() -> None:
    assert series_for("ETHUSDT", "5m") is None
    assert series_for("BTCUSDT", "1m") is None


def test_a_float32_timestamp_would_not_do() -> None:
    """Why rows are float64."""
    assert int(np.float64(1_723_161_255_611)) == 1_723_161_255_611
    assert int(np.float32(1_723_161_255_611)) != 1_723_161_255_611


def test_facts_cannot_be_changed() -> None:
    trade = Trade("ETHUSDT", 1, 2.0, 3.0, 4, True)
    with pytest.raises(AttributeError):
        trade.price = 5.0  # type: ignore[misc]
    with pytest.raises(AttributeError):
        BarUpdate("eth_1m", (0.0, 1, 1, 1, 1, 1), BarFlag.NONE).series = "x"  # type: ignore[misc]
    snapshot = UniversalDataStream(*[np.empty((0, 6))] * 5, timestamp=0, metadata={})
    with pytest.raises(AttributeError):
        snapshot.timestamp = 5  # type: ignore[misc]
