"""`app.py` whose heat map of ETH holds ten minutes from the start: what the heat map's benchmark runs."""

import random
import sys
import threading
import time

import app
from core.domain.market import BookView, Trade
from core.market.liquidity import COLUMNS, PERIOD_MS, LiquidityHistory
from core.system import System

SYMBOL = "ETHUSDT"
TRADES = 4
WAIT_S = 30.0


def past(view: BookView, tick: float, lot: float, now_ms: int) -> LiquidityHistory:
    """A history that ends with `view` just before `now_ms`: its prices walk, and every size breathes."""
    randomness = random.Random(7)
    steps = [randomness.choice((-3, -2, -1, 0, 0, 1, 2, 3)) for _ in range(COLUMNS)]
    history = LiquidityHistory(tick, lot)
    ticks = -sum(steps)
    for number, step in enumerate(steps):
        ticks += step
        shift = ticks * tick

        def moved(levels: tuple[tuple[float, float], ...], shift: float = shift) -> tuple[tuple[float, float], ...]:
            return tuple((price + shift, size * randomness.uniform(0.6, 1.6)) for price, size in levels)

        bids, asks = moved(view.bids), moved(view.asks)
        history.on_book(BookView(view.symbol, number, bids, asks, view.event_ms))
        for _ in range(TRADES):
            is_sell = randomness.random() < 0.5
            price = bids[0][0] if is_sell else asks[0][0]
            history.on_trade(Trade(view.symbol, number, price, randomness.expovariate(2.0), 0, is_sell))
        history.tick(now_ms - (COLUMNS - number) * PERIOD_MS)
    return history


class FilledSystem(System):
    """Puts the past in place as soon as there is a book."""

    def start(self) -> None:
        super().start()
        threading.Thread(target=self._fill, daemon=True).start()

    def _fill(self) -> None:
        end = time.monotonic() + WAIT_S
        while (view := self.stream.book(SYMBOL)) is None and time.monotonic() < end:
            time.sleep(0.05)
        if view is not None:
            instrument = self.stream.instruments[SYMBOL]
            filled = past(view, instrument.tick_size, instrument.lot_size, self.clock.now_ms())
            self.liquidity._histories[SYMBOL] = filled


def main() -> int:
    import core.system

    core.system.System = FilledSystem  # type: ignore[misc]
    return app.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
