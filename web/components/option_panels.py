"""The parts of the Options page: what is looked at, its verdict, the figures, the chain."""

from collections.abc import Sequence

import plotly.graph_objects as go
from dash import dcc, html

from web.components.panel import how, panel
from web.figures.options import greeks_by_strike, volatility_smile
from web.figures.tokens import scheme_tokens

#: of the figures, CSS pixels
HEIGHT = 232

FIGURES: tuple[tuple[str, str, str, str], ...] = (
    ("price", "Underlying", "Price of the underlying in the newest tick of this expiry", ""),
    (
        "atm",
        "At the money",
        "Implied volatility at the strike nearest to the underlying's price, calls and puts averaged",
        "",
    ),
    ("parity", "Put − call", "Median difference of puts' and calls' volatilities at the same strike", "parity"),
    ("butterfly", "Butterflies", "Strikes whose call costs more than its neighbours allow", "butterfly"),
    ("calendar", "Calendar", "Expiries whose total variance is below that of the one before", "calendar"),
    ("age", "Newest tick", "Since the newest option tick of this expiry", ""),
)

#: (key, heading, unit, what it is called in full, key of its explanation) from the outside to the strike
CHAIN_COLUMNS: tuple[tuple[str, str, str, str, str], ...] = (
    ("age", "Age", "", "age", "option_age"),
    ("rho", "Rho", "/%", "rho per percent", "rho"),
    ("theta", "Theta", "/day", "theta per day", "theta"),
    ("vega", "Vega", "/pt", "vega per volatility point", "vega"),
    ("gamma", "Gamma", "", "gamma", "gamma"),
    ("delta", "Delta", "", "delta", "delta"),
    ("bid", "Bid", "", "bid", ""),
    ("ask", "Ask", "", "ask", ""),
    ("price", "Price", "", "price", ""),
    ("volatility", "IV", "%", "implied volatility in percent", "volatility_states"),
)

#: the columns from the strike outwards: as the calls' in reverse, but the bid stands before the ask
_PUTS = ("volatility", "price", "bid", "ask", "delta", "gamma", "vega", "theta", "rho", "age")

STRIKE_CHOICES = (("near", "21 nearest"), ("all", "All strikes"))

XADD = """redis-cli -u "$REDIS_URL" XADD ticks:intraday:processed '*' \\
  symbol BTC-25DEC26-100000-C venue DERIBIT \\
  ts_ms "$(date +%s)000" price 0.094 underlying_price 98400"""


def option_header() -> html.Section:
    """What is looked at, the verdict on its surface, the figures that it stands on."""
    return html.Section(
        [
            html.Div(
                [
                    html.Div(id="option-underlying", className="option-select"),
                    html.Div(id="option-venue", className="option-select option-venue", hidden=True),
                    html.Span("", id="option-at", className="option-at", title="The venue of these options"),
                    html.Div(
                        [
                            html.P("Waiting for the first answer", id="option-verdict", className="verdict", role="status"),
                            html.P("", id="option-hint", className="pool-hint num"),
                        ],
                        className="sharing-words",
                    ),
                    html.Dl([_figure(*entry) for entry in FIGURES], className="sharing-figures option-figures"),
                    how("surface", "The volatility surface"),
                ],
                className="option-strip",
            ),
            html.Div(id="option-expiries", className="option-expiries", role="radiogroup", **{"aria-label": "Expiry"}),
        ],
        className="card option-header",
        id="surface",
        **{"aria-label": "Volatility surface"},
    )


def _figure(key: str, label: str, title: str, measure: str) -> html.Div:
    term = html.Dt([label, how(measure, label)]) if measure else html.Dt(label)
    return html.Div([term, html.Dd("–", id=f"option-{key}", className="num ageing")], title=title)


def smile_panel() -> html.Section:
    return panel(
        "Volatility smile",
        _graph("option-smile", volatility_smile(scheme_tokens("dark"))),
        identity="smile",
        measure="smile",
        note_id="smile-note",
    )  # fmt: skip


