"""Convert gradio_client's updates to ours: text, reasoning and statuses."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from gradio_client import utils

from .._page.outputs import Reply
from .._page.plan import Step
from .._page.values import Values
from .._reply import Progress, ReplyState, StreamStatus, Update
from ..errors import SpaceInterfaceError
from .events import MAX_BYTES

MAX_GROWTH = 64
"""Maximum bytes in memory per byte of JSON. Nested lists take 44."""


class OutputSink:
    """A queue for gradio_client's updates. It reads each update, and reports new content.

    :param received: returns the bytes of events received so far.
    :param root: the URL prefix of files on the Space.
    """

    def __init__(
        self, values: Values, state: ReplyState, received: Callable[[], int], root: str
    ) -> None:
        self._plan = values.plan
        self._values = values
        self._state = state
        self._received = received
        self._root = root
        self._step = self._plan.steps[0]
        self._sizes: list[int] = []
        self._size_carried = 0
        self._reply: Reply | None = None  # set by the first step that writes it
        self._has_streamed = False  # whether this step has; its completion repeats the last output
        self._queued: StreamStatus | None = None  # the last status, if it is "queued"

    def start_step(self, step: Step) -> list[Any]:
        """Prepare for the outputs of a step, and return its arguments."""
        self._step = step
        self._sizes = []
        self._has_streamed = False
        if len(self._plan.steps) > 1:
            self._size_carried = size_of(self._values.values)
        if step.reply is not None and self._reply is None:
            self._reply = self._values.new_reply(self._root)
        return self._values.arguments_for(step)

    def end(self) -> None:
        """Check the complete reply, and report the text held back until now."""
        with self._as_interface_error():
            assert self._reply is not None  # some step of each plan writes it
            self._report(self._reply, self._reply.end())

    def on_heartbeat(self) -> None:
        """Report the queue again. Gradio itself only sends a new estimate when a job ends."""
        if self._queued is not None:
            self._state.put(self._queued)

    def fail(self) -> None:
        """Report the text held back until now, when the reply fails."""
        if self._reply is not None:
            self._report(self._reply, self._reply.release())

    def put_nowait(self, update: Any) -> None:
        """Take an update from gradio_client, and report its new content."""
        if isinstance(update, utils.StatusUpdate):
            if (status := _status(update)) is not None:
                self._queued = status if status.state == "queued" else None
                self._state.put(status)
            return
        if update.final:  # a final update has the raw message
            outputs = update.outputs.get("data")
        else:
            outputs = update.outputs
            self._limit(outputs)
        if not update.success or outputs is None:
            return
        with self._as_interface_error():
            if self._step.writes:
                self._values.update(self._step, outputs)
            is_repeated = update.final and self._has_streamed and self._plan.source == "function"
            if self._step.reply is not None and self._reply is not None and not is_repeated:
                self._report(self._reply, self._reply.feed(outputs[self._step.reply]))
                if len(self._reply.text) > MAX_BYTES:  # joined from many pieces
                    raise self._error(f"more than {MAX_BYTES} bytes")
        self._has_streamed = not update.final

    def _report(self, reply: Reply, updates: Iterable[Update]) -> None:
        self._state.text, self._state.reasoning = reply.text, reply.reasoning
        self._state.files = reply.files
        for update in updates:
            self._state.put(update)

    def _limit(self, outputs: Sequence[Any]) -> None:
        if not self._size_carried and self._received() * MAX_GROWTH < MAX_BYTES:
            return  # counting takes a tenth of a reply's CPU time
        # gradio_client keeps outputs that later diffs leave out.
        self._sizes[: len(outputs)] = map(size_of, outputs)
        if sum(self._sizes) + self._size_carried > MAX_BYTES:
            raise self._error(f"more than {MAX_BYTES} bytes")

    @contextmanager
    def _as_interface_error(self) -> Iterator[None]:
        try:
            yield
        except (LookupError, RecursionError, TypeError, ValueError) as error:
            raise self._error(f"something that is not a chat's reply: {error}") from error

    def _error(self, what: str) -> SpaceInterfaceError:
        error = SpaceInterfaceError(f"{self._plan.space} replied to {self._step.name} with {what}")
        error.is_malformed_reply = error.may_be_outdated = True
        return error


def _status(update: utils.StatusUpdate) -> StreamStatus | None:
    """Convert a gradio_client status; None for kinds we do not report."""
    match update.code:
        case utils.Status.IN_QUEUE:
            rank = _number(update.rank)
            position = None if rank is None else int(rank) + 1
            return StreamStatus("queued", position, _number(update.queue_size), _number(update.eta))
        case utils.Status.PROCESSING:
            return StreamStatus("processing", eta=_number(update.eta))
        case utils.Status.PROGRESS:
            steps = tuple(
                Progress(step.index, step.length, step.unit, _number(step.progress), step.desc)
                for step in update.progress_data or []
            )
            return StreamStatus("progress", progress=steps)
        case utils.Status.LOG if update.log:
            log, level = map(str, update.log)
            return StreamStatus("log", log=log, level=level)
    return None


def _number(value: Any) -> Any:
    """Return a value from a Space if it is a number, else None."""
    return value if isinstance(value, (int, float)) else None


def size_of(value: Any) -> int:
    """Return the size of an output in memory, in bytes."""
    size = sys.getsizeof(value)
    if isinstance(value, Mapping):
        return size + sum(size_of(key) + size_of(held) for key, held in value.items())
    return size + sum(map(size_of, value)) if isinstance(value, list) else size
