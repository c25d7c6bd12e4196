"""What requests carry: whole numbers in queries, JSON objects in bodies."""

from typing import Any

import msgspec
from starlette.requests import Request

from core.base.codec import from_json


class BadRequest(Exception):
    """The request cannot be taken; the status to refuse it with, and why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def whole(text: str | None, default: int) -> int | None:
    """A whole number of at most 18 digits; None when the text is none."""
    if text is None:
        return default
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None


async def json_object(request: Request, form: str) -> dict[str, Any]:
    """The body, which must be a JSON object that is not empty; `form` is how it should look. Raises BadRequest.

    The media type is asked for because a page of another origin cannot send it without being asked itself.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise BadRequest(415, "the body must be application/json")
    try:
        body = from_json(await request.body())
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise BadRequest(422, "the body is not JSON") from None
    if not isinstance(body, dict) or not body:
        raise BadRequest(422, f"the body must be {form}")
    return body
