"""A task group whose error callers can catch as what it is."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup  # which anyio brings


@asynccontextmanager
async def task_group() -> AsyncIterator[TaskGroup]:
    """anyio's, which raises the first error of its tasks by itself instead of a group of all.

    If the group was cancelled meanwhile, as trio tells it, too, the error goes before that.
    """
    error: BaseException | None = None
    try:
        async with anyio.create_task_group() as tasks:
            yield tasks
    except BaseExceptionGroup as group:
        error = group.split(anyio.get_cancelled_exc_class())[1] or group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
    # Not within `except`: the group would become the context of what it has in it, a circle.
    if error is not None:
        raise error
