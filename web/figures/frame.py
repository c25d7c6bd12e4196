"""What all figures have in common: layout and axes in the theme's colours. They do not move by themselves."""

from typing import Any

from web.figures.tokens import Tokens


def frame_layout(tokens: Tokens) -> dict[str, Any]:
    """Transparent, in the page's font, without motion; what a person hid or chose stays over new data."""
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": tokens["font"], "size": 11, "color": tokens["muted"]},
        "margin": {"l": 8, "r": 12, "t": 22, "b": 8},
        "hoverlabel": {"bgcolor": tokens["raised"], "bordercolor": tokens["border"], "font": {"color": tokens["text"]}},
        "uirevision": "keep",
        "transition": {"duration": 0},
        "dragmode": False,
    }


def axis_style(tokens: Tokens) -> dict[str, Any]:
    """Lines and grid of one axis, of fixed range."""
    return {"gridcolor": tokens["grid"], "zerolinecolor": tokens["grid"], "linecolor": tokens["border"], "fixedrange": True}
