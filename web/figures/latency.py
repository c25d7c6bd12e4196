"""Latency as figures: where the time goes from venue to pixel, and how one consumer's latencies are spread."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from web.figures.frame import axis_style, frame_layout
from web.figures.tokens import Tokens

#: (percentile, colour token) in the order drawn
PERCENTILES = (("p50", "ok"), ("p95", "warn"), ("p99", "bad"))

#: ticks of the logarithmic axis, in microseconds
TICKS_US = (10, 1_000, 100_000, 10_000_000)

Stage = Mapping[str, Any]


def duration(us: float) -> str:
    """A duration in microseconds as people write it: `85 µs`, `340 ms`, `1.2 s`."""
    for limit, divisor, unit in ((1e3, 1.0, "µs"), (1e6, 1e3, "ms"), (float("inf"), 1e6, "s")):
        if us < limit:
            value = us / divisor
            return f"{value:.1f} {unit}" if value < 10 and value % 1 else f"{value:.0f} {unit}"
    raise ValueError(f"a duration must be a number, was {us!r}")


def latency_waterfall(stages: Sequence[Stage], tokens: Tokens) -> go.Figure:
    """Stages top down, each with its p50, p95 and p99 in µs on a logarithmic axis. A stage is `{stage, p50, p95, p99}`."""
    names = [str(stage["stage"]) for stage in stages]
    figure = go.Figure(
        [
            go.Scatter(
                name=percentile,
                x=[stage[percentile] for stage in stages],
                y=names,
                mode="markers",
                marker={"color": tokens[token], "size": 9, "symbol": symbol},
                customdata=[duration(float(stage[percentile])) for stage in stages],
                hovertemplate="%{y}: " + percentile + " %{customdata}<extra></extra>",
            )
            for (percentile, token), symbol in zip(PERCENTILES, ("circle", "diamond", "square"), strict=True)
        ]
    )
    figure.update_layout(
        **frame_layout(tokens), legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"}
    )
    figure.update_xaxes(
        type="log",
        range=[0, 7.2],
        tickangle=0,
        tickvals=list(TICKS_US),
        ticktext=[duration(t) for t in TICKS_US],
        **axis_style(tokens),
    )
    figure.update_yaxes(autorange="reversed", type="category", automargin=True, **axis_style(tokens))
    return figure


def consumer_histogram(edges_us: Sequence[float], counts: Sequence[int], tokens: Tokens) -> go.Figure:
    """Messages per latency interval. `edges_us` are the upper edges; `counts` has one entry more, for all above the last."""
    if counts and len(counts) != len(edges_us) + 1:
        raise ValueError(f"counts must be one more than edges ({len(edges_us)}), was {len(counts)}")
    labels = [f"≤ {duration(edge)}" for edge in edges_us] + ([f"> {duration(edges_us[-1])}"] if edges_us else [])
    figure = go.Figure(
        go.Bar(
            x=labels,
            y=list(counts),
            marker={"color": tokens["accent"]},
            hovertemplate="%{x}: %{y:,} messages<extra></extra>",
        )
    )
    figure.update_layout(**frame_layout(tokens), showlegend=False, bargap=0.15)
    figure.update_xaxes(type="category", automargin=True, tickangle=-40, **axis_style(tokens))
    figure.update_yaxes(rangemode="tozero", nticks=5, **axis_style(tokens))
    return figure
