"""What a request says about where it comes from. Pure: ASGI scopes in, decisions out.

Rules: a browser names the page that sends a request in `Origin` (RFC 6454) and `Sec-Fetch-Site` (Fetch Metadata), and pages
cannot forge either. A request that changes something, and every WebSocket, must therefore come from our own pages; programs
that are no browser send neither header and are let through to the session check.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

Scope = Mapping[str, Any]

SAFE_METHODS = frozenset({"GET", "HEAD"})
ALLOWED_METHODS = SAFE_METHODS | {"POST", "PATCH"}
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})

_HOST = re.compile(r"^(?P<name>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::(?P<port>\d{1,5}))?$")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
#: addresses a platform's proxy connects from: private ones, and the carrier-grade NAT block that container platforms use
_SHARED = ipaddress.ip_network("100.64.0.0/10")


def header(scope: Scope, name: bytes) -> str | None:
    """The only value of a header, None when it is missing. A repeated one is joined by commas, as RFC 9110 §5.3 says."""
    values = [value.decode("latin-1") for key, value in scope["headers"] if key == name]
    return ", ".join(values) if values else None


def host_of(scope: Scope) -> tuple[str, str] | None:
    """(`name`, `name[:port]`) of the Host header in lower case, None when it is missing, repeated or malformed."""
    value = header(scope, b"host")
    match = _HOST.match(value) if value else None
    if match is None or value is None:
        return None
    return match["name"].lower(), value.lower()


def is_secure(scope: Scope, is_public: bool) -> bool:
    """Whether the browser speaks TLS. A platform's proxy ends TLS and says so; that is believed on a public server only."""
    if scope["scheme"] in ("https", "wss"):
        return True
    forwarded = header(scope, b"x-forwarded-proto") if is_public else None
    return forwarded is not None and forwarded.split(",")[-1].strip().lower() == "https"


def client_address(scope: Scope, is_public: bool) -> str:
    """The address to count attempts by.

    Behind the platform's one proxy it is the rightmost entry of X-Forwarded-For (what stands left of it is the client's own
    claim). A peer with a global address is no proxy of ours, and its header is not believed.
    """
    peer = scope["client"][0] if scope.get("client") else ""
    forwarded = header(scope, b"x-forwarded-for") if is_public and _may_be_proxy(peer) else None
    if forwarded:
        last = forwarded.split(",")[-1].strip()
        try:
            return str(ipaddress.ip_address(last))
        except ValueError:
            return str(peer)
    return str(peer)


def is_local_address(address: str) -> bool:
    """Whether an IP address is this machine's loopback; IPv4 inside IPv6 counts as IPv4."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(ip, "ipv4_mapped", None) or ip).is_loopback


def refuses_server(scope: Scope, extra_hosts: Iterable[str] = ()) -> str | None:
    """Why a server without a login must not answer: reached from elsewhere, or under a foreign name (DNS rebinding)."""
    host = host_of(scope)
    if host is None:
        return "bad Host header"
    if host[0] in extra_hosts:
        return None
    if host[0] not in LOCAL_NAMES:
        return "this server answers to localhost only"
    server = scope.get("server")
    if not server or not is_local_address(server[0]):
        return "this server has no login and answers on this machine only: set HOST, ADMIN_PASSWORD and SECRET_KEY"
    return None


def refuses_origin(scope: Scope, secure: bool) -> str | None:
    """Why a request looks as if another site's page sent it; None when it is ours or no browser's."""
    site = header(scope, b"sec-fetch-site")
    if scope["type"] == "http" and scope["method"] in SAFE_METHODS:
        is_visit = header(scope, b"sec-fetch-mode") == "navigate"
        return "cross-site request" if site == "cross-site" and not is_visit else None
    if site not in (None, "same-origin", "none"):
        return "cross-site request"
    origin = header(scope, b"origin")
    if origin is None:
        return None
    host = host_of(scope)
    scheme = "https" if secure else "http"
    if host is None or _normal_origin(origin) != _normal_origin(f"{scheme}://{host[1]}"):
        return "foreign Origin"
    return None


def _normal_origin(origin: str) -> tuple[str, str, str] | None:
    """(scheme, name, port) of an origin, None when it is none (`null`, a path, credentials)."""
    scheme, separator, rest = origin.partition("://")
    match = _HOST.match(rest)
    if not separator or match is None or scheme not in _DEFAULT_PORTS:
        return None
    return scheme, match["name"].lower(), match["port"] or _DEFAULT_PORTS[scheme]


def local_path(target: str) -> str:
    """`target` when it is a path on this server, else `/`: where to go after the login."""
    if len(target) > 2_000 or not target.startswith("/") or target[1:2] in ("/", "\\"):
        return "/"
    if any(ord(character) < 33 or character == "\\" for character in target):
        return "/"
    parts = urlsplit(target)
    return "/" if parts.scheme or parts.netloc else target


def _may_be_proxy(peer: str) -> bool:
    try:
        ip = ipaddress.ip_address(peer)
    except ValueError:
        return False
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return ip.is_private or ip.is_loopback or (ip.version == 4 and ip in _SHARED)
