"""The routes of the worker pool: its state, its dead letters, and the option chains that it values."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.base.errors import RetryableError
from core.system import System
from web.answers import answer, refuse
from web.inputs import BadRequest, json_object, whole

DEAD_LETTERS, MAX_DEAD_LETTERS = 100, 1_000
#: longest id of a stream's entry: two 64-bit numbers and a dash
ENTRY_LENGTH = 41
#: longest name of an underlying, and of a venue, that is looked up
NAME_LENGTH = 64
REPLAY_ALL = "all"


class WorkersApi:
    """Answers from what the system says of the pool; units and shapes are in docs/workers.md."""

    def __init__(self, system: System) -> None:
        self._system = system

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/workers", self.workers, methods=["GET"]),
            Route("/api/v1/workers/dead", self.dead_letters, methods=["GET"]),
            Route("/api/v1/workers/dead/replay", self.replay, methods=["POST"]),
            Route("/api/v1/options", self.underlyings, methods=["GET"]),
            Route("/api/v1/options/{underlying}", self.chains, methods=["GET"]),
        ]

    async def workers(self, request: Request) -> Response:
        return await answer(request, await asyncio.to_thread(self._system.workers_status))

    async def dead_letters(self, request: Request) -> Response:
        """`limit` (1…1,000): the newest entries, newest first."""
        limit = whole(request.query_params.get("limit"), DEAD_LETTERS)
        if limit is None or not 1 <= limit <= MAX_DEAD_LETTERS:
            return await refuse(request, 422, f"limit must be a whole number, 1–{MAX_DEAD_LETTERS}", parameter="limit")
        if unknown := next((key for key in request.query_params if key != "limit"), None):
            return await refuse(request, 422, "unknown parameter; there is limit", parameter=unknown[:64])
        try:
            entries = await self._system.dead_letters(limit)
        except RetryableError:
            return await refuse(request, 503, "the dead letters are in Redis, which cannot be reached just now")
        return await answer(request, {"entries": entries})

    async def replay(self, request: Request) -> Response:
        """`{"id": "…"}` or `{"id": "all"}`: put dead letters back onto the stream; answers how many."""
        try:
            body = await json_object(request, '{"id": "…"} or {"id": "all"}')
        except BadRequest as bad:
            return await refuse(request, bad.status, bad.reason)
        entry = body.get("id")
        if len(body) != 1 or not isinstance(entry, str) or not _is_entry(entry):
            return await refuse(request, 422, 'the body must be {"id": "…"} or {"id": "all"}', parameter="id")
        try:
            replayed = await self._system.replay_dead_letters(entry)
        except RetryableError:
            return await refuse(request, 503, "nothing was replayed: Redis cannot be reached just now")
        return await answer(request, {"replayed": replayed})

    async def underlyings(self, request: Request) -> Response:
        try:
            venues = await self._system.option_underlyings()
        except RetryableError:
            return await refuse(request, 503, _DATABASE_AWAY)
        return await answer(request, {"underlyings": list(venues), "venues": venues})

    async def chains(self, request: Request) -> Response:
        """Every option of an underlying at one venue with its newest tick, by expiry and strike.

        `venue` (the one with the most options), `expiry`: the chain of that one only.
        """
        underlying: str = request.path_params["underlying"]
        venue = request.query_params.get("venue")
        try:
            chains: dict[str, Any] = await self._system.option_chains(
                underlying[:NAME_LENGTH], None if venue is None else venue[:NAME_LENGTH]
            )
        except KeyError:
            return await refuse(
                request, 404, "no option of this underlying has come yet", underlying=underlying[:NAME_LENGTH]
            )
        except RetryableError:
            return await refuse(request, 503, _DATABASE_AWAY)
        if not chains["venue"]:
            there_are = ", ".join(chains["venues"])
            return await refuse(
                request, 422, f"no option of this underlying at this venue; there are those of {there_are}",
                parameter="venue", venues=chains["venues"],
            )  # fmt: skip
        expiry = request.query_params.get("expiry")
        if expiry is not None:
            chains = {**chains, "chains": {name: rows for name, rows in chains["chains"].items() if name == expiry}}
        return await answer(request, chains)


_DATABASE_AWAY = "option ticks are in the database, which cannot be reached just now"


def _is_entry(text: str) -> bool:
    """Whether `text` is `all` or can be the id of a stream's entry, such as `1719500000000-3`."""
    milliseconds, _, number = text.partition("-")
    is_id = len(text) <= ENTRY_LENGTH and all(part.isascii() and part.isdecimal() for part in (milliseconds, number))
    return text == REPLAY_ALL or is_id
