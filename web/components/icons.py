"""Icons: our own SVG files, drawn as CSS masks so that they take the text's colour."""

from dash import html


def icon(name: str) -> html.Span:
    """The icon `assets/icons/<name>.svg`, hidden from screen readers: the text beside it, or its button's label, speaks."""
    return html.Span(className=f"icon icon-{name}", **{"aria-hidden": "true"})


def icon_button(name: str, label: str, action: str, keys: str = "") -> html.Button:
    """A button that shows only an icon. `action` is run by assets/shell.js; `keys` is the shortcut told in its tooltip."""
    tooltip = f"{label} ({keys})" if keys else label
    return html.Button(icon(name), className="icon-button", title=tooltip, **{"aria-label": label, "data-action": action})
