"""How many requests are asked at once; the others wait in the order in which they came."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio


class Places:
    """The places of requests that are asked at once.

    :param limit: how many there are; None sets no limit.
    """

    def __init__(self, limit: int | None) -> None:
        self._limiter = anyio.CapacityLimiter(math.inf if limit is None else limit)
        self._waiting: dict[object, Callable[[int, int], None]] = {}

    @asynccontextmanager
    async def taken(self, report: Callable[[int, int], None]) -> AsyncIterator[None]:
        """Have a place during an `async with` block.

        :param report: called, while there is none, with the position in the queue and its length.
        """
        holder = object()
        try:
            self._limiter.acquire_on_behalf_of_nowait(holder)
        except anyio.WouldBlock:
            await self._wait(holder, report)
        try:
            yield
        finally:
            self._limiter.release_on_behalf_of(holder)

    async def _wait(self, holder: object, report: Callable[[int, int], None]) -> None:
        self._waiting[holder] = report
        self._report()
        try:
            await self._limiter.acquire_on_behalf_of(holder)
        finally:
            del self._waiting[holder]
            self._report()

    def _report(self) -> None:
        for index, report in enumerate(self._waiting.values()):
            report(index + 1, len(self._waiting))
