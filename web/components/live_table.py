"""A table whose rows arrive by the feed."""

from collections.abc import Sequence

from dash import html


class Column:
    """A column: its header, unit (shown small), whether it holds figures, and the key of its explanation."""

    def __init__(
        self, label: str, unit: str = "", *, figures: bool = True, measure: str = "", hide_on_phone: bool = False
    ) -> None:
        self.label = label
        self.unit = unit
        self.figures = figures
        self.measure = measure
        self.hide_on_phone = hide_on_phone


def live_table(identity: str, columns: Sequence[Column], empty: str, rows: int = 4) -> html.Div:
    """Header and an empty body that assets/table.js fills by key; `rows` are reserved against layout shift."""
    heads = []
    for column in columns:
        classes = " ".join(c for c in ("figure" if column.figures else "", "no-phone" if column.hide_on_phone else "") if c)
        attributes = {"data-how": column.measure, "tabIndex": "0"} if column.measure else {}
        unit = html.Span(f" {column.unit}", className="unit") if column.unit else None
        heads.append(html.Th([column.label, unit] if unit else column.label, className=classes, scope="col", **attributes))
    body = html.Tbody(id=identity, **{"data-empty": empty})
    table = html.Table([html.Thead(html.Tr(heads)), body], className="live-table")
    return html.Div(table, className=f"table-scroll reserve-{rows}", tabIndex="0")
