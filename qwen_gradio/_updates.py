"""What a worker reports, and how it gets from its thread to whoever waits in an event loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import anyio
from anyio.lowlevel import current_token

from ._tasks import stoppable


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
        asleep or starting, and is waited for; `log` says which), or "retrying" (it did not accept
        the request, and is asked again in `eta` seconds; `log` says why).
    :ivar position: place in the queue while queued; 1 is next.
    :ivar queue_size: how many requests are in that queue.
    :ivar eta: seconds until the request is expected to be done, by the Space's estimate.
    :ivar progress: the steps of the Space's work that have begun.
    :ivar log: a message of the Space to its user, and `level` ("info", "warning") its urgency.
    """

    state: Literal["queued", "processing", "progress", "log", "waking", "retrying"]
    position: int | None = None
    queue_size: int | None = None
    eta: float | None = None
    progress: tuple[Progress, ...] = ()
    log: str | None = None
    level: str | None = None

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
                return f"{self.log}; asking again in {self.eta:.0f} s"
        return "The Space has begun"


@dataclass(frozen=True)
class Reasoning:
    """New text of what the model thinks before it answers."""

    text: str


@dataclass(frozen=True)
class End:
    """The last thing a worker reports; `error` says why the reply is not complete, if it is not."""

    error: Exception | None = None


Update: TypeAlias = "str | Reasoning | StreamStatus | End"
"""A fragment of the reply, what the model thinks, a status, or the end."""


MAX_UNREAD = 1000
"""Updates that may wait to be read before statuses among them are dropped."""


class UpdateQueue:
    """A queue from threads to one task, whichever event loop that runs in.

    A waiting task is woken once for all that has arrived since: at full speed one wake-up serves
    many updates. put() runs under gradio_client's lock and must not block, so that text has no
    limit here, and statuses that nobody reads are dropped beyond one.
    """

    def __init__(self) -> None:
        self._queue: deque[Update] = deque()
        self._wakers: deque[Callable[[], object]] = deque(maxlen=1)

    def put(self, update: Update) -> None:
        """Add an update, from any thread. Never blocks.

        Once `MAX_UNREAD` updates wait to be read, a status replaces the one before it.
        """
        if isinstance(update, StreamStatus) and len(self._queue) >= MAX_UNREAD:
            with suppress(IndexError):  # all were read meanwhile
                if not isinstance(last := self._queue.pop(), StreamStatus):
                    self._queue.append(last)
        self._queue.append(update)
        with suppress(IndexError):  # nobody waits
            wake = self._wakers.pop()
            # The loop may have closed while its task was waiting: then there is nobody to wake.
            with suppress(RuntimeError):
                wake()

    def get_nowait(self) -> Update | None:
        """Return the next update, or None if there is none yet."""
        return self._queue.popleft() if self._queue else None

    async def get(self) -> Update:
        """Wait for the next update, and return it."""
        while not self._queue:
            event = anyio.Event()
            self._wakers.append(_waker(event))
            if not self._queue:  # else it arrived before there was anything to wake
                with stoppable():
                    await event.wait()
        return self._queue.popleft()


def _waker(event: anyio.Event) -> Callable[[], object]:
    """Return a function that sets `event` from another thread, and does not wait for that."""
    loop: Any = current_token().native_token
    call_soon = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon
    return lambda: call_soon(event.set)
