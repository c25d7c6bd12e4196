"""What a venue is asked depends on the symbols, never on how many listen."""

from hypothesis import given
from hypothesis import strategies as st

from core.venues.sharing import Sharing

SYMBOLS = ("AAPL", "MSFT", "ETHUSDT")
MODELS = tuple(f"model-{n}" for n in range(9))


def test_only_the_first_and_the_last_consumer_of_a_symbol_matter() -> None:
    sharing = Sharing()
    assert [sharing.join("AAPL", model) for model in MODELS] == [True] + [False] * 8
    assert not sharing.join("AAPL", MODELS[0]), "joining twice must not count twice"
    assert (sharing.listeners("AAPL"), sharing.subscribers, sharing.registrations) == (9, 9, 9)
    assert [sharing.leave("AAPL", model) for model in MODELS] == [False] * 8 + [True]
    assert not sharing.leave("AAPL", MODELS[0])
    assert (sharing.listeners("AAPL"), sharing.subscribers, sharing.registrations) == (0, 0, 0)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(SYMBOLS), st.sampled_from(MODELS))))
def test_joins_that_open_and_leaves_that_close_take_turns(steps: list[tuple[bool, str, str]]) -> None:
    sharing, is_open = Sharing(), dict.fromkeys(SYMBOLS, False)
    model: set[tuple[str, str]] = set()
    for is_join, symbol, consumer in steps:
        if is_join:
            opened = sharing.join(symbol, consumer)
            assert opened == (not is_open[symbol])
            is_open[symbol] = True
            model.add((symbol, consumer))
        else:
            if sharing.leave(symbol, consumer):
                assert is_open[symbol]
                is_open[symbol] = False
            model.discard((symbol, consumer))
        assert is_open[symbol] == any(s == symbol for s, _ in model)
    assert sharing.registrations == len(model)
    assert sharing.subscribers == len({consumer for _, consumer in model})
