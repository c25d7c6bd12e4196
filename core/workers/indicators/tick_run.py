"""Ticks of few symbols in plain floats: there an array operation costs more than it does."""

from collections.abc import Sequence
from math import dist, log1p, nan, sqrt

import numpy as np
from numpy.typing import NDArray

from core.workers.indicators.state_table import StateTable
from core.workers.indicators.tick_round import NO_MOVE
from core.workers.indicators.ticks import Ticks

#: of one tick: price, high, low, volume, day
Tick = tuple[float, float, float, float, float]


class TickRun:
    """Advances a symbol's state tick by tick, with the arithmetic of `TickRound`."""

    def __init__(self, table: StateTable) -> None:
        self._table = table
        self._gains: list[list[float]] = table.schedule.gains.T.tolist()
        self._blank: list[list[float]] = table.schedule.blank.T.tolist()

    def advance(self, rows: Sequence[int], ticks: Ticks, groups: Sequence[Sequence[int]], out: NDArray[np.float64]) -> None:
        """The ticks at the places `groups[i]` of the batch, in order, belong to `rows[i]`; results go to those places."""
        table = self._table
        which = np.array(rows)
        fields, rings, counts = table.fields[which].tolist(), table.rings[which].tolist(), table.counts[which].tolist()
        price, volume, day = ticks.price.tolist(), ticks.volume.tolist(), ticks.day.tolist()
        high, low = (price if column is None else column.tolist() for column in (ticks.high, ticks.low))
        batch = list(zip(price, high, low, volume, day, strict=True))
        results: list[tuple[float, ...]] = []
        for number, group in enumerate(groups):
            run = [batch[place] for place in group]
            fields[number] = self._advance(fields[number], rings[number], counts[number], run, results)
            counts[number] += len(run)
        out[:, [place for group in groups for place in group]] = np.array(results).T
        table.fields[which], table.rings[which], table.counts[which] = fields, rings, counts

    def _advance(
        self, fields: list[float], rings: list[float], count: int, run: list[Tick], results: list[tuple[float, ...]]
    ) -> list[float]:
        """Appends one entry a tick to `results`, keeps `rings` up and returns the fields after the run."""
        table = self._table
        config, last_seen, gains = table.config, table.schedule.last, self._gains
        price_width, return_width, volume_width = table.widths
        _, second, third = table.starts
        prices, squares, volumes = rings[:second], rings[second:third], rings[third:]
        annualisation, scale = config.annualisation, config.bollinger_deviations / sqrt(price_width)
        ema, fast, slow, rise, fall, true_range, signal, last, balance, turnover, traded, session = fields
        for price, high, low, volume, day in run:
            before = sum(volumes)
            ratio = volume * volume_width / before if before > 0 else nan
            change = price - last
            log_return = log1p(change / last)
            prices[count % price_width] = price
            squares[count % return_width] = log_return * log_return
            volumes[count % volume_width] = volume
            count += 1
            seen = count if count < last_seen else last_seen
            g_ema, g_fast, g_slow, g_rise, g_fall, g_range, g_signal = gains[seen]

            ema += g_ema * (price - ema)
            fast += g_fast * (price - fast)
            slow += g_slow * (price - slow)
            macd = fast - slow
            signal += g_signal * (macd - signal)
            up = change if change > 0 else 0.0
            rise += g_rise * (up - rise)
            fall += g_fall * (up - change - fall)
            moves = rise + fall
            true_range += g_range * ((high if high > last else last) - (low if low < last else last) - true_range)

            if change > 0:
                balance += volume
            elif change < 0:
                balance -= volume
            if day > session:
                session, turnover, traded = day, 0.0, 0.0
            if day == session:
                turnover += (price if high == low else (high + low + price) / 3) * volume
                traded += volume

            middle = sum(prices) / price_width
            reach = dist(prices, [middle] * price_width) * scale
            last = price
            values: tuple[float, ...] = (
                ema,
                100.0 * rise / moves if moves >= NO_MOVE else 0.0,
                macd,
                signal,
                macd - signal,
                true_range,
                middle + reach,
                middle,
                middle - reach,
                turnover / traded if traded > 0 else nan,
                balance,
                sqrt(sum(squares) * annualisation),
                ratio,
            )
            if count < last_seen:
                values = tuple(map(sum, zip(values, self._blank[seen], strict=True)))
            results.append(values)
        rings[:] = prices + squares + volumes
        return [ema, fast, slow, rise, fall, true_range, signal, last, balance, turnover, traded, session]
