"""A setting with more sides than on and off: one button a side. Changed by assets/setting_choice.js over the API."""

from collections.abc import Mapping, Sequence

from dash import html

from core.base.codec import to_json

#: what values are called; others stand for themselves
WORDS: Mapping[object, str] = {None: "Auto", "optimized": "Optimised", "standard": "Standard"}


def setting_choice(
    key: str, label: str, choices: Sequence[object], value: object = ..., *, is_locked: bool = False, described_by: str = ""
) -> html.Div:
    """The buttons of `choices`, that of `value` pressed (`...`: not known yet), and a line for why a change failed."""
    buttons = [
        html.Button(
            WORDS.get(choice, str(choice)),
            className="segment",
            role="radio",
            disabled=is_locked,
            **{
                "data-setting": key,
                "data-value": to_json(choice).decode(),
                "aria-checked": "true" if type(choice) is type(value) and choice == value else "false",
            },
        )
        for choice in choices
    ]
    described = {"aria-describedby": described_by} if described_by else {}
    return html.Div(
        [
            html.Div(
                buttons,
                className="segments",
                role="radiogroup",
                tabIndex="-1",
                **{"aria-label": label, "data-toggle": key, **described},
            ),
            html.Span("", className="inline-error", role="alert", **{"data-setting-error": key}),
        ],
        className="setting-choice",
    )
