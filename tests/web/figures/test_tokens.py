"""The theme's colours: read from the stylesheet, and readable on it."""

import itertools
import re

import pytest

from web.figures.tokens import PAIRS, SCHEMES, STYLESHEET, read_tokens, scheme_tokens

GROUNDS = ("bg", "panel", "raised")
#: tokens that colour text or marks one must be able to read
SEMANTIC = ("text", "muted", "accent", "up", "down", "ok", "warn", "bad", "stale", "filled", "corrected", "partial")
#: (text, its own ground)
ON_SOLID = (("on-accent", "accent"), ("on-solid", "bad"), ("on-sim", "sim"))


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG 2.2)."""
    assert re.fullmatch(r"#[0-9a-f]{6}", colour), colour
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_computed_as_the_standard_does() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize(("scheme", "pair"), list(itertools.product(SCHEMES, PAIRS)))
def test_semantic_colours_reach_wcag_aa_on_every_ground(scheme: str, pair: str) -> None:
    tokens = read_tokens(STYLESHEET.read_text(encoding="utf-8"), scheme, pair)
    weak = {
        f"{name} on {ground}: {contrast(tokens[name], tokens[ground]):.2f}"
        for name in SEMANTIC
        for ground in GROUNDS
        if contrast(tokens[name], tokens[ground]) < 4.5
    }
    weak |= {f"{text} on {ground}" for text, ground in ON_SOLID if contrast(tokens[text], tokens[ground]) < 4.5}
    assert weak == set()


def test_schemes_and_pairs_differ_where_they_should() -> None:
    css = STYLESHEET.read_text(encoding="utf-8")
    seen = {(scheme, pair): read_tokens(css, scheme, pair) for scheme in SCHEMES for pair in PAIRS}
    assert len({tokens["up"] for tokens in seen.values()}) == 4
    assert len({tokens["bg"] for tokens in seen.values()}) == 2
    assert len({frozenset(tokens) for tokens in seen.values()}) == 1, "every theme defines the same tokens"


def test_later_rules_and_only_matching_ones_apply() -> None:
    css = """:root { --q-a: 1; --q-b: 1; } /* :root { --q-a: 9; } */
    :root[data-mantine-color-scheme="light"] { --q-a: 2; }
    :root[data-pair="blue-orange"][data-mantine-color-scheme="light"] { --q-b: 3; }"""
    assert read_tokens(css, "dark") == {"a": "1", "b": "1"}
    assert read_tokens(css, "light") == {"a": "2", "b": "1"}
    assert read_tokens(css, "light", "blue-orange") == {"a": "2", "b": "3"}


def test_an_unknown_scheme_means_dark() -> None:
    assert scheme_tokens("purple") == scheme_tokens("dark") != scheme_tokens("light")
