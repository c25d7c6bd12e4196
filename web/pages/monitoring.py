"""Monitoring: is the pipeline healthy? Filled once a second from the `monitoring` channel by assets/monitoring.js."""

import dash
from dash import Input, Output, dcc, html

from web.components.callbacks import server_callback
from web.components.live_table import Column, live_table
from web.components.panel import panel
from web.figures.latency import consumer_histogram, latency_waterfall
from web.figures.tokens import scheme_tokens

dash.register_page(
    __name__, path="/monitoring", name="Monitoring", title="Monitoring · Quintet", order=3, icon="monitoring", key="m"
)

GRAPH_CONFIG = {"displayModeBar": False, "responsive": True, "doubleClick": False, "scrollZoom": False}

SLO_COLUMNS = (
    Column("", figures=False),
    Column("Metric", figures=False),
    Column("Target"),
    Column("Now"),
    Column("Last minutes", figures=False),
)
CONSUMER_COLUMNS = (
    Column("Consumer", figures=False),
    Column("Types", figures=False, hide_on_phone=True),
    Column("Rate", "/s", measure="rate"),
    Column("Delivered", measure="delivered"),
    Column("Dropped", measure="dropped"),
    Column("Errors", measure="errors"),
    Column("Queue", measure="queue"),
    Column("p50", measure="latency"),
    Column("p95", measure="latency", hide_on_phone=True),
    Column("p99", measure="latency"),
    Column("Max", measure="latency", hide_on_phone=True),
    Column("Latency histogram", figures=False, measure="histogram", hide_on_phone=True),
)
CHANNEL_COLUMNS = (
    Column("Channel", figures=False),
    Column("State", figures=False),
    Column("Age", measure="age"),
    Column("Rate", "/s", measure="rate"),
    Column("Gaps", measure="gaps"),
)
CACHE_COLUMNS = (
    Column("Layer", figures=False),
    Column("Hit rate", measure="cache"),
    Column("Hits"),
    Column("Misses"),
    Column("Entries"),
    Column("Size"),
)
INCIDENT_COLUMNS = (
    Column("Since", figures=False),
    Column("Lasted"),
    Column("Component", figures=False),
    Column("Cause", figures=False),
)


def layout(**_: str) -> html.Div:
    """The page with every slot at its size, before any data."""
    return html.Div(
        [
            html.H1("Monitoring", className="sr-only"),
            html.Div(
                [
                    panel(
                        "Success metrics",
                        live_table("slo-rows", SLO_COLUMNS, "Waiting for the first figures.", rows=8),
                        identity="slo",
                        measure="slo",
                        note_id="slo-note",
                        class_name="span-5",
                    ),
                    panel(
                        "Latency, stage by stage",
                        [_graph("waterfall", 240), html.P("", id="waterfall-note", className="note")],
                        identity="waterfall-panel",
                        measure="waterfall",
                        note_id="waterfall-total",
                        class_name="span-4",
                    ),
                    html.Div(
                        [
                            panel(
                                "Storage",
                                _figures("storage-figures"),
                                identity="storage",
                                measure="storage",
                                note_id="storage-state",
                            ),
                            panel("Process", _figures("process-figures"), identity="process", measure="process"),
                        ],
                        className="span-3 stack",
                    ),
                    panel(
                        "Consumers",
                        live_table("consumer-rows", CONSUMER_COLUMNS, "No consumer is registered.", rows=3),
                        identity="consumers",
                        measure="consumers",
                        note_id="consumer-note",
                        class_name="span-12",
                    ),
                    panel(
                        "Channels",
                        live_table("channel-rows", CHANNEL_COLUMNS, "No venue is connected yet.", rows=6),
                        identity="channels",
                        measure="channels",
                        note_id="channel-note",
                        class_name="span-5",
                    ),
                    html.Div(
                        [
                            panel(
                                "Caches by layer",
                                live_table(
                                    "cache-rows",
                                    CACHE_COLUMNS,
                                    "No cache has been asked yet: open a chart's history.",
                                    rows=2,
                                ),
                                identity="caches",
                                measure="cache",
                            ),
                            panel(
                                "Incidents",
                                live_table("incident-rows", INCIDENT_COLUMNS, "No incident since the start.", rows=4),
                                identity="incidents",
                                measure="incidents",
                            ),
                        ],
                        className="span-4 stack",
                    ),
                    panel(
                        "Latency histogram",
                        _graph("histogram", 190),
                        identity="histogram-panel",
                        measure="histogram",
                        note_id="histogram-note",
                        class_name="span-3",
                    ),
                ],
                className="monitoring-grid",
            ),
            dcc.Store(id="monitoring-scheme", data="dark"),
        ],
        className="page page-monitoring",
        id="page-monitoring",
        **{"data-page": "monitoring"},
    )


def _graph(identity: str, height: int) -> dcc.Graph:
    return dcc.Graph(id=identity, config=GRAPH_CONFIG, style={"height": f"{height}px"}, responsive=True, className="graph")


def _figures(identity: str) -> html.Dl:
    return html.Dl(id=identity, className="figures", **{"data-loading": "true"})


@server_callback(
    Output("waterfall", "figure"),
    Output("histogram", "figure"),
    Input("monitoring-scheme", "data"),
)
async def draw(scheme: str) -> tuple[object, object]:
    """Empty figures in the theme's colours; the feed's numbers are put into them in the browser."""
    tokens = scheme_tokens(scheme)
    return latency_waterfall([], tokens), consumer_histogram([], [], tokens)
