"""Settings: what is on? Switches of the server, the looks of this browser, and who changed what."""

from typing import Any

import dash
from dash import (
    ALL,
    MATCH,
    ClientsideFunction,
    Input,
    Output,
    State,
    clientside_callback,
    ctx,
    dcc,
    html,
    no_update,
)

from core.system import LockedToggle, StorageUnavailable
from web.components.appearance import appearance_panel
from web.components.callbacks import server_callback
from web.components.context import current_system
from web.components.panel import panel
from web.components.toggles import aria, toggle_groups

dash.register_page(
    __name__, path="/settings", name="Settings", title="Settings · Quintet", order=7, icon="settings", key=","
)

HISTORY_ROWS = 50


def layout(**_: str) -> html.Div:
    """The page; switches and history are asked for when it opens."""
    return html.Div(
        [
            html.H1("Settings", className="sr-only"),
            html.Div(
                [
                    panel(
                        "Consumers and processors",
                        [
                            html.P(
                                "A change takes effect within two seconds, is stored, and survives a restart.",
                                className="note",
                            ),
                            html.Div(id="settings-toggles", className="toggle-groups", **{"aria-live": "polite"}),
                        ],
                        identity="switches",
                        class_name="span-7",
                    ),
                    appearance_panel(),
                    panel(
                        "Changes",
                        html.Div(id="settings-history", className="history", **{"data-empty": "Nothing was changed yet."}),
                        identity="changes",
                        class_name="span-12",
                    ),
                ],
                className="settings-grid",
            ),
            dcc.Store(id="settings-opened", data=True),
            dcc.Store(id="settings-changed"),
            dcc.Store(id="settings-audit"),
        ],
        className="page page-settings",
        id="page-settings",
        **{"data-page": "settings"},
    )


@server_callback(Output("settings-toggles", "children"), Input("settings-opened", "data"))
async def show_toggles(_: bool) -> list[Any]:
    """The switches as the server has them now."""
    return toggle_groups(await current_system().toggles())


@server_callback(
    Output({"type": "toggle", "key": MATCH}, "aria-checked"),
    Output({"type": "toggle-error", "key": MATCH}, "children"),
    Input({"type": "toggle", "key": MATCH}, "n_clicks"),
    State({"type": "toggle", "key": MATCH}, "aria-checked"),
    running=[(Output({"type": "toggle", "key": MATCH}, "aria-busy"), "true", "false")],
    prevent_initial_call=True,
)
async def change_toggle(clicks: int | None, shown: str) -> tuple[Any, str]:
    """Set one switch to the other side; the page shows it only after the server has it."""
    key = ctx.triggered_id["key"] if ctx.triggered_id else None
    if not clicks or key is None:
        return no_update, ""
    system = current_system()
    wanted = shown != aria(True)
    try:
        changed = await system.set_toggle(key, wanted, "admin" if system.settings.is_public else "local")
    except KeyError:
        return no_update, "The server does not know this switch. Reload the page."
    except LockedToggle as error:
        return no_update, f"Not changed: {error}"
    except StorageUnavailable:
        return (
            no_update,
            "Not changed: the database is away. Quintet keeps trying to reach it; try again when Monitoring says so.",
        )
    return aria(bool(changed.get("value", wanted))), ""


@server_callback(
    Output("settings-audit", "data"),
    Input("settings-opened", "data"),
    Input({"type": "toggle", "key": ALL}, "aria-checked"),
    Input("settings-changed", "data"),
)
async def show_history(*_: object) -> dict[str, Any]:
    """The last changes, newest first."""
    try:
        return {"rows": await current_system().settings_audit(HISTORY_ROWS), "error": ""}
    except StorageUnavailable:
        return {
            "rows": [],
            "error": "The history cannot be read just now: the database is away. Quintet keeps trying to reach it.",
        }


clientside_callback(ClientsideFunction("settings", "history"), Input("settings-audit", "data"))
