"""Who may ask what, over real sockets: with a login (public) and without (this machine only)."""

import re
import socket
import threading
import time
from typing import Any

import httpx
import pytest
import websockets

from core.base.clock import ManualClock
from tests.patience import PATIENCE
from web.security.edge import client_address, is_secure, local_path, refuses_origin, refuses_server
from web.security.limits import AttemptLimit, TokenBucket
from web.security.sessions import SessionStore

OPEN = {"/health", "/login", "/login.css"}


@pytest.fixture
def public(make_server: Any) -> Any:
    return make_server(public=True)


def log_in(client: httpx.Client, password: str) -> httpx.Response:
    return client.post("/login", data={"password": password, "next": "/monitoring?tab=1"})


def routes_of(server: Any) -> list[tuple[str, str]]:
    """(method, path) of every HTTP route the application has, Dash's included, with path variables filled in."""
    found = set()
    for route in server.page.routes:
        path = re.sub(r"{name}", "eth_1m", getattr(route, "path", ""))
        path = re.sub(r"{[^}]*path}", "anything", path)
        path = re.sub(r"{[^}]*}", "dash", path) or "/"
        path = path if path.startswith("/") else "/" + path
        for method in getattr(route, "methods", None) or {"GET"}:
            found.add((method, path))
    return sorted(found)


def test_every_route_needs_a_session_on_a_public_server(shared_public: Any):
    routes = [(m, p) for m, p in routes_of(shared_public) if p not in OPEN and p != "/feed"]
    assert {"/", "/metrics", "/api/v1/settings", "/_dash-layout", "/_dash-update-component", "/logout"} <= {
        p for _, p in routes
    }
    with shared_public.client() as client:
        for method, path in [*routes, ("GET", "/monitoring"), ("GET", "/assets/00_tokens.css")]:
            answer = client.request(method, path)
            assert answer.status_code in (401, 404, 405), (method, path, answer.status_code)
            assert answer.status_code == 401 or path in ("/anything", "/_reload-hash", "/assets", "/_dash-ws-callback"), path
            assert len(answer.content) < 200, path
            page = client.request(method, path, headers={"Accept": "text/html"})
            assert page.status_code in (303, 401, 404, 405), (method, path, page.status_code)


@pytest.mark.parametrize(
    "path",
    [
        "//",
        "//health",
        "/health/",
        "/%2e%2e/health",
        "/login/",
        "/LOGIN",
        "/health;x",
        "/login%00",
        "/assets/..%2flogin",
        "/health%20",
    ],
)
def test_a_path_that_looks_like_an_open_one_is_not(shared_public: Any, path: str):
    with socket.create_connection(("127.0.0.1", shared_public.port)) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        status = int(connection.makefile("rb").readline().split()[1])
    assert status in (401, 404), status


def test_health_and_the_login_page_are_open(shared_public: Any):
    with shared_public.client() as client:
        assert client.get("/health").json() == {"status": "ok"}
        page = client.get("/login")
        assert page.status_code == 200
        assert 'action="/login"' in page.text
        assert "<script" not in page.text
        assert client.get("/login.css").headers["content-type"].startswith("text/css")


