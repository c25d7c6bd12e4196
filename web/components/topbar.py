"""The bar on top of every page: what market this is, its price, and whether all is well."""

from typing import Any

from dash import html

from core.domain.health import Source
from core.domain.instrument import Instrument, instruments_of
from core.system import System
from web.components.icons import icon, icon_button

EXPLANATIONS: dict[str, str] = {
    Source.LIVE: "Live market data from the venue.",
    Source.SIMULATED: "Simulated market data: no number on this page comes from a real market.",
    Source.REPLAY: "Recorded market data, played back.",
}


def mode_label(source: str, speed: float) -> str:
    """The badge's text: `LIVE`, `SIMULATED`, `REPLAY ×10`, or `REPLAY ×max` for as fast as it goes (speed 0)."""
    if source != Source.REPLAY:
        return source
    return f"REPLAY ×{speed:g}" if speed else "REPLAY ×max"


def topbar(system: System) -> html.Div:
    """The top bar. Everything in it that changes is filled by assets/shell.js from the `status` channel."""
    source = str(getattr(system, "source", "") or "")
    children: list[Any] = [
        html.Div(
            [
                html.Span("Quintet", className="brand"),
                html.Span(
                    mode_label(source, system.settings.speed) if source else "CONNECTING",
                    id="mode-badge",
                    className="mode-badge",
                    title=EXPLANATIONS.get(source, "The market source is not known yet."),
                    **{"data-source": source or "NONE", "data-speed": f"{system.settings.speed:g}"},
                ),
            ],
            className="topbar-left",
        ),
        html.Div([_price(instrument) for instrument in instruments_of("binance")], className="topbar-prices"),
        html.Div(id="venue-dots", className="venue-dots", **{"aria-label": "Venues"}),
        html.Div(
            html.A("", id="incident-text", className="incident-text num", href="/monitoring#incidents"),
            className="topbar-space",
        ),
        html.Span(
            "Page link lost",
            id="link-lost",
            className="link-lost",
            role="status",
            hidden=True,
            title="This page cannot reach its server. It keeps trying by itself; the numbers are as old as they say.",
        ),
        html.Span(
            [html.Span("p99 ", className="dim"), html.Span("–", id="latency-p99", className="num")],
            className="topbar-figure",
            title="Latency from the venue's frame being read here to its hand-over to the dashboard, 99th percentile",
        ),
        html.Span(
            [html.Span("––:––:––", id="utc-clock", className="num"), html.Span(" UTC", className="dim")],
            className="topbar-figure topbar-clock",
        ),
        html.Div(
            [
                icon_button("search", "Search and commands", "palette", "Ctrl K"),
                icon_button("theme", "Theme: dark, light, auto", "theme"),
                icon_button("help", "Help and keys", "help", "?"),
                *_logout(system),
            ],
            className="topbar-buttons",
        ),
        html.A(
            id="incident-line",
            className="incident-line",
            href="/monitoring#incidents",
            **{"data-level": "none", "aria-label": "No active incident"},
        ),
    ]
    return html.Div(children, className="topbar")


def _price(instrument: Instrument) -> html.Div:
    symbol = instrument.symbol
    return html.Div(
        [
            html.Span(instrument.base, className="dim"),
            html.Span("–", id=f"top-price-{symbol}", className="num top-price ageing"),
            html.Span("", id=f"top-change-{symbol}", className="num top-change ageing"),
        ],
        className="topbar-price",
        title=f"{instrument.pair}: last trade and change over 24 h",
    )


def _logout(system: System) -> list[Any]:
    if not system.settings.is_public:
        return []
    button = html.Button(
        icon("logout"), type="submit", className="icon-button", title="Log out", **{"aria-label": "Log out"}
    )
    return [html.Form(button, action="/logout", method="post", className="logout")]
