"""One measured figure, beside its reference and its budget."""

import json
import sys
from collections.abc import Callable

import msgspec


class Result(msgspec.Struct, frozen=True):
    """`reference` names what `ratio` compares with, measured in the same run; `ok` is the verdict against `budget`."""

    what: str
    value: float
    unit: str
    reference: str = ""
    ratio: float | None = None
    budget: str = ""
    ok: bool | None = None


def line(result: Result) -> str:
    """A row of the printed table."""
    ratio = f"{result.ratio:8.2f} × {result.reference}" if result.ratio is not None else ""
    verdict = {True: "ok", False: "MISSED", None: ""}[result.ok]
    return f"{result.what:<58} {number(result.value):>12} {result.unit:<9} {result.budget:<14} {verdict:<7} {ratio}"


def number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def publish(run: Callable[[], list[Result]]) -> None:
    """The main function of every benchmark module: a table, or JSON for `python -m benchmarks`."""
    results = run()
    if "--json" in sys.argv:
        print(json.dumps([msgspec.to_builtins(r) for r in results]))
    else:
        print("\n".join(map(line, results)))
