"""One series' chart with its freshness badge, legend and controls."""

from typing import Any

from dash import html
from dash_tvlwc import Tvlwc

from core.domain.series import SeriesSpec
from web.components.icons import icon


def chart_id(series: str) -> str:
    """The chart component's id; assets/charts.js builds the same."""
    return f"chart-{series}"


def chart_card(spec: SeriesSpec, big: bool) -> html.Section:
    """The card of one series. All five are always there; only style says which is big: no chart is rebuilt."""
    return html.Section(
        [
            html.Header(
                [
                    html.Button(
                        [html.Span(spec.title, className="chart-name"), icon("expand")],
                        className="chart-title",
                        title="Bring this chart to the big place",
                        **{"data-action": "big", "data-series": spec.name},
                    ),
                    html.Span("", id=f"legend-{spec.name}", className="legend num ageing"),
                    html.Button(
                        "EMA 20",
                        id=f"ema-{spec.name}",
                        className="chip",
                        title="Exponential moving average of the last 20 closes",
                        **{"data-action": "ema", "data-series": spec.name, "aria-pressed": "false"},
                    ),
                    html.Span("–", id=f"fresh-{spec.name}", className="badge", **{"data-state": "NONE"}),
                ],
                className="chart-head",
            ),
            html.Div(
                [
                    _chart(spec),
                    html.Div(className="skeleton skeleton-chart", **{"aria-hidden": "true"}),
                    html.Button(
                        [icon("back"), "Back to live"],
                        className="back-to-live",
                        hidden=True,
                        id=f"back-{spec.name}",
                        **{"data-action": "back", "data-series": spec.name},
                    ),
                ],
                className="chart-body",
            ),
            html.Div("", id=f"cause-{spec.name}", className="cause", role="status"),
        ],
        className="card chart" + (" chart-big" if big else ""),
        id=f"card-{spec.name}",
        **{"data-series": spec.name, "data-state": "NONE", "data-loading": "true", "aria-label": f"Chart {spec.title}"},
    )


def _chart(spec: SeriesSpec) -> Tvlwc:
    """An empty chart of candles over volume. Colours, formats and data come from assets/charts.js, which knows the theme."""
    options: dict[str, Any] = {"layout": {"attributionLogo": False}}
    return Tvlwc(
        id=chart_id(spec.name),
        chartOptions=options,
        series=[
            {"id": "candles", "type": "candlestick", "data": [], "pane": 0},
            {"id": "ema", "type": "line", "data": [], "pane": 0},
            {"id": "volume", "type": "histogram", "data": [], "pane": 1},
        ],
        paneOptions=[{"stretchFactor": 4}, {"stretchFactor": 1}],
        subscribeCrosshair=True,
        subscribeVisibleRange=True,
        # each report passes through Dash: ten a second are enough to keep crosshairs in step
        reportThrottle=100,
        width="100%",
        height="100%",
    )
