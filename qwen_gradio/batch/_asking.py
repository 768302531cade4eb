"""Items to rows: each is asked until it has its reply, or an error that is its own."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import anyio

from .._stream import FragmentStream
from .._tasks import task_group
from ..errors import (
    AuthenticationError,
    QwenGradioError,
    SpaceInterfaceError,
    SpaceUnavailableError,
)
from ..provider import Provider, require_known
from ._items import Item
from ._rows import Row

FIRST_WAIT = 0.5
LONGEST_WAIT = 60.0
"""Seconds before asking again, unless the Space says how many."""
LONGEST_TOLD_WAIT = 3600.0
"""Seconds that a Space may ask to be left alone; after that it is tried again."""

OF_THE_SPACE = (AuthenticationError, SpaceInterfaceError, SpaceUnavailableError)
"""Errors that every item would meet."""
FIRST_RETRIES = 2
"""How often a Space that has never answered is tried again: its address may well be wrong."""


class Asker:
    """Asks items of one Space, several at once, which back off as one.

    :param options: what `Provider.create_async_generator` takes, besides model and messages.
    :param max_retries: how often an item is asked again, if the Space did not take it.
    :param concurrency: how many items are asked at once.
    :ivar on_wait: called with the error and the seconds whenever asking pauses; may be set.
    :ivar has_answered: whether the Space has replied to anything, or is known to; may be set.
    :ivar space: the Space, as it was given.
    :ivar model: the full name of the model.
    :raises QwenGradioError: if these options cannot be used.
    """

    def __init__(
        self,
        provider: type[Provider],
        model: str | None,
        options: dict[str, Any],
        max_retries: int,
        concurrency: int,
    ) -> None:
        if concurrency < 1:
            raise ValueError(f"concurrency must be 1 or more, not {concurrency}")
        require_known(provider, options)
        self._provider = provider
        self.model = provider.get_model(model)
        # An item that is asked again waits here, with all others, and not in a job by itself.
        self._options = {**options, "max_retries": 0}
        self._max_retries = max_retries
        self._concurrency = concurrency
        self.on_wait: Callable[[QwenGradioError, float], object] | None = None
        self._pause = _Pause()
        self.has_answered = False
        unsent = self._ask(Item(None, [{"role": "user", "content": "?"}], ""))
        self.space = unsent.space

    async def ask_all(self, items: Iterable[Item], put: Callable[[Row], Awaitable[object]]) -> None:
        """Ask items, and put the row of each when it is done.

        :raises QwenGradioError: if the first items meet an error that is not theirs.
        """
        left = iter(items)

        async def work() -> None:
            for item in left:
                await put(await self._row(item))

        async with task_group() as workers:
            for _ in range(self._concurrency):
                workers.start_soon(work)

    async def _row(self, item: Item) -> Row:
        attempts = 0
        while True:
            await self._pause.over()
            attempts += 1
            began = anyio.current_time()
            first = None
            error = None
            stream = self._ask(item)
            try:
                async for _ in stream:
                    first = first or anyio.current_time()
                self.has_answered = True
                self._pause.end()
            except QwenGradioError as failed:
                error = failed
                if self._may_pass(error) and attempts <= self._most_retries(error):
                    seconds = self._pause.begin(error, began)
                    if seconds is not None and self.on_wait is not None:
                        self.on_wait(error, seconds)
                    continue
                if not self.has_answered and isinstance(error, OF_THE_SPACE):
                    raise
            text = stream.partial
            return Row(
                id=item.id,
                reply=text if error is None else None,
                error=None if error is None else type(error).__name__,
                why=None if error is None else str(error),
                partial=None if error is None else text,
                attempts=attempts,
                first_fragment_seconds=first and round(first - began, 3),
                seconds=round(anyio.current_time() - began, 3),
                characters=len(text),
                space=stream.space,
                model=self.model,
                digest=item.digest,
            )

    def _may_pass(self, error: QwenGradioError) -> bool:
        """Whether to ask again: as a job would, or because a Space that had answered is gone."""
        of_reply = isinstance(error, SpaceInterfaceError) and error.of_reply
        gone = self.has_answered and isinstance(error, OF_THE_SPACE) and not of_reply
        return (error.transient or gone) and not error.partial

    def _most_retries(self, error: QwenGradioError) -> int:
        if self.has_answered or not isinstance(error, OF_THE_SPACE):
            return self._max_retries
        return min(self._max_retries, FIRST_RETRIES)

    def _ask(self, item: Item) -> FragmentStream:
        return self._provider.create_async_generator(self.model, item.messages, **self._options)


class _Pause:
    """The time for which nobody asks, as the Space takes no more for now. It grows each time that
    this did not suffice.
    """

    def __init__(self) -> None:
        self._began = float("-inf")
        self._ends = float("-inf")
        self._times = 0

    def begin(self, error: QwenGradioError, asked: float) -> float | None:
        """Pause because of an error, which came of something that was asked at that time. Gives the
        seconds; or None for what was already under way at the last pause, and tells nothing new.
        """
        if asked < self._began:
            return None
        seconds = min(FIRST_WAIT * 2.0**self._times, LONGEST_WAIT) * random.uniform(1, 1.5)
        seconds = max(seconds, min(error.retry_after or 0.0, LONGEST_TOLD_WAIT))
        self._times = min(self._times + 1, 16)
        self._began = anyio.current_time()
        self._ends = self._began + seconds
        return seconds

    def end(self) -> None:
        """The Space takes questions again."""
        self._times = 0

    async def over(self) -> None:
        """Wait until the pause is over, however often it is prolonged meanwhile."""
        while anyio.current_time() < self._ends:  # noqa: ASYNC110  # for a time, not an event
            await anyio.sleep_until(self._ends)