def test_a_page_asked_for_without_a_session_leads_to_the_login_and_back(public: Any, password: str):
    with public.client() as client:
        answer = client.get("/monitoring?tab=1", headers={"Accept": "text/html"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/monitoring%3Ftab%3D1")
        entered = log_in(client, password)
        assert (entered.status_code, entered.headers["location"]) == (303, "/monitoring?tab=1")
        assert client.get("/api/v1/series").status_code == 200
        assert client.get("/login").headers["location"] == "/"


def test_the_cookie_is_hardened_and_over_tls_bound_to_the_host(public: Any, password: str):
    with public.client() as client:
        cookie = log_in(client, password).headers["set-cookie"]
        assert cookie.startswith("quintet=")
        assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
        headers = {"X-Forwarded-Proto": "https"}
        cookie = client.post("/login", data={"password": password}, headers=headers).headers["set-cookie"]
        assert cookie.startswith("__Host-quintet=")
        assert {"HttpOnly", "SameSite=lax", "Path=/", "Secure"} <= set(cookie.split("; "))
        assert "Domain" not in cookie


def test_wrong_passwords_are_refused_alike(public: Any, password: str):
    with public.client() as client:
        for guess in ("", "wrong", password + " ", password.upper(), "x" * 5_000):
            answer = log_in(client, guess)
            assert answer.status_code == 401
            assert "set-cookie" not in answer.headers
            assert "That is not the password." in answer.text
        assert client.get("/api/v1/series").status_code == 401


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/form-data; boundary=x"])
def test_the_login_takes_forms_only(shared_public: Any, password: str, content_type: str):
    with shared_public.client() as client:
        answer = client.post("/login", content=f"password={password}", headers={"Content-Type": content_type})
        assert answer.status_code == 401


def test_guessing_is_limited_whatever_address_is_claimed(public: Any, password: str):
    with public.client() as client:
        answers = [
            client.post("/login", data={"password": "guess"}, headers={"X-Forwarded-For": f"203.0.113.{i}, 198.51.100.{i}"})
            for i in range(30)
        ]
        statuses = [answer.status_code for answer in answers]
        assert statuses == [401] * 10 + [429] * 20
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        assert log_in(client, password).status_code == 429


def test_the_password_reaches_the_hash_ten_times_a_minute(make_server: Any, password: str):
    clock = ManualClock()
    server = make_server(public=True, clock=clock)
    with server.client() as client:
        assert [log_in(client, "guess").status_code for _ in range(12)] == [401] * 10 + [429] * 2
        clock.advance(60)
        assert log_in(client, password).status_code == 303


def test_a_session_ends_when_idle_for_thirty_minutes_and_after_twelve_hours(make_server: Any, password: str):
    clock = ManualClock()
    server = make_server(public=True, clock=clock)
    with server.client() as client:
        log_in(client, password)
        clock.advance(29 * 60)
        assert client.get("/api/v1/series").status_code == 200
        clock.advance(29 * 60)
        assert client.get("/api/v1/series").status_code == 200
        clock.advance(30 * 60)
        assert client.get("/api/v1/series").status_code == 401
        log_in(client, password)
        for _ in range(24):
            assert client.get("/api/v1/series").status_code == 200
            clock.advance(29 * 60)
        clock.advance(24 * 60)
        assert client.get("/api/v1/series").status_code == 401


def test_the_session_is_new_at_login_and_dead_after_logout(public: Any, password: str):
    with public.client() as client:
        log_in(client, password)
        first = client.cookies["quintet"]
        log_in(client, password)
        second = client.cookies["quintet"]
        assert first != second
        for cookie, status in ((first, 401), (second, 200)):
            assert httpx.get(public.base + "/api/v1/series", cookies={"quintet": cookie}).status_code == status
        left = client.post("/logout")
        assert (left.status_code, left.headers["location"]) == (303, "/login")
        assert "quintet" not in client.cookies
        assert httpx.get(public.base + "/api/v1/series", cookies={"quintet": second}).status_code == 401


@pytest.mark.parametrize("value", ["", "x", "a.b", "AAAA.BBBB", "é.é", "." * 150, "A" * 43 + "." + "A" * 43])
def test_a_made_up_cookie_is_no_session(shared_public: Any, value: str):
    headers = {"Cookie": f"quintet={value}".encode()}
    assert httpx.get(shared_public.base + "/api/v1/series", headers=headers).status_code == 401


def test_the_websocket_needs_the_session_before_it_is_accepted(public: Any, password: str):
    with pytest.raises(websockets.InvalidStatus) as refused:
        public.feed()
    assert refused.value.response.status_code == 401
    with public.client() as client:
        log_in(client, password)
        cookie = {"Cookie": f"quintet={client.cookies['quintet']}"}
    with public.feed(channels=["quotes"], headers=cookie) as viewer:
        assert viewer.frame()["channel"] == "quotes"


def test_dashs_own_websocket_is_closed_to_all(shared_public: Any, shared_server: Any):
    for server, status in ((shared_public, 404), (shared_server, 404)):
        with pytest.raises(websockets.InvalidStatus) as refused:
            server.feed(path="/_dash-ws-callback", headers={"Origin": server.base})
        assert refused.value.response.status_code == status


def test_logout_closes_open_sockets_within_two_seconds(public: Any, password: str):
    with public.client() as client:
        log_in(client, password)
        with public.feed(channels=["status"], headers={"Cookie": f"quintet={client.cookies['quintet']}"}) as viewer:
            viewer.frame()
            client.post("/logout")
            started = time.monotonic()
            assert viewer.close_code(3) == 4401
            assert time.monotonic() - started < 2 * PATIENCE


def test_expiry_closes_open_sockets_within_two_seconds(make_server: Any, password: str):
    clock = ManualClock()
    server = make_server(public=True, clock=clock)
    with server.client() as client:
        log_in(client, password)
        with server.feed(headers={"Cookie": f"quintet={client.cookies['quintet']}"}) as viewer:
            clock.advance(31 * 60)
            started = time.monotonic()
            assert viewer.close_code(3) == 4401
            assert time.monotonic() - started < 2 * PATIENCE


HOST = "quintet.example:8050"


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ({}, True),
        ({"origin": f"http://{HOST}"}, True),
        ({"origin": "http://QUINTET.example:8050"}, True),
        ({"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
        ({"origin": f"https://{HOST}"}, False),
        ({"origin": "http://quintet.example"}, False),
        ({"origin": "http://quintet.example:8051"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": f"http://{HOST}.evil.example"}, False),
        ({"origin": "http://evil.example/" + HOST}, False),
        ({"origin": f"http://user@{HOST}"}, False),
        ({"origin": f"http://{HOST}, http://evil.example"}, False),
        ({"origin": f"http://{HOST}", "sec-fetch-site": "cross-site"}, False),
        ({"origin": f"http://{HOST}", "sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"origin": "file://"}, False),
        ({"origin": "chrome-extension://abcdef"}, False),
    ],
)
@pytest.mark.parametrize("kind", ["POST", "PATCH", "websocket"])
def test_only_our_own_pages_change_things_or_open_sockets(kind: str, headers: dict[str, str], is_ours: bool):
    assert (refuses_origin(scope(kind, {"host": HOST, **headers}), secure=False) is None) is is_ours


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, True),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, False),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}, False),
        ({"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}, True),
        ({}, True),
    ],
)
def test_other_sites_may_link_here_and_not_read_or_embed(headers: dict[str, str], is_ours: bool):
    assert (refuses_origin(scope("GET", {"host": HOST, **headers}), secure=False) is None) is is_ours


@pytest.mark.parametrize(
    ("secure", "host", "origin", "is_ours"),
    [
        (True, "quintet.example", "https://quintet.example", True),
        (True, "quintet.example:443", "https://quintet.example", True),
        (True, "quintet.example", "https://quintet.example:443", True),
        (True, "quintet.example", "http://quintet.example", False),
        (False, "[::1]:8050", "http://[::1]:8050", True),
        (False, "quintet.example:80", "http://quintet.example", True),
    ],
)
def test_origins_are_compared_with_default_ports(secure: bool, host: str, origin: str, is_ours: bool):
    assert (refuses_origin(scope("POST", {"host": host, "origin": origin}), secure) is None) is is_ours


def test_a_foreign_page_can_neither_post_nor_open_the_feed(server: Any):
    evil = {"Origin": "http://evil.example"}
    with server.client() as client:
        answer = client.patch("/api/v1/settings", json={"consumer.storage": False}, headers=evil)
        assert answer.status_code == 403
        assert client.post("/_dash-update-component", json={}, headers=evil).status_code == 403
        own = {"Origin": server.base, "Sec-Fetch-Site": "same-origin"}
        assert client.patch("/api/v1/settings", json={"consumer.storage": False}, headers=own).status_code == 200
    with pytest.raises(websockets.InvalidStatus) as refused:
        server.feed(headers=evil)
    assert refused.value.response.status_code == 403
    with server.feed(channels=["quotes"], headers={"Origin": server.base}) as viewer:
        assert viewer.frame()


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:1", 200), ("127.0.0.1", 200), ("[::1]:8050", 200), ("LOCALHOST", 200)]
    + [
        (h, 403)
        for h in ("evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "testserver", "a/?x=", "", "0.0.0.0")
    ],
)
def test_without_a_login_only_this_machines_names_are_answered(shared_server: Any, host: str, status: int):
    with shared_server.client() as client:
        assert client.get("/api/v1/series", headers={"Host": host}).status_code == status


def test_a_foreign_name_cannot_open_the_feed_either(shared_server: Any):
    with socket.create_connection(("127.0.0.1", shared_server.port)) as connection:
        connection.sendall(
            b"GET /feed HTTP/1.1\r\nHost: evil.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert b" 403 " in connection.recv(100)


@pytest.mark.parametrize(
    ("server", "host", "is_answered"),
    [
        (("127.0.0.1", 8050), "localhost:8050", True),
        (("::1", 8050), "[::1]:8050", True),
        (("::ffff:127.0.0.1", 8050), "127.0.0.1:8050", True),
        (("192.168.1.5", 8050), "localhost:8050", False),
        (("10.0.0.2", 8050), "10.0.0.2:8050", False),
        (None, "localhost", False),
        (("/run/quintet.sock", None), "localhost", False),
    ],
)
def test_without_a_login_only_loopback_addresses_are_served(server: Any, host: str, is_answered: bool):
    assert (refuses_server({**scope("GET", {"host": host}), "server": server}) is None) is is_answered


@pytest.mark.parametrize(
    ("peer", "forwarded", "is_public", "address"),
    [
        ("100.64.0.7", "198.51.100.9", True, "198.51.100.9"),
        ("10.0.0.7", "6.6.6.6, 198.51.100.9", True, "198.51.100.9"),
        ("10.0.0.7", "not an address", True, "10.0.0.7"),
        ("10.0.0.7", None, True, "10.0.0.7"),
        ("8.8.8.8", "198.51.100.9", True, "8.8.8.8"),
        ("127.0.0.1", "198.51.100.9", False, "127.0.0.1"),
    ],
)
def test_the_clients_address_is_the_one_our_proxy_saw(peer: str, forwarded: str | None, is_public: bool, address: str):
    headers = {"x-forwarded-for": forwarded} if forwarded else {}
    assert client_address({**scope("POST", headers), "client": (peer, 1)}, is_public) == address


def test_a_forwarded_scheme_counts_on_a_public_server_only():
    told = scope("GET", {"x-forwarded-proto": "https"})
    assert is_secure(told, is_public=True)
    assert not is_secure(told, is_public=False)
    assert not is_secure(scope("GET", {"x-forwarded-proto": "https, http"}), is_public=True)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/monitoring?a=1", "/monitoring?a=1"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nb", "/"),
        ("", "/"),
        ("/\t/evil.example", "/"),
        ("/x\\y", "/"),
        ("/" + "a" * 3_000, "/"),
    ],
)
def test_after_the_login_one_stays_on_this_server(target: str, path: str):
    assert local_path(target) == path