def greeks_panel() -> html.Section:
    figure = greeks_by_strike(scheme_tokens("dark"))
    return panel("Greeks by strike", _graph("option-greeks", figure), identity="greeks", measure="greeks")


def _graph(identity: str, figure: go.Figure) -> dcc.Graph:
    """Drawn with its panes at once: Plotly does not get from one pane to six without errors."""
    config = {"displayModeBar": False, "responsive": True, "doubleClick": False, "scrollZoom": False}
    return dcc.Graph(
        id=identity, figure=figure, config=config, style={"height": f"{HEIGHT}px"}, responsive=True, className="graph"
    )


def chain_panel() -> html.Section:
    """Calls on the left, puts on the right, the strike between them; what one trades by stands nearest to it."""
    heads = [*_heads("call", CHAIN_COLUMNS), html.Th("Strike", className="strike", scope="col")]
    heads += _heads("put", sorted(CHAIN_COLUMNS, key=lambda column: _PUTS.index(column[0])))
    span = str(len(CHAIN_COLUMNS))
    table = html.Table(
        [
            html.Thead(
                [
                    html.Tr(
                        [html.Td("Calls", colSpan=span), html.Td("", className="strike"), html.Td("Puts", colSpan=span)],
                        className="chain-sides",
                        **{"aria-hidden": "true"},
                    ),
                    html.Tr(heads),
                ]
            ),
            html.Tbody(id="chain-rows", **{"data-empty": "No option of this expiry has come yet."}),
        ],
        className="live-table",
    )
    return panel(
        "Chain",
        [html.Div(table, className="table-scroll", tabIndex="0"), html.P("", id="chain-states", className="note")],
        identity="chain",
        measure="chain",
        note_id="chain-note",
        action=html.Div(
            [
                html.Button(words, className="chip", **{"data-strikes": key, "aria-pressed": "false"})
                for key, words in STRIKE_CHOICES
            ],
            className="chain-strikes",
            id="chain-strikes",
            role="group",
            **{"aria-label": "Strikes"},
        ),
    )


def _heads(side: str, columns: Sequence[tuple[str, str, str, str, str]]) -> list[html.Th]:
    heads = []
    for key, label, unit, name, measure in columns:
        explained = {"data-how": measure, "tabIndex": "0"} if measure else {}
        heads.append(
            html.Th(
                [label, html.Span(f" {unit}" if unit else "", className="unit")],
                className=f"figure chain-{key}",
                scope="col",
                title=f"{side.capitalize()}: {name}",
                **{"aria-label": f"{side} {name}", **explained},
            )
        )
    return heads


def no_options() -> html.Section:
    """What the page shows before the first option tick: what will be here, and the one command that brings it."""
    return html.Section(
        [
            html.H2("No option tick has come yet"),
            html.P(
                "Every option tick in the stream is valued by the workers: implied volatility, price and Greeks. Its chain "
                "appears here within seconds. To see one now, add a tick by hand:"
            ),
            html.Pre(html.Code(XADD), className="option-command", tabIndex="0"),
            html.P(
                [
                    "Symbols of Deribit, OCC, Interactive Brokers, NSE and BSE, and Binance are understood. Needed are ",
                    html.Code("symbol"), ", ", html.Code("ts_ms"), ", ", html.Code("price"), " and for options ",
                    html.Code("underlying_price"), "; ", html.Code("rate"), ", ", html.Code("dividend"), ", ",
                    html.Code("bid"), ", ", html.Code("ask"), " may be given.",
                ]
            ),
            html.P(
                [
                    "A tick that is not understood is listed with its reason under ",
                    dcc.Link("Workers: dead letters", href="/workers#dead-letters"),
                    ".",
                ],
                className="empty-meanwhile",
            ),
        ],
        id="option-empty",
        className="card empty option-empty",
        hidden=True,
    )  # fmt: skip
