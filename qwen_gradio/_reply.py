"""The state machine of one reply. Nothing here does I/O.

A worker thread puts updates, and a reader takes them. The stream for event loops (`_stream`) and
the iterator for other callers (`sync`) are two readers. They differ only in how they wait.

| state    | meaning                       | events and the next state                             |
|----------|-------------------------------|-------------------------------------------------------|
| new      | nothing was asked             | `start`: open; `close`: closed                        |
| open     | a thread asks; updates arrive | `read` reaches the end: complete; reaches an error or |
|          |                               | a timeout: closed; `close`: closed                    |
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
    """A file that a reply names. `alt` is its description."""

    url: str
    mime_type: str
    alt: str


@dataclass(frozen=True)
class Progress:
    """Progress that the Space reports: `index` of `length` `unit`s, or a `fraction`."""

    index: int | None
    length: int | None
    unit: str | None
    fraction: float | None
    description: str | None


@dataclass(frozen=True)
class StreamStatus:
    """A status message about a request. Fields that do not apply to its state are None.

    :ivar state: "queued", "processing" (the Space has begun), "progress", "log", "waking" (the
        Space is asleep or starting; `log` says which), or "retrying" (the request was not accepted
        and is sent again in `retry_in` seconds; `log` says why).
    :ivar position: place in the queue; 1 is next.
    :ivar queue_size: the number of requests in the queue.
    :ivar eta: the Space's estimate of the seconds until the request is done.
    :ivar progress: the progress of each step that has begun.
    :ivar log: a message from the Space, or a placeholder that it shows before a reply, such as
        "Thinking...". `level` is "info" or "warning".
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
        """Return the status as a line to show to a user."""
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
    """A new piece of the model's reasoning."""

    text: str


@dataclass(frozen=True)
class End:
    """The last update. If the reply is not complete, `error` says why."""

    error: Exception | None = None


Update: TypeAlias = "str | Reasoning | StreamStatus | End"
"""A fragment of the reply, reasoning, a status, or the end."""

MAX_UNREAD = 1000
"""The number of unread updates from which a new status replaces the status before it."""
MAX_QUEUE_SILENCE = 60.0
"""Seconds without a heartbeat after which a queued question counts as lost. Gradio sends one every
15 seconds."""
TIMER_PRECISION = 0.001
"""Seconds by which a timer may fire early."""


class ReplyState:
    """The state of one reply. One thread puts, one thread or task reads, any thread may close.

    The caller passes the time as `now`: seconds of one clock, such as `time.monotonic`.

    :param timeout: seconds for the complete reply; None sets no limit.
    :param stream_timeout: seconds without any update; None sets no limit. While the question is
        queued, it is at least `MAX_QUEUE_SILENCE`.
    :ivar space: the Space as given by the caller; its new name, if it was renamed.
    :ivar text: the reply so far, as the page shows it; may be ahead of the fragments.
    :ivar files: the files that came with the reply, once it is complete.
    :ivar unused_options: the options for which the Space has no input, once it is asked.
    :ivar on_close: called if the reply is closed while a thread asks; may be assigned.
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
        """Whether the question can be asked again without emitting text twice."""
        return self.name == "open" and not self.text and not self.reasoning

    # What the thread that asks calls:

    def put(self, update: Update) -> None:
        """Add an update, from any thread. Never blocks.

        Text is not limited. From `MAX_UNREAD` updates on, a status replaces the status before it.
        """
        if self.name == "closed":
            return
        self._is_queued = isinstance(update, StreamStatus) and update.state == "queued"
        if isinstance(update, StreamStatus) and len(self._updates) >= MAX_UNREAD:
            with suppress(IndexError):  # the reader has taken them all
                if not isinstance(last := self._updates.pop(), StreamStatus):
                    self._updates.append(last)
        self._updates.append(update)
        self._wake()

    # What a reader calls:

    def start(self, now: float) -> bool:
        """Start the clock of `timeout`. Return whether the caller must start a thread to ask."""
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

        :raises StreamTimeoutError: if `timeout` expired before the reply ended.
        :raises StreamInterruptedError: if the reply was closed.
        :raises Exception: the error that the thread has put as `End`.
        """
        if self.name == "complete":
            return End()
        if self.name == "closed":
            raise self._describe(
                StreamInterruptedError(
                    "This stream was closed early: by an error, by a timeout or by leaving a loop "
                    "over it. Ask again for a new stream"
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
            del error, update  # the traceback refers to this frame; this avoids a cycle

    def wait_with(self, wake: Callable[[], object], now: float) -> float:
        """Register `wake`, to be called from any thread once there is an update to read.

        :returns: the seconds to wait before calling `time_out`.
        """
        self._wakers.append(wake)
        if self._updates or self.name == "closed":  # it happened before `wake` was registered
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
        """Stop the reply unless it is complete. Returns at once; any thread may call this."""
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
