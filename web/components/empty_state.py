"""What a page shows before its part exists: what will be here, and where to look meanwhile."""

from collections.abc import Sequence

from dash import dcc, html

from web.components.icons import icon


def empty_state(
    name: str, icon_name: str, question: str, coming: Sequence[str], meanwhile: str, link: tuple[str, str]
) -> html.Div:
    """A page that says honestly that it is empty. `link` is (text, path) of what already helps."""
    text, path = link
    return html.Div(
        html.Section(
            [
                html.Div(icon(icon_name), className="empty-icon"),
                html.H1(name),
                html.P(question, className="empty-question"),
                html.P("This part is not built yet, so there is nothing to show. It will have:"),
                html.Ul([html.Li(item) for item in coming]),
                html.P([meanwhile, " ", dcc.Link(text, href=path)], className="empty-meanwhile"),
            ],
            className="card empty",
        ),
        className="page page-empty",
        id=f"page-{icon_name}",
        **{"data-page": icon_name},
    )
