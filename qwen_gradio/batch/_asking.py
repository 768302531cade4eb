"""Items to rows: each item is asked until it has a reply, or an error of its own."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
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
from ._items import Item, Messages
from ._rows import Row

MIN_RETRY_INTERVAL = 0.5
MAX_RETRY_INTERVAL = 60.0
"""Seconds before asking again, unless the Space says how many."""
MAX_RETRY_AFTER = 3600.0
"""Limit in seconds for the pause that a Space asks for."""

SPACE_ERRORS = (AuthenticationError, SpaceInterfaceError, SpaceUnavailableError)
"""Errors that concern the Space, so that every item would meet them."""
MAX_RETRIES_UNANSWERED = 2
"""How often to retry a Space that has never answered, as its address may be wrong."""


@dataclass(frozen=True)
class Attempt:
    """The result of asking once.

    :ivar text: the text that arrived: the reply, unless there is an error.
    :ivar first_fragment_seconds: None if there was no fragment.
    """

    text: str = ""
    error: QwenGradioError | None = None
    began: float = 0.0
    first_fragment_seconds: float | None = None
    seconds: float = 0.0


class Asker:
    """A pool of workers that ask a Space, and pause together when it accepts no more.

    :param options: other arguments of `Provider.create_async_generator`.
    :param max_retries: how often an item is asked again if the Space did not accept it.
    :param concurrency: how many items are asked at once.
    :ivar on_wait: called with the error and the seconds of each pause; may be set.
    :ivar has_answered: whether the Space has ever replied; may be set.
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
        self._model = provider.get_model(model)
        # Retries happen here, where all items pause together, and not within a stream.
        self._options = {**options, "max_retries": 0}
        self._max_retries = max_retries
        self._concurrency = concurrency
        self.on_wait: Callable[[QwenGradioError, float], object] | None = None
        self._pause = _Pause()
        self.has_answered = False
        unsent = self._stream([{"role": "user", "content": "?"}])  # raises if options are wrong
        self._space = unsent.space

    async def ask_all(self, items: Iterable[Item], put: Callable[[Row], Awaitable[object]]) -> None:
        """Ask items, and call `put` with the row of each as soon as it is complete.

        :raises QwenGradioError: if the Space cannot be asked at all.
        """
        remaining = iter(items)

        async def work() -> None:
            for item in remaining:
                await put(await self._ask(item))

        async with task_group() as workers:
            for _ in range(self._concurrency):
                workers.start_soon(work)

    def row(self, item: Item, attempt: Attempt, attempts: int) -> Row:
        """Return the row of an item after its last attempt."""
        text, error = attempt.text, attempt.error
        return Row(
            id=item.id,
            reply=text if error is None else None,
            error=None if error is None else type(error).__name__,
            why=None if error is None else str(error),
            partial=None if error is None else text,
            attempts=attempts,
            first_fragment_seconds=attempt.first_fragment_seconds,
            seconds=attempt.seconds,
            characters=len(text),
            space=self._space,
            model=self._model,
            digest=item.digest,
        )

    async def _ask(self, item: Item) -> Row:
        """Ask an item, again if that may help, and return its row."""
        attempts = 0
        while True:
            await self._pause.over()
            attempts += 1
            attempt = await self._attempt(item)
            error = attempt.error
            if error is None:
                self.has_answered = True
                self._pause.reset()
            elif self._is_worth_a_retry(error) and attempts <= self._max_retries_after(error):
                self._begin_pause(error, attempt.began)
                continue
            elif not self.has_answered and isinstance(error, SPACE_ERRORS):
                raise error
            return self.row(item, attempt, attempts)

    async def _attempt(self, item: Item) -> Attempt:
        """Ask an item once."""
        began = anyio.current_time()
        first = error = None
        stream = self._stream(item.messages)
        try:
            async for _ in stream:
                if first is None:
                    first = round(anyio.current_time() - began, 3)
        except QwenGradioError as raised:
            error = raised
        seconds = round(anyio.current_time() - began, 3)
        return Attempt(stream.partial, error, began, first, seconds)

    def _begin_pause(self, error: QwenGradioError, asked: float) -> None:
        seconds = self._pause.begin(error, asked)
        if seconds is not None and self.on_wait is not None:
            self.on_wait(error, seconds)

    def _is_worth_a_retry(self, error: QwenGradioError) -> bool:
        """Return whether the error is transient, or a Space that has answered before is gone."""
        is_of_reply = isinstance(error, SpaceInterfaceError) and error.of_reply
        is_gone = self.has_answered and isinstance(error, SPACE_ERRORS) and not is_of_reply
        return (error.transient or is_gone) and not error.partial

    def _max_retries_after(self, error: QwenGradioError) -> int:
        if self.has_answered or not isinstance(error, SPACE_ERRORS):
            return self._max_retries
        return min(self._max_retries, MAX_RETRIES_UNANSWERED)

    def _stream(self, messages: Messages) -> FragmentStream:
        return self._provider.create_async_generator(self._model, messages, **self._options)


class _Pause:
    """A pause of all items while the Space accepts none. Each is longer than the last, until the
    Space answers again.
    """

    def __init__(self) -> None:
        self._began = float("-inf")
        self._ends = float("-inf")
        self._times = 0

    def begin(self, error: QwenGradioError, asked: float) -> float | None:
        """Begin a pause because of an error, and return its seconds.

        Returns None if the item was asked before the last pause began, which covers its error too.
        """
        if asked < self._began:
            return None
        seconds = min(MIN_RETRY_INTERVAL * 2.0**self._times, MAX_RETRY_INTERVAL)
        seconds *= random.uniform(1, 1.5)
        seconds = max(seconds, min(error.retry_after or 0.0, MAX_RETRY_AFTER))
        self._times = min(self._times + 1, 16)
        self._began = anyio.current_time()
        self._ends = self._began + seconds
        return seconds

    def reset(self) -> None:
        """Let the next pause be short again, as the Space has answered."""
        self._times = 0

    async def over(self) -> None:
        """Wait until the pause is over, however often it is extended."""
        while anyio.current_time() < self._ends:  # noqa: ASYNC110  # waits for a time, not an event
            await anyio.sleep_until(self._ends)
