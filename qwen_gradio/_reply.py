"""One reply: its updates, its states, and what each event means. Nothing here does I/O.

A worker's thread puts updates, and a reader takes them. The stream for event loops (`_stream`) and
the iterator for other callers (`sync`) are two readers, which differ only in how they wait.

| state    | what it means                 | events, and the state that follows                    |
|----------|-------------------------------|-------------------------------------------------------|
| new      | nothing was asked             | `start`: open; `close`: closed                        |
| open     | a thread asks; updates arrive | `read` finds the end: complete; finds an error, or    |
|          |                               | that time is up: closed; `close`: closed              |
| complete | the reply was read to its end | none; `read` returns the end again                    |
| closed   | it failed or was closed early | none; `read` raises `StreamInterruptedError`          |
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

from .errors import QwenGradioError, StreamInterruptedError, StreamTimeoutError

E = TypeVar("E", bound=Exception)


@dataclass(frozen=True)
class FoundFile:
    """A file that a reply names, with its description as `alt`."""

    url: str
    mime_type: str
    alt: str


@dataclass(frozen=True)
class Progress:
    """The progress of a step of the Space's work: `index` of `length` `unit`s, or a `fraction`."""

    index: int | None
    length: int | None
    unit: str | None
    fraction: float | None
    description: str | None


@dataclass(frozen=True)
class StreamStatus:
    """A status message about a request. Fields that do not apply to its state are None.

    :ivar state: "queued", "processing" (the Space has begun), "progress", "log", "waking" (it is
        asleep or starting; `log` says which), or "retrying" (it did not accept the request, and is
        asked again in `retry_in` seconds; `log` says why).
    :ivar position: place in the queue; 1 is next.
    :ivar queue_size: the number of requests in the queue.
    :ivar eta: the Space's estimate of the seconds until the request is done.
    :ivar progress: the steps of the Space's work that have begun.
    :ivar log: a message of the Space to its user, or a placeholder that it shows before a reply,
        such as "Thinking..."; `level` ("info", "warning") is its urgency.
    """

    state: Literal["queued", "processing", "progress", "log", "waking", "retrying"]
    position: int | None = None
    queue_size: int | None = None
    eta: float | None = None
    progress: tuple[Progress, ...] = ()
    log: str | None = None
    level: str | None = None
    retry_in: float | None = None

    def __str__(self) -> str:
        """The status as a line to show to a user."""
        match self.state:
            case "queued":
                place = "In the queue"
                if self.position is not None:
                    place += f": {self.position}"
                    place += "" if self.queue_size is None else f" of {self.queue_size}"
                return place if self.eta is None else f"{place}, about {self.eta:.0f} s to go"
            case "progress" if self.progress:
                step = self.progress[-1]
                done = "" if step.fraction is None else f" {step.fraction:.0%}"
                return f"{step.description or 'Working'}{done}"
            case "log" | "waking" if self.log:
                return self.log
            case "retrying":
                return f"{self.log}; asking again in {self.retry_in:.0f} s"
        return "The Space has begun"


@dataclass(frozen=True)
class Reasoning:
    """New text of what the model thinks before it answers."""

    text: str


@dataclass(frozen=True)
class End:
    """The last update; `error` says why the reply is not complete, if it is not."""

    error: Exception | None = None


Update: TypeAlias = "str | Reasoning | StreamStatus | End"
"""A fragment of the reply, reasoning, a status, or the end."""

MAX_UNREAD = 1000
"""Unread updates from which on a new status replaces the one before it."""
MAX_QUEUE_SILENCE = 60.0
"""Seconds without a heartbeat after which a Space that has queued the question counts as lost.
Gradio sends one every 15."""
TIMER_PRECISION = 0.001
"""Seconds by which a timer may end too early."""


