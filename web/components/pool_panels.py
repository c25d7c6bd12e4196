"""The panels of the Workers page: throughput, controls, the machine, and each worker."""

from dash import html

from web.components.live_table import Column, live_table
from web.components.panel import panel
from web.components.setting_choice import setting_choice

PROCESSORS = ("optimized", "standard")
COUNTS = (None, 1, 2, 3, 4, 5, 6, 7, 8)

WORKER_COLUMNS = (
    Column("Worker", figures=False),
    Column("State", figures=False, measure="worker_state"),
    Column("Batch", "ticks", measure="worker_batch"),
    Column("Rate", "/s", measure="worker_rate"),
    Column("Last 2 min", figures=False, hide_on_phone=True),
    Column("p50", measure="batch_ms"),
    Column("p99", measure="batch_ms"),
    Column("Processed"),
    Column("Errors", measure="worker_errors"),
    Column("Last error", figures=False),
    Column("Core", figures=False, measure="core_kind"),
    Column("Shards", figures=False, measure="shards"),
    Column("In state", measure="worker_since"),
    Column("Report", measure="worker_report"),
)


def throughput_panel() -> html.Section:
    """Ticks stored a second over ten minutes, drawn by assets/throughput.js."""
    body = html.Div(
        [
            html.Canvas(
                id="throughput-canvas",
                className="throughput-canvas graph",
                role="img",
                **{"aria-label": "Ticks stored a second, last ten minutes"},
            ),
            html.Div(className="skeleton", **{"aria-hidden": "true"}),
        ],
        id="throughput-body",
        className="throughput-body",
        **{"data-loading": "true"},
    )
    return panel(
        "Throughput, last 10 minutes", body, identity="throughput", measure="throughput", note_id="throughput-note",
        class_name="pool-throughput",
    )  # fmt: skip


def controls_panel() -> html.Section:
    """Processor, number of workers, pause. Every control shows what the pool reports, not what was clicked."""
    return panel(
        "Controls",
        html.Div(
            [
                _control("Processor", setting_choice("workers.processor", "Processor", PROCESSORS), "processor-words"),
                _control("Workers", setting_choice("workers.count", "Number of workers", COUNTS), "count-words"),
                _control(
                    "Ticks",
                    html.Div(
                        [
                            html.Button(
                                "Pause",
                                id="pool-pause",
                                className="button",
                                disabled=True,
                            ),
                            html.Span(
                                "", className="inline-error", role="alert", **{"data-setting-error": "workers.paused"}
                            ),
                        ],
                        className="setting-choice",
                    ),
                    "pause-words",
                ),
            ],
            className="pool-controls",
        ),
        identity="pool-controls",
        measure="pool_controls",
        class_name="pool-controls-panel",
    )


def _control(label: str, control: html.Div, words: str) -> html.Div:
    return html.Div([html.H3(label), control, html.P("", id=words, className="note")], className="pool-control")


def machine_panel() -> html.Section:
    """The cores of the server's machine, what the pool stands on, and who fills the stream."""
    return panel(
        "Machine and stream",
        [
            html.Div(id="core-map", className="core-map", role="img", **{"aria-label": "Cores"}),
            html.P("", id="core-words", className="note"),
            html.Dl(id="pool-stands-on", className="figures pool-stands-on", **{"data-loading": "true"}),
        ],
        identity="machine",
        measure="machine",
        class_name="pool-machine",
    )


def workers_panel() -> html.Section:
    """A row a worker, on a phone a card."""
    return panel(
        "Workers",
        live_table("worker-rows", WORKER_COLUMNS, "No worker has reported yet.", rows=5),
        identity="worker-list",
        measure="workers",
        note_id="worker-note",
        class_name="cards-on-phone",
    )
