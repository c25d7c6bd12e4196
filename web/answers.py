"""JSON answers: encoded by msgspec, compressed when big."""

import asyncio
import gzip
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from core.base.codec import to_json

#: bytes from which compression is worth a thread's while
COMPRESS_FROM = 4_096


async def answer(request: Request, body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`body` as JSON."""
    data = to_json(body)
    given = {"Vary": "Accept-Encoding", **(headers or {})}
    if len(data) >= COMPRESS_FROM and "gzip" in request.headers.get("accept-encoding", ""):
        data = await asyncio.to_thread(gzip.compress, data, 1)
        given["Content-Encoding"] = "gzip"
    return Response(data, status, given, media_type="application/json")


async def refuse(request: Request, status: int, error: str, **more: Any) -> Response:
    """An error as JSON: `error` says what was wrong, never what went on inside."""
    return await answer(request, {"error": error, **more}, status)
