"""The HTTP interface: `/health`, `/ready`, `/metrics`, `/api/v1/…`. Times in ms, ages in ms, latencies in µs."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.base.codec import to_json
from core.base.errors import QuintetError
from core.domain.series import COLUMNS, SERIES, SERIES_NAMES
from core.system import LockedToggle, StorageUnavailable, System
from web.answers import answer, refuse
from web.feed import Feed
from web.history import HistoryCache, Rows
from web.inputs import BadRequest, json_object, whole
from web.metrics import Metrics

DEFAULT_LIMIT, MAX_LIMIT = 1_500, 20_000
AUDIT_ROWS = 50


class Api:
    """Answers from the system's snapshots. Building one may take milliseconds, so that is done off the loop."""

    def __init__(self, system: System, history: HistoryCache, feed: Feed) -> None:
        self._system = system
        self._history = history
        self._metrics = Metrics(system, feed)

    def routes(self) -> list[Route]:
        system, stream = self._system, self._system.stream
        listings: dict[str, Callable[[], Any]] = {
            "series": lambda: {"series": stream.series_summary()},
            "consumers": lambda: {"consumers": stream.consumers()},
            "connections": lambda: {"connections": system.connections(), "statistics": system.statistics()},
            "books": lambda: {"books": system.books()},
            "symbols": lambda: {"symbols": stream.symbols()},
            "cache": lambda: {"cache": system.caches()},
            "storage": system.storage,
            "slo": lambda: {"slo": system.slo()},
            "signals": no_signals,
        }
        return [
            Route("/health", self.health, methods=["GET"]),
            Route("/ready", self.ready, methods=["GET"]),
            Route("/metrics", self.metrics, methods=["GET"]),
            *(Route(f"/api/v1/{name}", _listing(build), methods=["GET"], name=name) for name, build in listings.items()),
            Route("/api/v1/series/{name}", self.series, methods=["GET"]),
            Route("/api/v1/settings", self.settings, methods=["GET"]),
            Route("/api/v1/settings", self.change_settings, methods=["PATCH"]),
        ]

    async def health(self, request: Request) -> Response:
        return await answer(request, {"status": "ok"})

    async def ready(self, request: Request) -> Response:
        components = await asyncio.to_thread(self._system.components)
        is_ready = all(state == "ok" for state in components.values())
        return await answer(request, {"ready": is_ready, "components": components}, 200 if is_ready else 503)

    async def metrics(self, request: Request) -> Response:
        text = await asyncio.to_thread(self._metrics.text)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def series(self, request: Request) -> Response:
        """`limit` (1…20,000): the latest rows; with `since` (ms): the first rows strictly after it."""
        name = request.path_params["name"]
        if name not in SERIES:
            return await refuse(request, 404, f"unknown series; the five are {', '.join(SERIES_NAMES)}", series=SERIES_NAMES)
        limit = whole(request.query_params.get("limit"), DEFAULT_LIMIT)
        if limit is None or not 1 <= limit <= MAX_LIMIT:
            return await refuse(request, 422, f"limit must be a whole number, 1–{MAX_LIMIT}", parameter="limit")
        since = whole(request.query_params.get("since"), -1)
        if since is None or not -1 <= since < 1 << 53:
            return await refuse(request, 422, "since must be Unix milliseconds, 0 or more", parameter="since")
        if unknown := next((key for key in request.query_params if key not in ("limit", "since")), None):
            return await refuse(request, 422, "unknown parameter; there are limit and since", parameter=unknown[:64])
        try:
            rows = await (self._latest(name, limit) if since < 0 else self._after(name, limit, since))
        except StorageUnavailable:
            return await refuse(request, 503, "rows this old are in the database, which cannot be reached just now")
        return await answer(request, {"series": name, "columns": COLUMNS, "rows": rows})

    async def _latest(self, name: str, limit: int) -> Rows:
        rows: Rows = self._system.stream.rows(name, limit)
        if len(rows) >= limit or not rows:
            return rows
        try:
            older = await self._history.rows(name, limit - len(rows), int(rows[0][0]))
        except StorageUnavailable:
            return rows
        return older + rows

    async def _after(self, name: str, limit: int, since: int) -> Rows:
        """The first `limit` rows after `since`: stored ones while they are older than what is kept in memory."""
        stream, step = self._system.stream, SERIES[name].step_ms
        kept: Rows = stream.rows(name, 1, since=0)
        first = int(kept[0][0]) if kept else 0
        if since >= first - step:
            newer: Rows = stream.rows(name, limit, since=since + 1)
            return newer
        # series have no holes, so `limit` rows cover this much time; where storage has one, look at all that is near
        older = await self._stored(name, limit, since, min(first, since + limit * step + 1))
        if not older:
            older = await self._stored(name, MAX_LIMIT, since, first)
        older = older[:limit]
        if len(older) == limit or (older and older[-1][0] + step < first):
            return older
        return older + stream.rows(name, limit - len(older), since=first)

    async def _stored(self, name: str, limit: int, since: int, before_ms: int) -> Rows:
        return [row for row in await self._history.rows(name, limit, before_ms) if row[0] > since]

    async def settings(self, request: Request) -> Response:
        """The toggles and the latest changes; `audit` is null while the database is away."""
        toggles = await self._system.toggles()
        try:
            audit = await self._system.settings_audit(AUDIT_ROWS)
        except StorageUnavailable:
            audit = None
        return await answer(request, {"settings": toggles, "audit": audit})

    async def change_settings(self, request: Request) -> Response:
        """`{"key": value, …}`: all are checked before the first is changed; answers the new values."""
        try:
            changes = await json_object(request, '{"key": value, …}')
        except BadRequest as bad:
            return await refuse(request, bad.status, bad.reason)
        toggles = {toggle["key"]: toggle for toggle in await self._system.toggles()}
        for key, value in changes.items():
            if key not in toggles:
                return await refuse(request, 422, "unknown setting", key=key[:64])
            if toggles[key]["locked"]:
                return await refuse(request, 409, f"this setting is locked: {toggles[key]['locked']}", key=key)
            if wrong := _unfit(value, toggles[key]):
                return await refuse(request, 422, wrong, key=key)
        return await self._apply(request, changes)

    async def _apply(self, request: Request, changes: dict[str, Any]) -> Response:
        changed: dict[str, Any] = {}
        for key, value in changes.items():
            try:
                changed[key] = (await self._system.set_toggle(key, value, request.state.user))["value"]
            except StorageUnavailable:
                return await refuse(request, 503, "settings cannot be stored just now", key=key, changed=changed)
            except LockedToggle:
                return await refuse(request, 409, "this setting is locked", key=key, changed=changed)
            except (KeyError, TypeError, QuintetError):
                return await refuse(request, 422, "this value cannot be set", key=key, changed=changed)
        return await answer(request, {"changed": changed, "settings": await self._system.toggles()})


_JSON_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def _listing(build: Callable[[], Any]) -> Callable[[Request], Awaitable[Response]]:
    async def listing(request: Request) -> Response:
        return await answer(request, await asyncio.to_thread(build))

    return listing


def _unfit(value: object, toggle: Mapping[str, Any]) -> str:
    """Why `value` cannot be one of this toggle, or empty. A toggle with `choices` takes one of them, JSON type and all."""
    choices = toggle.get("choices")
    if choices:
        fits = any(type(value) is type(choice) and value == choice for choice in choices)
        return "" if fits else f"the value must be one of {to_json(choices).decode()}"
    default = toggle["default"]
    return "" if type(value) is type(default) else f"the value must be {_JSON_NAMES.get(type(default), 'another type')}"


def no_signals() -> dict[str, Any]:
    return {"enabled": False, "reason": "there are no models in this version", "signals": [], "fused": None}