EVERY_CLASS = [
    ("GET", "/"),
    ("GET", "/health"),
    ("GET", "/api/v1/series"),
    ("GET", "/api/v1/series/xyz"),
    ("GET", "/api/v1/series/eth_1m?limit=x"),
    ("GET", "/nothing"),
    ("TRACE", "/"),
    ("POST", "/health"),
    ("GET", "/assets/00_tokens.css"),
    ("GET", "/login.css"),
    ("GET", "/metrics"),
    ("GET", "/_dash-layout"),
    ("POST", "/_dash-update-component"),
    ("GET", "/_dash-component-suites/dash/nothing.js"),
]


@pytest.mark.parametrize(("method", "path"), EVERY_CLASS)
def test_every_answer_carries_the_security_headers(shared_server: Any, method: str, path: str):
    with shared_server.client() as client:
        headers = client.request(method, path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert "server" not in headers
    assert "strict-transport-security" not in headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert "'unsafe-inline'" not in policy["script-src"]
    assert "'unsafe-eval'" not in policy["script-src"]
    assert policy["object-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == f"'self' ws://127.0.0.1:{shared_server.port}"
    is_file = path.startswith(("/assets/", "/_dash-component-suites/"))
    assert headers["cache-control"] == ("no-cache" if is_file else "no-store")


def test_over_tls_browsers_are_told_to_stay_there(shared_public: Any):
    with shared_public.client() as client:
        headers = client.get("/health", headers={"X-Forwarded-Proto": "https"}).headers
    assert headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
    assert f"wss://127.0.0.1:{shared_public.port}" in headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/.env",
        "/.git/config",
        "/docs",
        "/redoc",
        "/openapi.json",
        "/wp-login.php",
        "/_reload-hash",
        "/_mcp",
        "/_dash-ws-callback",
        "/login",
        "/logout",
        "/404",
        "/anything/at/all",
    ],
)
def test_what_does_not_exist_is_404(shared_server: Any, path: str):
    with shared_server.client() as client:
        assert client.get(path).status_code == 404
        page = client.get(path, headers={"Accept": "text/html"})
        assert page.status_code == 404
        assert "_dash-config" not in page.text


