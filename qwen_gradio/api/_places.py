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
        self._waiting: list[Callable[[int, int], None]] = []

    @asynccontextmanager
    async def taken(self, report: Callable[[int, int], None]) -> AsyncIterator[None]:
        """Have a place during an `async with` block.

        :param report: called, while there is none, with the position in the queue and its length.
        """
        try:
            self._limiter.acquire_on_behalf_of_nowait(report)
        except anyio.WouldBlock:
            await self._wait(report)
        try:
            yield
        finally:
            self._limiter.release_on_behalf_of(report)

    async def _wait(self, report: Callable[[int, int], None]) -> None:
        self._waiting.append(report)
        self._report()
        try:
            await self._limiter.acquire_on_behalf_of(report)
        finally:
            self._waiting.remove(report)
            self._report()

    def _report(self) -> None:
        for index, report in enumerate(self._waiting):
            report(index + 1, len(self._waiting))
