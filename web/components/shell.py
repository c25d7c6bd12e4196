"""What surrounds every page: top bar, rail, phone navigation, dialogs."""

from collections.abc import Mapping, Sequence
from typing import Any

import dash
import dash_mantine_components as dmc
from dash import dcc, html

from core.system import System
from web.components.dialogs import help_dialog, palette_dialog
from web.components.icons import icon
from web.components.topbar import topbar

#: Pages in the phone's bottom bar; the others are behind "More".
PHONE_PAGES = ("/", "/monitoring", "/settings")

THEME = {
    "fontFamily": "var(--q-font)",
    "fontFamilyMonospace": "var(--q-mono)",
    "headings": {"fontFamily": "var(--q-font)", "fontWeight": "600"},
    "defaultRadius": "md",
    "respectReducedMotion": True,
    "cursorType": "pointer",
}

Page = Mapping[str, Any]


def shell(system: System, pages: Sequence[Page]) -> dmc.MantineProvider:
    """The whole layout around `dash.page_container`. `pages` is Dash's page registry."""
    linked = [page for page in pages if page.get("icon")]
    return dmc.MantineProvider(
        [
            html.A("Skip to the page", href="#_pages_content", className="skip-link"),
            dmc.AppShell(
                [
                    dmc.AppShellHeader(topbar(system)),
                    dmc.AppShellNavbar(_rail(linked)),
                    dmc.AppShellMain(dash.page_container),
                ],
                id="appshell",
                header={"height": 48},
                navbar={"width": 184, "breakpoint": "sm", "collapsed": {"mobile": True}},
                padding=0,
                transitionDuration=0,
            ),
            _phone_bar(linked),
            html.Div(className="toasts", id="toasts", role="status", **{"aria-live": "polite"}),
            palette_dialog(),
            help_dialog(),
        ],
        id="mantine",
        theme=THEME,
        defaultColorScheme="dark",
    )


def _rail(pages: Sequence[Page]) -> html.Nav:
    return html.Nav(
        [
            html.Div([_link(page, "rail-link") for page in pages], className="rail-links"),
            html.Div(
                [
                    html.Button(
                        [icon("collapse"), html.Span("Collapse", className="rail-word")],
                        className="rail-link rail-collapse",
                        title="Collapse or open the rail ([)",
                        **{"data-action": "rail", "aria-label": "Collapse or open the rail"},
                    ),
                    html.A(
                        "Charts: TradingView",
                        href="https://www.tradingview.com/",
                        target="_blank",
                        rel="noopener noreferrer",
                        className="attribution rail-word",
                        title="The candle charts are drawn by TradingView Lightweight Charts™",
                    ),
                ],
                className="rail-foot",
            ),
        ],
        id="rail",
        className="rail",
        **{"aria-label": "Pages"},
    )


def _link(page: Page, class_name: str) -> dcc.Link:
    keys = f" (g {page['key']})"
    return dcc.Link(
        [icon(page["icon"]), html.Span(page["name"], className="rail-word")],
        href=page["relative_path"],
        className=class_name,
        title=page["name"] + keys,
    )


def _phone_bar(pages: Sequence[Page]) -> html.Nav:
    more = html.Button([icon("menu"), html.Span("More")], className="phone-link", **{"data-action": "menu"})
    links = [_link(page, "phone-link") for page in pages if page["path"] in PHONE_PAGES]
    return html.Nav([*links, more], className="phone-bar", **{"aria-label": "Pages"})
