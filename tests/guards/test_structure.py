"""Rules of the house that a reader would otherwise have to check by eye."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [p for folder in ("core", "web") for p in (ROOT / folder).rglob("*.py")] + [ROOT / "app.py"]
FORBIDDEN_CALLS = {"eval", "exec"}
FORBIDDEN_MODULES = {"pickle", "dill", "cloudpickle", "shelve", "marshal", "diskcache"}


def offences(source: str) -> list[str]:
    """Forbidden calls, imports and unfinished marks in one module's text."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
            found.append(f"{node.func.id}()")
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.split(".")[0] in FORBIDDEN_MODULES]
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in FORBIDDEN_MODULES:
            found.append(str(node.module))
        if isinstance(node, ast.Raise) and "NotImplementedError" in ast.dump(node):
            found.append("NotImplementedError")
    return found


def test_the_scanner_finds_what_it_looks_for() -> None:
    assert set(offences("import pickle\neval('1')\nraise NotImplementedError")) == {
        "pickle",
        "eval()",
        "NotImplementedError",
    }


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_module_is_long_pickles_evaluates_or_is_unfinished(path: Path) -> None:
    source = path.read_text()
    assert len(source.splitlines()) <= 400, f"{path.name} is too long: split it"
    assert offences(source) == []
