"""Ask items until each has a reply or an error."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from types import MappingProxyType
from typing import Any

import anyio
from typing_extensions import Unpack

from .._messages import Messages
from .._models import to_provider
from .._options import BatchOptions, Options, require
from .._stream import FragmentStream
from .._tasks import task_group
from ..errors import (
    AuthenticationError,
    GenerationError,
    QueueFullError,
    QwenGradioError,
    RateLimitError,
    SpaceInterfaceError,
    SpaceUnavailableError,
    StreamInterruptedError,
    StreamTimeoutError,
)
from ..provider import Provider, require_known
from ._attempt import Attempt, read_once
from ._items import Item, ItemReader
from ._pace import MAX_RETRY_AFTER, MIN_PAUSE, MIN_RATE_LIMIT_PAUSE, Pace
from ._rows import Row

SPACE_ERRORS = (AuthenticationError, SpaceInterfaceError, SpaceUnavailableError)
"""Errors of the Space, which affect every item."""
REASONS: dict[type[QwenGradioError], str] = {
    QueueFullError: "queue full",
    RateLimitError: "limit reached",
    AuthenticationError: "access denied",
    SpaceInterfaceError: "no chat",
    StreamInterruptedError: "connection lost",
}
"""Reasons for a pause, to show in the progress bar. For other errors, it is "no answer"."""


@dataclass
class _Question:
    """An item in progress.

    :ivar retries: how often it was asked again after an error that it may have caused.
    :ivar answers: the number of answered items when it was last rejected.
    """

    item: Item
    attempts: int = 0
    retries: int = 0
    answers: int = -1


class AskOptions(BatchOptions, total=False):
    """The parameters of `Asker`, without defaults."""

    concurrency: int
    system: str | None
    model: str | None
    provider: type[Provider] | str | None
    max_retries: float
    give_up_after: float | None


class Asker:
    """Asks as many items at once as the Space accepts, and retries rejected ones.

    The parameters are those of `batch.run`.

    :ivar reader: reads and checks the items.
    :ivar pace: decides how many items are asked at once.
    :ivar on_wait: called with the reason for a pause, and with "" when it ends; may be assigned.
    :ivar has_accepted: whether the Space has ever accepted an item; may be assigned.
    :raises TypeError, ValueError, QwenGradioError: if a parameter is wrong.
    """

    def __init__(
        self,
        *,
        concurrency: int = 8,
        system: str | None = None,
        model: str | None = None,
        provider: type[Provider] | str | None = None,
        max_retries: float = 8,
        give_up_after: float | None = 300.0,
        **options: Unpack[BatchOptions],
    ) -> None:
        require(system=system, concurrency=concurrency)
        require(max_retries=max_retries, give_up_after=give_up_after)
        self._provider = to_provider(provider, model)
        require_known(self._provider, options)
        self._model = model
        # Items are retried here, with one pace for all, and not in each stream.
        self._options: Options = {**options, "max_retries": 0}
        self._max_retries = max_retries
        self._give_up_after = float("inf") if give_up_after is None else give_up_after
        self.concurrency = concurrency
        self.reader = ItemReader(system, options, self.stream)
        self.pace = Pace(concurrency)
        self.on_wait: Callable[[str], object] = lambda what: None
        self.has_accepted = False
        self._answers = 0
        unsent = self.stream([{"role": "user", "content": "?"}])  # raises if options are wrong
        self.space, self.model = unsent.space, unsent.model

    async def ask_all(self, items: Iterable[Item], put: Callable[[Row], Awaitable[object]]) -> None:
        """Ask items, and call `put` with each row as soon as it is complete.

        :raises QwenGradioError: if the Space cannot be asked at all, no longer answers, or requests
            a wait that is too long. In the last case, items in progress are completed first.
        """
        self.pace.rest()
        remaining = map(_Question, items)
        again: deque[_Question] = deque()
        running = 0
        ended = anyio.Event()
        stopped: QwenGradioError | None = None

        async def ask(question: _Question) -> None:
            nonlocal running, stopped
            attempt = await self._attempt(question)
            if self._is_worth_a_retry(question, attempt):
                if len(again) < self.concurrency:  # others first: only this one may be rejected
                    again.extend(islice(remaining, 1))
                again.append(question)
                stopped = stopped or self._too_long_a_wait(attempt)
                if stopped is None:
                    self._slow_down(attempt, running - 1)
            else:
                await put(self.row(question.item, attempt, question.attempts))
                self._note_end(attempt)
            running -= 1
            ended.set()

        async with task_group() as tasks:
            while True:
                if anyio.current_time() < self.pace.resumes_at:
                    await anyio.sleep_until(self.pace.resumes_at)
                    self.on_wait("")
                question = None
                if running < self.pace.limit and stopped is None:
                    question = again.popleft() if again else next(remaining, None)
                if question is not None:
                    running += 1
                    tasks.start_soon(ask, question)
                elif running:
                    await ended.wait()
                    ended = anyio.Event()
                elif stopped is not None:
                    raise stopped
                else:
                    return

    def row(self, item: Item, attempt: Attempt, attempts: int) -> Row:
        """Return the row of an item after its last attempt."""
        text, error = attempt.text, attempt.error
        return Row(
            id=item.id,
            reply=text if error is None else None,
            error=None if error is None else type(error).__name__,
            why=None if error is None else str(error),
            partial=None if error is None else text,
            reasoning=attempt.reasoning or None,
            files=list(attempt.files),
            attempts=attempts,
            first_fragment_seconds=attempt.first_fragment_seconds,
            seconds=attempt.seconds,
            characters=len(text),
            space=self.space,
            model=self.model_of(item),
            digest=item.digest,
        )

    def model_of(self, item: Item) -> str | None:
        """Return the model that answers an item."""
        model: str | None = item.options.get("model", self.model)
        return model

    def stream(
        self, messages: Messages, own: Mapping[str, Any] = MappingProxyType({})
    ) -> FragmentStream:
        """Return the stream for messages and an item's own options. It asks when it is read."""
        options: Any = {"model": self._model, **self._options, **own}
        return self._provider.create_async_generator(messages=messages, **options)

    async def _attempt(self, question: _Question) -> Attempt:
        """Ask an item once."""
        question.attempts += 1
        self.pace.start(anyio.current_time())
        try:
            stream = self.stream(question.item.messages, question.item.options)
        except QwenGradioError as changed:  # a file has changed since the check
            return Attempt(error=changed)
        return await read_once(stream, self.on_wait)

    def _is_worth_a_retry(self, question: _Question, attempt: Attempt) -> bool:
        """Return whether to ask an item again. Count a retry unless the Space is the cause.

        :raises QwenGradioError: if the Space has never accepted an item, and never will.
        """
        error = attempt.error
        if error is None or isinstance(error, (GenerationError, StreamInterruptedError)):
            self.has_accepted = True
        if error is None:
            return False
        if isinstance(error, (QueueFullError, RateLimitError)):
            return True
        if attempt.text:
            return False
        if attempt.state in ("waking", "queued") and isinstance(error, StreamTimeoutError):
            return True  # the Space had not begun
        is_of_space = isinstance(error, SPACE_ERRORS) and not (
            isinstance(error, SpaceInterfaceError) and error.is_malformed_reply
        )
        if is_of_space and not self.has_accepted:
            # While a Space is starting, another server may answer in its place.
            if not (error.transient or getattr(error, "may_be_proxy", False)):
                raise error
            return True
        if is_of_space:
            # If others were answered meanwhile, the Space rejects only this item.
            question.retries += self._answers > question.answers
            question.answers = self._answers
        elif error.transient or isinstance(error, StreamInterruptedError):
            question.retries += 1
        else:
            return False
        return question.retries <= self._max_retries

    def _slow_down(self, attempt: Attempt, running: int) -> None:
        """After an item that was not accepted, ask fewer at once, or pause.

        :raises QwenGradioError: if the Space has not answered for too long.
        """
        error = attempt.error
        assert error is not None
        now = anyio.current_time()
        has_queued_too_long = isinstance(error, StreamTimeoutError) and attempt.state == "queued"
        is_full = isinstance(error, QueueFullError) and not error.retry_after
        if running and (is_full or has_queued_too_long):
            self.pace.on_queue_full(attempt.began, now, running)  # the next item to end makes room
            return
        is_untimed = isinstance(error, RateLimitError) and error.retry_after is None
        first = MIN_RATE_LIMIT_PAUSE if is_untimed else MIN_PAUSE
        seconds = self.pace.pause(attempt.began, now, error.retry_after or 0.0, first)
        if seconds is not None:
            self._give_up_if_silent(error)
            reason = REASONS.get(type(error), "no answer")
            self.on_wait(f"paused until {_clock_in(seconds):%H:%M:%S}: {reason}")

    def _too_long_a_wait(self, attempt: Attempt) -> QwenGradioError | None:
        """Return the error to stop with if the Space requests more than `MAX_RETRY_AFTER`."""
        error = attempt.error
        if error is None or error.retry_after is None or error.retry_after <= MAX_RETRY_AFTER:
            return None
        stop = type(error)(
            f"{self.space} cannot be asked before {_clock_in(error.retry_after):%Y-%m-%d %H:%M}, "
            f"so the batch stopped. Run it again then to resume. The last error: {error}"
        )
        stop.retry_after = error.retry_after
        return stop

    def _note_end(self, attempt: Attempt) -> None:
        """Adapt the pace to an item that is done.

        :raises QwenGradioError: if the Space has not answered for too long.
        """
        self._answers += attempt.error is None
        if isinstance(attempt.error, StreamTimeoutError) and not attempt.text:
            self.pace.on_miss()
            self._give_up_if_silent(attempt.error)
        else:
            self.pace.on_answer(attempt.began, anyio.current_time())

    def _give_up_if_silent(self, error: QwenGradioError) -> None:
        seconds = self.pace.silence(anyio.current_time())
        if not seconds:
            return
        if not self.has_accepted and isinstance(error, SPACE_ERRORS):
            raise error
        if seconds >= self._give_up_after:
            raise SpaceUnavailableError(
                f"{self.space} has answered nothing for {seconds:.0f} seconds, so the batch "
                f"stopped. Run it again to resume. The last error: {error}"
            ) from error


def _clock_in(seconds: float) -> datetime:
    """Return the local time `seconds` from now."""
    return datetime.now() + timedelta(seconds=seconds)
