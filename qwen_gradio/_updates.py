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
    """How far a step of the Space's work is: `index` of `length` `unit`s, or a `fraction` of 1."""

    index: int | None
    length: int | None
    unit: str | None
    fraction: float | None
    description: str | None


@dataclass(frozen=True)
class StreamStatus:
    """What a Space says of a request besides the reply; what `state` has no use for is None.

    :ivar state: "queued", "processing" (the Space has begun), "progress", "log", or "retrying" (it
        did not take the request, and will be asked again in `eta` seconds; `log` says why).
    :ivar position: place in the queue while queued; 1 is next.
    :ivar queue_size: how many requests are in that queue.
    :ivar eta: seconds until the request is expected to be done, as the Space guesses.
    :ivar progress: the steps of the Space's work that have begun.
    :ivar log: what the Space wants the user to read, and `level` ("info", "warning") how urgently.
    """

    state: Literal["queued", "processing", "progress", "log", "retrying"]
    position: int | None = None
    queue_size: int | None = None
    eta: float | None = None
    progress: tuple[Progress, ...] = ()
    log: str | None = None
    level: str | None = None

    def __str__(self) -> str:
        """The update in a line for people to read."""
        match self.state:
            case "queued":
                place = f"In the queue: {self.position} of {self.queue_size}"
                return place if self.eta is None else f"{place}, about {self.eta:.0f} s to go"
            case "progress" if self.progress:
                step = self.progress[-1]
                done = "" if step.fraction is None else f" {step.fraction:.0%}"
                return f"{step.description or 'Working'}{done}"
            case "log" if self.log:
                return self.log
            case "retrying":
                return f"{self.log}; asking again in {self.eta:.0f} s"
        return "The Space has begun"


@dataclass(frozen=True)
class End:
    """The last thing a worker reports; `error` says why the reply is not whole, if it is not."""

    error: Exception | None = None


Update: TypeAlias = "str | StreamStatus | End"
"""A fragment of the reply, a status, or the end."""


class UpdateQueue:
    """A queue from one thread to one task, whichever event loop that runs in.

    A waiting task is woken once for all that has come since: at full speed one wake-up serves many
    updates. Nothing is bounded here, as putting must not wait: gradio_client puts under its lock.
    """

    def __init__(self) -> None:
        self._queue: deque[Update] = deque()
        self._wake: Callable[[], object] | None = None

    def put(self, update: Update) -> None:
        """Add an update. Called in the worker's thread; never waits."""
        self._queue.append(update)
        wake, self._wake = self._wake, None
        if wake is not None:
            # The loop may have closed with its task still waiting; then nobody is to be woken.
            with suppress(RuntimeError):
                wake()

    def get_nowait(self) -> Update | None:
        """The next update, or None if there is none yet."""
        return self._queue.popleft() if self._queue else None

    async def get(self) -> Update:
        """The next update, waiting for it."""
        while not self._queue:
            event = anyio.Event()
            self._wake = _waker(event)
            if not self._queue:  # else it came before there was anything to wake
                with stoppable():
                    await event.wait()
        return self._queue.popleft()


def _waker(event: anyio.Event) -> Callable[[], object]:
    """Sets `event` from another thread; unlike `anyio.from_thread`, without waiting until it is."""
    loop: Any = current_token().native_token
    call_soon = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon
    return lambda: call_soon(event.set)
