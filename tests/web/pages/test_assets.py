"""The rules that scripts and stylesheets keep."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
HEX_COLOUR = re.compile(r"#(?:[0-9a-fA-F]{8}|[0-9a-fA-F]{6}|[0-9a-fA-F]{3,4})(?![\w-])")
FORBIDDEN = re.compile(r"\beval\(|new Function|\.innerHTML|\.outerHTML|document\.write|insertAdjacentHTML")


def sources() -> Iterator[Path]:
    yield from sorted((ROOT / "assets").glob("*.js"))
    yield from sorted((ROOT / "assets").glob("*.css"))
    for folder in ("pages", "components", "figures"):
        yield from sorted((ROOT / "web" / folder).glob("*.py"))


def test_the_scanners_find_what_they_look_for() -> None:
    assert HEX_COLOUR.search("color: #1c242e;")
    assert HEX_COLOUR.search("'#fff'")
    assert not HEX_COLOUR.search('href="/monitoring#caches"')
    assert not HEX_COLOUR.search("#channels td")
    assert FORBIDDEN.search("x.innerHTML = y")
    assert len(list(sources())) > 25


def test_colours_stand_in_the_token_stylesheet_only() -> None:
    found = {
        f"{path.name}: {match.group()}"
        for path in sources()
        if path.name != "00_tokens.css"
        for match in HEX_COLOUR.finditer(path.read_text(encoding="utf-8"))
    }
    assert found == set()


def test_scripts_are_short_and_never_turn_text_into_code_or_markup() -> None:
    for path in (ROOT / "assets").glob("*.js"):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) < 400, path.name
        assert '"use strict";' in text, path.name
        assert FORBIDDEN.search(text) is None, path.name


def test_assets_name_no_other_host() -> None:
    allowed = {"http://www.w3.org/2000/svg"}
    for path in (ROOT / "assets").rglob("*.*"):
        assert (
            set(re.findall(r"(?:https?:)?//[a-z][\w.-]+\.[a-z]{2,}[\w./]*", path.read_text(encoding="utf-8"))) <= allowed
        ), path.name


def test_every_icon_that_a_stylesheet_names_is_there() -> None:
    css = (ROOT / "assets" / "10_base.css").read_text(encoding="utf-8")
    named = re.findall(r'url\("(icons/[\w-]+\.svg)"\)', css)
    assert len(named) > 12
    assert [name for name in named if not (ROOT / "assets" / name).is_file()] == []
    for source in ("live", "simulated", "replay"):
        assert (ROOT / "assets" / "icons" / f"favicon-{source}.svg").is_file()


def test_stylesheets_use_only_tokens_that_exist() -> None:
    defined = set(re.findall(r"--q-[\w-]+(?=\s*:)", (ROOT / "assets" / "00_tokens.css").read_text(encoding="utf-8")))
    used: set[str] = set()
    for path in (ROOT / "assets").glob("*.css"):
        used |= set(re.findall(r"var\((--q-[\w-]+)\)", path.read_text(encoding="utf-8")))
    for path in (ROOT / "assets").glob("*.js"):
        used |= {f"--q-{name}" for name in re.findall(r'\btoken\("([\w-]+)"\)', path.read_text(encoding="utf-8"))}
    assert len(used) > 20
    assert used - defined == set()


def test_reduced_motion_is_obeyed() -> None:
    assert "prefers-reduced-motion: reduce" in (ROOT / "assets" / "10_base.css").read_text(encoding="utf-8")
