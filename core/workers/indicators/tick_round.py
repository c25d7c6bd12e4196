"""One tick of each of many symbols: every step is one array operation over all of them."""

import numpy as np
from numpy.typing import NDArray

from core.workers.indicators import batch
from core.workers.indicators.state_table import (
    BALANCE,
    DAY,
    EMA,
    FALL,
    FAST,
    FIELD_COUNT,
    LAST_PRICE,
    RISE,
    SIGNAL,
    SLOW,
    TRUE_RANGE,
    TURNOVER,
    VOLUME,
    StateTable,
)
from core.workers.indicators.ticks import Ticks

Floats = NDArray[np.float64]
#: below this TA-Lib takes the sum of the mean rise and fall for zero
NO_MOVE = 1e-14


class TickRound:
    """Advances the states of distinct rows by one tick each."""

    def __init__(self, table: StateTable) -> None:
        self._table = table
        self._starts = np.array(table.starts)[:, None]
        self._widths = np.array(table.widths)[:, None]
        self._ring_width = sum(table.widths)
        self._columns = [slice(s, s + w) for s, w in zip(table.starts, table.widths, strict=True)]
        self._all_rings = table.rings.reshape(-1)

    def advance(self, rows: NDArray[np.int64], ticks: Ticks, places: NDArray[np.int64] | slice, out: Floats) -> None:
        """The ticks at `places` of the batch belong to `rows`, all different; their results go to `out[:, places]`."""
        table = self._table
        price, volume = ticks.price[places], ticks.volume[places]
        state = np.ascontiguousarray(table.fields.take(rows, axis=0).T)
        assert state.shape[0] == FIELD_COUNT
        counts = table.counts.take(rows)
        seen = np.minimum(counts + 1, table.schedule.last)
        result = np.empty((len(batch.OUTPUTS), len(rows)))

        last = state[LAST_PRICE]
        change = price - last
        self._means(state, seen, ticks, places, price, change, result)
        state[BALANCE] += np.sign(change) * volume
        result[batch.OBV] = state[BALANCE]
        self._session(state, ticks, places, price, volume, result)
        self._windows(rows, counts, price, np.log1p(change / last), volume, result)
        state[LAST_PRICE] = price

        result += table.schedule.blank.take(seen, axis=1)
        out[:, places] = result
        table.fields[rows] = state.T
        table.counts[rows] = counts + 1

    def _means(
        self,
        state: Floats,
        seen: NDArray[np.int64],
        ticks: Ticks,
        places: NDArray[np.int64] | slice,
        price: Floats,
        change: Floats,
        result: Floats,
    ) -> None:
        gains = self._table.schedule.gains.take(seen, axis=1)
        values = np.empty((SIGNAL, len(price)))
        values[EMA : SLOW + 1] = price
        rise = np.maximum(change, 0.0, out=values[RISE])
        fall = np.subtract(rise, change, out=values[FALL])
        if ticks.high is None or ticks.low is None:
            np.add(rise, fall, out=values[TRUE_RANGE])
        else:
            last = state[LAST_PRICE]
            values[TRUE_RANGE] = np.maximum(ticks.high[places], last) - np.minimum(ticks.low[places], last)
        means = state[:SIGNAL]
        values -= means
        values *= gains[:SIGNAL]
        means += values
        macd = np.subtract(state[FAST], state[SLOW], out=result[batch.MACD])
        state[SIGNAL] += gains[SIGNAL] * (macd - state[SIGNAL])

        result[batch.EMA] = state[EMA]
        result[batch.ATR] = state[TRUE_RANGE]
        result[batch.MACD_SIGNAL] = state[SIGNAL]
        np.subtract(macd, state[SIGNAL], out=result[batch.MACD_HISTOGRAM])
        moves = state[RISE] + state[FALL]
        rsi = result[batch.RSI]
        rsi.fill(0.0)
        np.divide(state[RISE] * 100.0, moves, out=rsi, where=moves >= NO_MOVE)

    def _session(
        self,
        state: Floats,
        ticks: Ticks,
        places: NDArray[np.int64] | slice,
        price: Floats,
        volume: Floats,
        result: Floats,
    ) -> None:
        day = ticks.day[places]
        other_day = day != state[DAY]
        if other_day.any():
            later = day > state[DAY]
            state[TURNOVER, later] = 0.0
            state[VOLUME, later] = 0.0
            state[DAY, later] = day[later]
            volume = np.where(day < state[DAY], 0.0, volume)
        typical = price if ticks.high is None or ticks.low is None else (ticks.high[places] + ticks.low[places] + price) / 3
        state[TURNOVER] += typical * volume
        state[VOLUME] += volume
        vwap = result[batch.VWAP]
        vwap.fill(np.nan)
        np.divide(state[TURNOVER], state[VOLUME], out=vwap, where=state[VOLUME] > 0)

    def _windows(
        self,
        rows: NDArray[np.int64],
        counts: NDArray[np.int64],
        price: Floats,
        log_return: Floats,
        volume: Floats,
        result: Floats,
    ) -> None:
        """Windows are summed anew: running sums would keep the rounding of a jump for ever."""
        config, width = self._table.config, self._ring_width
        windows = self._table.rings.take(rows, axis=0)
        prices, squares, volumes = (windows[:, columns] for columns in self._columns)

        before = volumes.sum(axis=1)
        ratio = result[batch.VOLUME_RATIO]
        ratio.fill(np.nan)
        np.divide(volume * config.volume_ratio, before, out=ratio, where=before > 0)

        newest = np.empty((len(self._starts), len(rows)))
        newest[0] = price
        np.multiply(log_return, log_return, out=newest[1])
        newest[2] = volume
        places = counts % self._widths + self._starts
        windows.reshape(-1)[places + np.arange(len(rows)) * width] = newest
        self._all_rings[places + rows * width] = newest

        middle = prices.sum(axis=1) / config.bollinger
        prices -= middle[:, None]
        reach = np.sqrt(np.einsum("ij,ij->i", prices, prices) / config.bollinger) * config.bollinger_deviations
        result[batch.MIDDLE] = middle
        np.add(middle, reach, out=result[batch.UPPER])
        np.subtract(middle, reach, out=result[batch.LOWER])
        np.sqrt(squares.sum(axis=1) * config.annualisation, out=result[batch.VOLATILITY])
