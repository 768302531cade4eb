"""How updates get from a worker's thread to whoever waits for them in an event loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
from anyio.lowlevel import current_token

from ._tasks import stoppable
from ._updates import StreamStatus, Update

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
