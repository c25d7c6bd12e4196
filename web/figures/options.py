"""The volatility smile of an expiry, and its Greeks by strike: empty, the browser puts the numbers into their traces."""

from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from web.figures.frame import axis_style, frame_layout
from web.figures.tokens import Tokens

#: (name, colour token, marker) in the order of the traces: where calls and puts agree, the ring shows around the dot
RIGHTS = (("Calls", "up", "circle-open"), ("Puts", "down", "circle"))

#: (title with its unit) of the panes, row by row; assets/option_charts.js knows their order
GREEKS = ("Delta", "Gamma", "Vega /vol point", "Theta /day", "Rho /%", "Vanna /vol point")
ROWS, COLUMNS = 2, 3


def volatility_smile(tokens: Tokens) -> go.Figure:
    """Implied volatility in % by strike: calls, puts, and a line at the underlying's price."""
    figure = go.Figure([_line(name, tokens[token], marker, size=4) for name, token, marker in RIGHTS])
    figure.update_layout(
        **frame_layout(tokens),
        shapes=[_at_the_money(tokens, "")],
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"},
        hovermode="x unified",
    )
    figure.update_traces(hovertemplate="%{y:.2f} %")
    figure.update_xaxes(automargin=True, **axis_style(tokens))
    figure.update_yaxes(automargin=True, ticksuffix=" %", **axis_style(tokens))
    return figure


def greeks_by_strike(tokens: Tokens) -> go.Figure:
    """A pane a Greek: calls and puts by strike, a line at the underlying's price."""
    figure = make_subplots(
        rows=ROWS, cols=COLUMNS, shared_xaxes=True, subplot_titles=GREEKS, horizontal_spacing=0.07, vertical_spacing=0.16
    )
    for index in range(len(GREEKS)):
        for name, token, marker in RIGHTS:
            line = _line(name, tokens[token], marker, size=3)
            figure.add_trace(line, row=index // COLUMNS + 1, col=index % COLUMNS + 1)
    figure.update_layout(
        **frame_layout(tokens),
        showlegend=False,
        shapes=[_at_the_money(tokens, str(index + 1) if index else "") for index in range(len(GREEKS))],
    )
    figure.update_traces(hovertemplate="%{x}: %{y:.4g}")
    figure.update_annotations(font={"size": 11, "color": tokens["muted"]})
    figure.update_xaxes(automargin=True, nticks=4, tickangle=0, **axis_style(tokens))
    figure.update_yaxes(automargin=True, nticks=5, **axis_style(tokens))
    return figure


def _line(name: str, colour: str, marker: str, size: int) -> go.Scatter:
    return go.Scatter(
        name=name,
        x=[],
        y=[],
        mode="lines+markers",
        line={"color": colour, "width": 1.4},
        marker={"color": colour, "size": size + 3 if marker.endswith("open") else size, "symbol": marker},
        connectgaps=False,
    )


def _at_the_money(tokens: Tokens, axis: str) -> dict[str, Any]:
    """A line from bottom to top of the pane `axis`, not seen until the browser knows where it stands."""
    return {
        "type": "line", "xref": f"x{axis}", "yref": f"y{axis} domain", "x0": 0, "x1": 0, "y0": 0, "y1": 1, "visible": False,
        "line": {"color": tokens["muted"], "width": 1, "dash": "dot"},
    }  # fmt: skip
