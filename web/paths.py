"""Which paths exist. Dash answers its page under any path; everything that is not named here is 404 instead."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

#: Dash's own addresses that the page needs. Its WebSocket is not among them: live data goes by `/feed`
_DASH_EXACT = frozenset({"/_dash-layout", "/_dash-dependencies", "/_dash-update-component", "/_favicon.ico"})
_PREFIXES = ("/assets/", "/_dash-component-suites/", "/api/v1/series/", "/api/v1/options/")


class KnownPaths:
    """Own routes, the dashboard's pages, and what a page loads."""

    def __init__(self, own: Iterable[str]) -> None:
        self._exact = frozenset(own) | _DASH_EXACT
        self._templates: tuple[re.Pattern[str], ...] = ()

    def add_pages(self, pages: Iterable[Mapping[str, Any]]) -> None:
        """Take over Dash's page registry: `path`, and `path_template` with `<variables>`."""
        pages = list(pages)
        self._exact |= {page["path"] for page in pages if not page["module"].endswith("not_found_404")}
        self._templates = tuple(_pattern(page["path_template"]) for page in pages if page.get("path_template"))

    def __call__(self, path: str) -> bool:
        return path in self._exact or path.startswith(_PREFIXES) or any(t.fullmatch(path) for t in self._templates)


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(
        "".join("[^/]+" if part.startswith("<") else re.escape(part) for part in re.split(r"(<[^>]+>)", template))
    )
