"""Workers: does the pool keep up? Filled once a second from the `workers` channel by assets/workers.js."""

import dash
from dash import html

from web.components.dead_letters import dead_letters, replay_dialog
from web.components.pool_header import pool_header
from web.components.pool_panels import controls_panel, machine_panel, throughput_panel, workers_panel

dash.register_page(__name__, path="/workers", name="Workers", title="Workers · Quintet", order=5, icon="workers", key="w")


def layout(**_: str) -> html.Div:
    """The page with every slot at its size, before any data."""
    return html.Div(
        [
            html.H1("Workers", className="sr-only"),
            pool_header(),
            html.Div([throughput_panel(), controls_panel(), machine_panel()], className="pool-row"),
            workers_panel(),
            dead_letters(),
            replay_dialog(),
        ],
        className="page page-workers",
        id="page-workers",
        **{"data-page": "workers"},
    )