@pytest.mark.parametrize("path", ["/", "/monitoring", "/settings", "/_dash-layout", "/_dash-dependencies", "/_favicon.ico"])
def test_the_dashboards_pages_exist(shared_server: Any, path: str):
    with shared_server.client() as client:
        assert client.get(path).status_code == 200


@pytest.mark.parametrize("method", ["TRACE", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_405(shared_server: Any, method: str):
    with shared_server.client() as client:
        answer = client.request(method, "/api/v1/settings")
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET, HEAD, PATCH, POST"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_above_one_megabyte_is_413(shared_server: Any, chunked: bool):
    body = b"[" + b" " * (1 << 20) + b"]"
    content = (body[i : i + 65_536] for i in range(0, len(body), 65_536)) if chunked else body
    with shared_server.client() as client:
        answer = client.patch("/api/v1/settings", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


def test_a_public_server_refuses_a_bad_host(shared_public: Any):
    with shared_public.client() as client:
        assert client.get("/health", headers={"Host": "a/?x="}).status_code == 400


def test_the_feed_answers_while_passwords_are_hashed(public: Any, password: str):
    with public.client() as client:
        log_in(client, password)
        cookie = {"Cookie": f"quintet={client.cookies['quintet']}"}
        guesser = threading.Thread(
            target=lambda: [httpx.post(public.base + "/login", data={"password": "x"}) for _ in range(5)]
        )
        with public.feed(channels=["status"], headers=cookie) as viewer:
            viewer.frame()
            guesser.start()
            gaps = []
            while guesser.is_alive():
                asked = time.monotonic()
                assert client.get("/health").status_code == 200
                gaps.append(time.monotonic() - asked)
            assert viewer.frame()
    assert max(gaps) < 1


def test_sessions_are_bounded_and_the_least_used_goes_first():
    clock = ManualClock()
    store = SessionStore("secret", clock, limit=3)
    cookies = []
    for _ in range(3):
        cookies.append(store.open("admin"))
        clock.advance(1)
    store.find(cookies[0])
    clock.advance(1)
    cookies.append(store.open("admin"))
    assert [store.find(cookie) is not None for cookie in cookies] == [True, False, True, True]
    assert SessionStore("other", clock).find(cookies[0]) is None


def test_an_ended_session_tells_each_follower_once():
    store = SessionStore("secret", ManualClock())
    cookie = store.open("admin")
    session = store.find(cookie)
    assert session is not None
    calls: list[str] = []
    session.on_end(lambda: calls.append("kept"))
    forget = session.on_end(lambda: calls.append("forgotten"))
    forget()
    store.close(cookie)
    store.close(cookie)
    assert calls == ["kept"]


def test_attempts_are_counted_over_a_sliding_period():
    clock = ManualClock()
    limit = AttemptLimit(2, 60, clock, max_keys=2)
    limit.count("a")
    clock.advance(30)
    limit.count("a")
    assert limit.retry_after_s("a") == 30
    clock.advance(29.5)
    assert limit.retry_after_s("a") == 1
    clock.advance(0.5)
    assert limit.retry_after_s("a") == 0
    limit.count("b"), limit.count("c")
    assert limit.retry_after_s("a") == 0


def test_a_bucket_refills_at_its_rate():
    clock = ManualClock()
    bucket = TokenBucket(10, 3, clock)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    clock.advance(0.1)
    assert [bucket.take() for _ in range(2)] == [True, False]


def scope(kind: str, headers: dict[str, str]) -> dict[str, Any]:
    """An ASGI scope of a request over plain HTTP; `kind` is a method or `websocket`."""
    return {
        "type": "websocket" if kind == "websocket" else "http",
        "method": kind,
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8050),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