class ReplyState:
    """The state of one reply. One thread puts, one thread or task reads, any may close.

    Times are seconds of one clock of the caller's, such as `time.monotonic`.

    :ivar space: the Space as it was given; its new name, if it was renamed.
    :param timeout: seconds for the complete reply; None sets no limit.
    :param stream_timeout: seconds without any update; None sets no limit. While the question is
        queued, it is at least `MAX_QUEUE_SILENCE`.
    :ivar text: the reply so far, as the page shows it; it may be ahead of the fragments.
    :ivar files: those that came with the reply, once it is complete.
    :ivar unused_options: the options for which the Space has no input, once it is asked.
    :ivar on_close: called if the reply is closed while a thread asks; may be set.
    """

    def __init__(self, space: str, timeout: float | None, stream_timeout: float | None) -> None:
        self.space = space
        self.name: Literal["new", "open", "complete", "closed"] = "new"
        self.text = ""
        self.reasoning = ""
        self.files: tuple[FoundFile, ...] = ()
        self.unused_options: frozenset[str] = frozenset()
        self.on_close: Callable[[], object] | None = None
        self._timeout = math.inf if timeout is None else timeout
        self._stream_timeout = math.inf if stream_timeout is None else stream_timeout
        self._ends_at = math.inf
        self._is_queued = False
        self._updates: deque[Update] = deque()
        self._wakers: deque[Callable[[], object]] = deque(maxlen=1)

    @property
    def is_unanswered(self) -> bool:
        """Whether the question can be asked again without repeating text that was emitted."""
        return self.name == "open" and not self.text and not self.reasoning

    # What the thread that asks calls:

    def put(self, update: Update) -> None:
        """Add an update, from any thread. Never blocks.

        Text has no limit. Once `MAX_UNREAD` updates wait, a status replaces the one before it.
        """
        if self.name == "closed":
            return
        self._is_queued = isinstance(update, StreamStatus) and update.state == "queued"
        if isinstance(update, StreamStatus) and len(self._updates) >= MAX_UNREAD:
            with suppress(IndexError):  # all were read meanwhile
                if not isinstance(last := self._updates.pop(), StreamStatus):
                    self._updates.append(last)
        self._updates.append(update)
        self._wake()

    # What a reader calls:

    def start(self, now: float) -> bool:
        """Begin to count `timeout`, and return whether a thread must be started to ask."""
        if self.name != "new":
            return False
        self.name = "open"
        self._ends_at = now + self._timeout
        return True

    @property
    def has_update(self) -> bool:
        """Whether an update waits to be read."""
        return bool(self._updates)

    def read(self, now: float) -> Update | None:
        """Return the next update, or None if there is none yet; `End` once the reply is complete.

        :raises StreamTimeoutError: if `timeout` has passed, and the reply has not ended.
        :raises StreamInterruptedError: if the reply was closed.
        :raises Exception: what the thread has put as the end.
        """
        if self.name == "complete":
            return End()
        if self.name == "closed":
            raise self._describe(
                StreamInterruptedError(
                    "This stream was closed before its end, by an error, a timeout or by leaving a "
                    "loop over it. Ask again for a new one"
                )
            )
        has_ended = bool(self._updates) and isinstance(self._updates[-1], End)
        if not has_ended and now >= self._ends_at - TIMER_PRECISION:
            raise self._time_out(
                f"did not complete its reply within timeout={self._timeout:g} seconds"
            )
        if not self._updates:
            return None
        update = self._updates.popleft()
        if not isinstance(update, End):
            return update
        if (error := update.error) is None:
            self.name = "complete"
            return update
        self.close()
        try:
            raise self._describe(error)
        finally:
            del error, update  # the traceback refers to this frame: else it would be a cycle

    def wait_with(self, wake: Callable[[], object], now: float) -> float:
        """Have `wake` called, from any thread, once there is an update to read.

        :returns: the seconds after which to call `time_out` instead.
        """
        self._wakers.append(wake)
        if self._updates or self.name == "closed":  # since the reader looked
            self._wake()
        least = MAX_QUEUE_SILENCE if self._is_queued else 0
        return min(self._ends_at - now, max(self._stream_timeout, least))

    def time_out(self, now: float) -> None:
        """Raise a `StreamTimeoutError` if nothing has arrived in time."""
        if self.name == "open" and not self._updates and now < self._ends_at - TIMER_PRECISION:
            raise self._time_out(
                f"sent nothing for stream_timeout={self._stream_timeout:g} seconds"
            )

    def close(self) -> None:
        """Stop the reply, if it is not complete. Returns at once; any thread may call it."""
        if self.name in ("new", "open"):
            self.name = "closed"
            self._updates.clear()
            if (stop := self.on_close) is not None:
                stop()
            self._wake()

    def _time_out(self, what: str) -> StreamTimeoutError:
        self.close()
        return self._describe(StreamTimeoutError(f"{self.space} {what}"))

    def _describe(self, error: E) -> E:
        if isinstance(error, QwenGradioError):
            error.space, error.partial = self.space, self.text
        return error

    def _wake(self) -> None:
        with suppress(IndexError):  # nobody waits
            self._wakers.pop()()
