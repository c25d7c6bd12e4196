"""The Dash app: shell and pages. Live data reaches the browser by `/feed`, never by Dash callbacks."""

from pathlib import Path

import dash
from dash import Dash
from fastapi import FastAPI

from core.system import System
from web.components.shell import shell

PROJECT_ROOT = Path(__file__).resolve().parents[1]

INDEX = """<!DOCTYPE html>
<html lang="en" data-rail="open">
    <head>
        {%metas%}
        <title>{%title%}</title>
        <link id="favicon" rel="icon" type="image/svg+xml" href="/assets/icons/favicon-live.svg">
        {%css%}
    </head>
    <body>
        {%app_entry%}
        <footer>
            {%config%}
            {%scripts%}
            {%renderer%}
        </footer>
    </body>
</html>"""

META_TAGS = [
    {"name": "viewport", "content": "width=device-width, initial-scale=1, viewport-fit=cover"},
    {"name": "description", "content": "A live trading and monitoring dashboard on one stream of five series"},
    {"name": "color-scheme", "content": "dark light"},
]


def create_dashboard(fastapi_app: FastAPI, system: System) -> Dash:
    """The dashboard, mounted on `fastapi_app`; pages find `system` at `fastapi_app.state.system`.

    Register the app's own routes first: Dash adds a catch-all when the server starts.
    """
    fastapi_app.state.system = system
    app = Dash(
        "web",
        server=fastapi_app,
        backend="fastapi",
        use_pages=True,
        pages_folder=str(PROJECT_ROOT / "web" / "pages"),
        assets_folder=str(PROJECT_ROOT / "assets"),
        serve_locally=True,
        include_pages_meta=False,
        enable_mcp=False,
        add_log_handler=False,
        index_string=INDEX,
        meta_tags=META_TAGS,
        title="Quintet",
        update_title="",
    )
    # Live data goes by /feed. A backend that can do WebSocket callbacks would have every page open a second socket for them.
    app.backend.websocket_capability = False
    app.layout = lambda: shell(system, list(dash.page_registry.values()))
    return app
