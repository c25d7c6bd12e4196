"""Fixtures of the worker pool's tests."""

from collections.abc import Callable

import pytest


@pytest.fixture
def tell(
    capsys: pytest.CaptureFixture[str], record_property: Callable[[str, object], None]
) -> Callable[[str, object], None]:
    """Prints a measured figure past the capture and notes it in the report: accuracy is asserted and also told."""

    def tell_it(what: str, figure: object) -> None:
        record_property(what, figure)
        with capsys.disabled():
            print(f"\n{what}: {figure}")  # noqa: T201 - the figure is asked for

    return tell_it
