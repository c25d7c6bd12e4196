"""The figures of the Options page are empty, in the theme's colours, and have the traces that the browser fills."""

import re
from pathlib import Path

import pytest

from web.figures.options import GREEKS, greeks_by_strike, volatility_smile
from web.figures.tokens import scheme_tokens

SCRIPT = Path(__file__).resolve().parents[3] / "assets" / "option_charts.js"


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_smile_has_calls_puts_and_a_line_at_the_money_that_waits_for_its_price(scheme: str) -> None:
    tokens = scheme_tokens(scheme)
    figure = volatility_smile(tokens)
    assert [(trace.name, trace.line.color, len(trace.x)) for trace in figure.data] == [
        ("Calls", tokens["up"], 0),
        ("Puts", tokens["down"], 0),
    ]
    assert len({trace.marker.symbol for trace in figure.data}) == 2, "told apart by shape too"
    assert [(shape.xref, shape.yref, shape.visible) for shape in figure.layout.shapes] == [("x", "y domain", False)]


def test_each_greek_has_a_pane_with_its_unit_calls_puts_and_a_line() -> None:
    figure = greeks_by_strike(scheme_tokens("dark"))
    assert [annotation.text for annotation in figure.layout.annotations] == list(GREEKS)
    panes = ["x", "x2", "x3", "x4", "x5", "x6"]
    assert [trace.xaxis for trace in figure.data] == [pane for pane in panes for _ in range(2)]
    assert [trace.name for trace in figure.data] == ["Calls", "Puts"] * 6
    assert [shape.xref for shape in figure.layout.shapes] == panes


def test_the_script_fills_the_panes_in_the_order_of_the_figure() -> None:
    units = re.search(r"const UNITS = \{(.*?)\}", SCRIPT.read_text(encoding="utf-8"))
    assert units is not None
    assert re.findall(r"(\w+):", units[1]) == [title.split()[0].lower() for title in GREEKS]


def test_figures_are_transparent_and_do_not_move_by_themselves() -> None:
    for figure in (volatility_smile(scheme_tokens("light")), greeks_by_strike(scheme_tokens("light"))):
        assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"
        assert figure.layout.transition.duration == 0
        assert figure.layout.xaxis.fixedrange
