"""Server callbacks of Dash, which must be coroutines."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import dash

Answer = TypeVar("Answer", bound=Callable[..., Awaitable[Any]])


def server_callback(*dependencies: Any, **options: Any) -> Callable[[Answer], Answer]:
    """`dash.callback` for `async def` only: a plain function would block the web loop for every viewer."""

    def register(function: Answer) -> Answer:
        if not inspect.iscoroutinefunction(function):
            raise TypeError(f"callback {function.__name__} must be async def")
        return cast(Answer, dash.callback(*dependencies, **options)(function))

    return register
