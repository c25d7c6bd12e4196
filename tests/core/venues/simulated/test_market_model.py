"""The made market: exact at every level, and the same for ever."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.venues.simulated.bars import Bars, Shape, aggregate, concatenate, divide, fills_before, order_of
from core.venues.simulated.instruments import SPECS
from core.venues.simulated.intervals import DAY, HOUR, MINUTE, SECOND
from core.venues.simulated.market_model import SymbolModel
from core.venues.simulated.model_trades import TradeMaker
from core.venues.simulated.noise import exponential, normal, uniform

ETH, BTC = SPECS
NOW_MS = 1_780_000_123_456
COLUMNS = [name for name in Bars.__slots__ if name != "previous"]


@pytest.fixture(scope="module")
def models() -> dict[str, SymbolModel]:
    return {spec.symbol: SymbolModel(spec, seed=7) for spec in SPECS}


def same(left: Bars, right: Bars) -> bool:
    return all(np.array_equal(getattr(left, name), getattr(right, name)) for name in Bars.__slots__)


def random_shape(key: int, parents: int, per: int) -> Shape:
    index = np.arange(parents * per).reshape(parents, per)
    anchor = np.floor(uniform(key, np.arange(parents)) * per).astype(np.int64)
    return Shape(
        *(f(key + i, index) for i, f in enumerate((exponential, exponential, normal, exponential, exponential))), anchor
    )


@st.composite
def parents(draw: st.DrawFn) -> Bars:
    """One candle that keeps the rule of `core.venues.simulated.bars`, of any size."""
    orders = draw(st.integers(0, 40))
    open_ = draw(st.integers(1_000, 1_400))
    close = open_ if orders < 2 else draw(st.integers(1_000, 1_400))
    top, bottom = max(open_, close), min(open_, close)
    high = top + (draw(st.integers(0, 300)) if orders >= 3 else 0)
    low = bottom - (draw(st.integers(0, 300)) if orders >= 4 or (orders == 3 and high == top) else 0)
    first = draw(st.integers(0, 10_000))
    trades = int(fills_before(np.array([first + orders]))[0] - fills_before(np.array([first]))[0])
    lots = trades + (draw(st.integers(0, 10_000)) if orders else 0)
    previous = draw(st.integers(900, 1_500))
    if not orders:
        open_ = high = low = close = previous
    return Bars(*(np.array([v]) for v in (17, open_, high, low, close, previous, lots, orders, first)))


@given(parent=parents(), key=st.integers(0, 2**60), per=st.sampled_from([24, 60]))
@settings(max_examples=300)
def test_children_always_add_up_to_their_parent_exactly(parent: Bars, key: int, per: int) -> None:
    children = divide(parent, random_shape(key, 1, per))
    whole = aggregate(children, np.zeros(1, np.int64), parent.index)
    assert same(whole, parent)
    assert (children.high >= np.maximum(children.open, children.close)).all()
    assert (children.low <= np.minimum(children.open, children.close)).all()
    assert (children.lots >= children.trades).all()


@given(parent=parents(), key=st.integers(0, 2**60))
@settings(max_examples=300)
def test_the_trades_of_any_candle_meet_its_prices_and_its_volume(parent: Bars, key: int) -> None:
    orders, trades = TradeMaker(key, "X").make(parent)
    assert len(orders) == parent.orders[0]
    assert len(trades) == parent.trades[0]
    assert trades.lots.sum() == parent.lots[0]
    if len(orders):
        price = orders.price
        assert (price[0], price.max(), price.min(), price[-1]) == tuple(
            int(c[0]) for c in (parent.open, parent.high, parent.low, parent.close)
        )
        assert trades.lots.min() >= 1
        assert (trades.trade_id == parent.first_trade[0] + np.arange(len(trades))).all()
        assert (np.diff(orders.ts_ms) >= 0).all()
        assert orders.ts_ms[0] // 1000 == orders.ts_ms[-1] // 1000 == parent.index[0]


@given(st.integers(0, 10**12))
def test_the_order_of_a_trade_is_the_one_whose_fills_contain_it(trade: int) -> None:
    order = order_of(trade)
    first, after = fills_before(np.array([order, order + 1]))
    assert first <= trade < after


@pytest.mark.parametrize(("longer", "shorter"), [(DAY, HOUR), (HOUR, MINUTE), (MINUTE, SECOND)])
def test_every_level_of_candles_is_the_sum_of_the_next(models: dict[str, SymbolModel], longer: int, shorter: int) -> None:
    per = longer // shorter
    last = NOW_MS // longer
    for model in models.values():
        long = model.bars(longer, last - 40, last)
        short = model.bars(shorter, (last - 40) * per, (last + 1) * per - 1)
        made = aggregate(short, np.arange(0, len(short), per), long.index)
        assert all(np.array_equal(getattr(made, name), getattr(long, name)) for name in COLUMNS)
        assert np.array_equal(long.first_trade[1:], (long.first_trade + long.trades)[:-1])


def test_the_same_seed_is_the_same_market_however_it_is_asked(models: dict[str, SymbolModel]) -> None:
    other = SymbolModel(ETH, seed=7)
    minute = NOW_MS // MINUTE
    at_once = models["ETHUSDT"].bars(SECOND, (minute - 300) * 60, minute * 60 - 1)
    one_by_one = [other.bars(SECOND, m * 60, m * 60 + 59) for m in range(minute - 1, minute - 301, -1)]
    assert same(at_once, concatenate(one_by_one[::-1]))
    for mine, yours in zip(models["ETHUSDT"].block(minute * 60), other.block(minute * 60 + 59), strict=True):
        assert all(np.array_equal(getattr(mine, name), getattr(yours, name)) for name in type(mine).__slots__)


def test_another_seed_is_another_market(models: dict[str, SymbolModel]) -> None:
    other = SymbolModel(ETH, seed=8)
    mine, yours = (m.bars(DAY, NOW_MS // DAY - 10, NOW_MS // DAY).close for m in (models["ETHUSDT"], other))
    assert not np.array_equal(mine, yours)


def test_a_running_candle_is_what_happened_so_far(models: dict[str, SymbolModel]) -> None:
    model = models["BTCUSDT"]
    running = model.bars_until(MINUTE, NOW_MS // MINUTE, NOW_MS)
    orders, trades = model.block(NOW_MS // SECOND)
    seen = (orders.ts_ms <= NOW_MS) & (orders.ts_ms >= NOW_MS // MINUTE * MINUTE)
    price = orders.price[seen]
    assert (running.open[0], running.high[0], running.low[0], running.close[0]) == (
        price[0], price.max(), price.min(), price[-1],
    )  # fmt: skip
    assert running.lots[0] == trades.lots[seen[trades.order]].sum()


def test_the_two_symbols_move_together_and_trade_like_the_real_ones(models: dict[str, SymbolModel]) -> None:
    minute = NOW_MS // MINUTE
    returns = [np.diff(np.log(m.bars(MINUTE, minute - 1_440, minute).close)) for m in models.values()]
    assert 0.6 < np.corrcoef(*returns)[0, 1] < 0.98
    days = [m.bars(DAY, NOW_MS // DAY - 500, NOW_MS // DAY) for m in models.values()]
    per_second = [float(d.trades.mean()) / 86_400 for d in days]
    assert 15 < per_second[0] < 25
    assert 25 < per_second[1] < 40
    second = NOW_MS // SECOND
    quiet = (models["ETHUSDT"].bars(SECOND, second - 86_400, second).orders == 0).mean()
    assert 0.01 < quiet < 0.08


@pytest.mark.parametrize("rate", [0.01, 0.3, 300.0])
def test_quiet_and_wild_markets_keep_every_sum_too(rate: float) -> None:
    model = SymbolModel(ETH, seed=3, rate=rate)
    minute = NOW_MS // MINUTE
    long = model.bars(MINUTE, minute - 30, minute)
    short = model.bars(SECOND, (minute - 30) * 60, minute * 60 + 59)
    made = aggregate(short, np.arange(0, len(short), 60), long.index)
    assert all(np.array_equal(getattr(made, name), getattr(long, name)) for name in COLUMNS)
    second = model.bars(SECOND, NOW_MS // SECOND, NOW_MS // SECOND)
    orders, _ = model.block(NOW_MS // SECOND)
    assert (orders.ts_ms // 1000 == second.index[0]).sum() == second.orders[0]
