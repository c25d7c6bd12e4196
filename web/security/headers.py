"""Response headers that keep a browser from doing what we did not mean."""

import base64
import hashlib
from collections.abc import Iterable
from html.parser import HTMLParser

Headers = list[tuple[bytes, bytes]]

_FIXED: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # not no-referrer: under that, browsers send `Origin: null` with our own forms
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()"),
]
_HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
_CACHEABLE = ("/assets/", "/_dash-component-suites/")


def security_headers(path: str, host: str, secure: bool, script_hashes: Iterable[str], present: Iterable[bytes]) -> Headers:
    """The headers to add to one response.

    `host` is the validated Host header, `present` the names the response has already: its own Cache-Control stands for files
    that never hold data, and everything else is never stored.
    """
    headers = [*_FIXED, (b"content-security-policy", content_security_policy(host, secure, script_hashes).encode())]
    if secure:
        headers.append(_HSTS)
    if not path.startswith(_CACHEABLE):
        headers.append((b"cache-control", b"no-store"))
    elif b"cache-control" not in set(present):
        headers.append((b"cache-control", b"no-cache"))
    return headers


def content_security_policy(host: str, secure: bool, script_hashes: Iterable[str]) -> str:
    """Scripts only from our own files, and Dash's few inline ones by their hash. Styles may be inline: Dash, Plotly and
    Mantine set them from scripts. The feed's address is named because older browsers do not count ws: as 'self'."""
    sockets = f" {'wss' if secure else 'ws'}://{host}" if host else ""
    return "; ".join(
        (
            "default-src 'self'",
            " ".join(("script-src 'self'", *script_hashes)),
            "style-src 'self' 'unsafe-inline'",
            f"connect-src 'self'{sockets}",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "form-action 'self'",
        )
    )


def inline_script_hashes(html: str) -> list[str]:
    """CSP sources of the scripts that stand in a page itself, in order and without repeats."""
    finder = _InlineScripts()
    finder.feed(html)
    finder.close()
    return list(dict.fromkeys(f"'sha256-{_digest(script)}'" for script in finder.scripts))


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


class _InlineScripts(HTMLParser):
    """Collects the text of every script element without `src` that a browser would run."""

    _RUNNABLE = frozenset({"", "module", "text/javascript", "application/javascript"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.scripts: list[str] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            given = dict(attrs)
            self._open = "src" not in given and (given.get("type") or "").lower() in self._RUNNABLE
            if self._open:
                self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self._open:
            self.scripts[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._open = False
