"""A real Chromium, and a page whose console must stay empty."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

SYSTEM_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium where there is one, else Playwright's own.

    Not for the session: while it is open a loop runs on this thread, and tests that are coroutines cannot have theirs.
    """
    found = next((path for name in SYSTEM_BROWSERS if (path := shutil.which(name))), None)
    with sync_playwright() as playwright:
        executable = found or playwright.chromium.executable_path
        if not Path(executable).exists():
            pytest.fail("no Chromium: `make test` installs one, see scripts/bootstrap.py")
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """`open_page(url, width=…, height=…, console=…)`; at the end the browser's console must have stayed empty."""
    contexts, lines = [], list[str]()

    def open_one(url: str, width: int = 1440, height: int = 900, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: lines.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: lines.append(f"error: {error}"))
        page.goto(url)
        return page

    open_one.console = lines  # type: ignore[attr-defined]
    yield open_one
    for context in contexts:
        context.close()
    assert lines == []
