"""A titled card, and the small "how is this measured" mark beside a title."""

from typing import Any

from dash import html


def how(key: str, label: str) -> html.Button:
    """The mark that opens the explanation `key` of assets/measures.js."""
    return html.Button(
        "?",
        className="how",
        title="How is this measured",
        **{"data-how": key, "aria-label": f"How is this measured: {label}"},
    )


def panel(
    title: str, body: Any, *, identity: str, measure: str = "", note_id: str = "", class_name: str = "", action: Any = None
) -> html.Section:
    """A card titled `title`; `measure` names its explanation, `note_id` a slot for one line on the right of the title.

    `action` stands at the end of the title's line.
    """
    head: list[Any] = [html.H2(title, className="card-title")]
    if measure:
        head.append(how(measure, title))
    if note_id:
        head.append(html.Span("", id=note_id, className="card-note num"))
    if action is not None:
        head.append(action)
    return html.Section(
        [html.Header(head, className="card-head"), *(body if isinstance(body, list) else [body])],
        className=f"card panel {class_name}".strip(),
        id=identity,
    )
