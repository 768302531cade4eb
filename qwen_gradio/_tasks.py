"""Helpers for tasks: unwrapped exceptions, Jupyter's stop button, and calls without `await`."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import anyio
from anyio.lowlevel import current_token

if TYPE_CHECKING:
    from anyio.abc import TaskGroup  # slow to import

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup  # installed with anyio


P = ParamSpec("P")
T = TypeVar("T")

WAKE_INTERVAL = 0.25
"""Maximum seconds until a notebook's stop button takes effect."""


@contextmanager
def allow_interrupt() -> Iterator[None]:
    """Let a notebook's stop button take effect while a task waits.

    Jupyter's kernel cancels a cell's task from a signal handler, which does not wake the event
    loop, so a timer does. Outside a kernel, this does nothing.
    """
    loop: Any = current_token().native_token if "ipykernel" in sys.modules else None
    if not hasattr(loop, "call_later"):  # outside a kernel, or on trio
        yield
        return
    waking: Any = None

    def wake() -> None:
        nonlocal waking
        waking = loop.call_later(WAKE_INTERVAL, wake)

    wake()
    try:
        yield
    finally:
        waking.cancel()


@asynccontextmanager
async def task_group() -> AsyncIterator[TaskGroup]:
    """Open an anyio task group that raises its first error itself, instead of a group of errors.

    An error takes precedence over a cancellation, which trio reports in the same group.
    """
    error: BaseException | None = None
    try:
        async with anyio.create_task_group() as tasks:
            yield tasks
    except BaseExceptionGroup as group:
        error = group.split(anyio.get_cancelled_exc_class())[1] or group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
    # Raised outside of `except`: the group must not become the context of its own member.
    if error is not None:
        raise error


def to_sync(function: Callable[P, Awaitable[T]]) -> Callable[P, T]:
    """Make an async function synchronous: each call runs in an event loop in a new thread."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        from anyio.from_thread import start_blocking_portal

        with start_blocking_portal(name="qwen_gradio loop") as portal:
            return portal.call(partial(function, *args, **kwargs))

    return call
