"""Ask a Space one question: gradio_client's own job, run in one thread and over one connection."""

from __future__ import annotations

import copy
import logging
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import Any

from gradio_client import Client, utils

from .._messages import Prompt
from .._replies import Reply, size_of
from .._updates import Progress, StreamStatus, Update
from ..errors import SpaceInterfaceError
from .connection import Connection
from .events import MAX_BYTES
from .faults import connecting, replying
from .seam import requests_over
from .space import Description

logger = logging.getLogger("qwen_gradio")

CANCEL_TIMEOUT = 4.0
"""Seconds that a Space may take to confirm that it has stopped."""


class ReplyClient(Client):  # type: ignore[misc]
    """A `Client` for one reply: one session hash, one event stream, one connection.

    It is a copy of the Space's, whose executors run everything in the thread that calls `ask`.

    :param report: called with each fragment and status as it arrives.
    """

    endpoints: dict[int, Any]

    def __init__(
        self,
        description: Description,
        connection: Connection,
        session_hash: str,
        report: Callable[[Update], None],
    ) -> None:
        # What a reply may change is copied: a hostile Space may give all of them one event id.
        for name, value in vars(description.client).items():
            setattr(self, name, value.copy() if isinstance(value, (dict, set)) else value)
        self.session_hash = session_hash
        self.executor = self.stream_executor = _InThisThread()
        self.helper_executor = _WithoutCancelCheck()
        self.chat = description.chat
        self._connection = connection
        self._job: Any = None
        self._events: Generator[dict[str, Any], None, None] = (_ for _ in ())
        self._is_completed = False
        self._outputs = _Outputs(report, self.chat.reply, connection.space)
        connection.use_cookies(description.cookies)
        endpoint = copy.copy(self.endpoints[self.chat.fn_index])
        endpoint.client = self
        # Nothing is uploaded, whatever a Space gives as a default or a user writes; nothing is
        # downloaded, and each output keeps its place in /config.
        endpoint.process_input_files = endpoint.process_predictions = _unchanged
        self.endpoints = {self.chat.fn_index: endpoint}

    @property
    def reply(self) -> Reply:
        """The reply so far."""
        return self._outputs.reply

    def ask(self, prompt: Prompt) -> None:
        """Ask the Space, and report its reply until that is complete.

        :raises QwenGradioError: if it cannot be asked, or the reply breaks off.
        """
        if unknown := self.chat.not_called(prompt.options):
            logger.debug("%s has no inputs for %s", self.chat.api_name, ", ".join(unknown))
        with replying(self._connection.space), requests_over(self._connection.request, self.src):
            arguments = self.chat.arguments(prompt)
            self._job = self.submit(*arguments, fn_index=self.chat.fn_index)
            self._job.result()

    def close(self) -> None:
        """Stop the Space if it is still working on the reply, and release what the reply used."""
        with suppress(Exception):  # the Space may be gone
            self._events.close()
            # Up to 4.29, Gradio stops when the event stream is closed, and has no other way that
            # every app offers.
            if self._is_running() and self.app_version.release >= (4, 30):
                self._connection.reopen(CANCEL_TIMEOUT)
                with requests_over(self._connection.request, self.src):
                    self._job.cancel()
        # They refer to this client, which would otherwise wait for the garbage collector.
        self._job = None
        self.endpoints = {}

    def __del__(self) -> None:
        """Leave the Space's executors, which other replies copy, as they are."""

    def _is_running(self) -> bool:
        is_accepted = self._job is not None and self._job.communicator.event_id is not None
        return is_accepted and not self._is_completed

    # What gradio_client calls, in order:

    def new_helper(self, fn_index: int, headers: dict[str, str] | None = None) -> Any:
        """Return where gradio_client puts what it receives. This one keeps nothing."""
        helper = super().new_helper(fn_index, headers)
        helper.job.outputs = deque(maxlen=0)
        helper.updates = self._outputs
        return helper

    def send_data(self, data: Any, hash_data: Any, protocol: str, request_headers: Any) -> Any:
        """Join the queue, with errors that say that the Space has not taken the question yet."""
        with connecting(self._connection.space):
            return super().send_data(data, hash_data, protocol, request_headers)

    def stream_messages(self, protocol: str, session_hash: str) -> None:
        """Put a reader of the session's events where gradio_client takes its messages from."""
        self._events = self._read_events(session_hash)
        for event_id in self.pending_event_ids:
            self.pending_messages_per_event[event_id] = _Messages(self._events)

    def _read_events(self, session_hash: str) -> Generator[dict[str, Any], None, None]:
        """Yield the session's events, up to the one that completes the reply."""
        for event in self._connection.events(
            self.sse_url, params={"session_hash": session_hash}, headers=self.headers
        ):
            if event["msg"] == "process_completed":
                self._is_completed = True
                if not event.get("success", True):
                    # gradio_client accepts no keys but those of its own version's `AppError`.
                    event["output"] = {"error": event["output"]["error"]}
            elif event["msg"] == "unexpected_error":
                # Gradio is stopping, or lost the session; what the app raises completes the reply.
                raise EOFError(f"it said {event.get('message')!r:.200}")
            if event["msg"] not in ("heartbeat", "close_stream"):
                yield event
        raise EOFError("the stream ended before the reply was complete")


class _Messages:
    """Stands in for the deque that gradio_client polls: taking from it waits for the next event."""

    def __init__(self, events: Iterator[dict[str, Any]]) -> None:
        self._events = events

    def __len__(self) -> int:
        return 1

    def popleft(self) -> dict[str, Any]:
        return next(self._events)

    def append(self, message: None) -> None:
        """Ignore the end, which gradio_client adds when `stream_messages` returns."""


class _Outputs:
    """Stands in for gradio_client's queue of updates: reads each, and reports what is new."""

    def __init__(self, report: Callable[[Update], None], index: int, space: str) -> None:
        self.reply = Reply()
        self._sizes: list[int] = []
        self._report = report
        self._index = index
        self._space = space

    def put_nowait(self, update: Any) -> None:
        if isinstance(update, utils.StatusUpdate):
            if (status := _status(update)) is not None:
                self._report(status)
            return
        if update.final:  # then it is the message as it was received
            outputs = update.outputs.get("data")
        else:
            outputs = update.outputs
            self._limit(outputs)
        if not update.success or outputs is None:
            return
        try:
            fragment = self.reply.feed(outputs[self._index])
        except (LookupError, TypeError, ValueError) as error:
            raise self._error(f"in a form that is not a chat: {error}") from error
        if fragment:
            self._report(fragment)

    def _limit(self, outputs: Sequence[Any]) -> None:
        # gradio_client adds each diff to what it has, also of outputs that later diffs leave out.
        self._sizes[: len(outputs)] = map(size_of, outputs)
        if sum(self._sizes) > MAX_BYTES:
            raise self._error(f"with more than {MAX_BYTES} bytes")

    def _error(self, how: str) -> SpaceInterfaceError:
        error = SpaceInterfaceError(f"{self._space} replied {how}")
        error.of_reply = True
        return error


class _InThisThread(Executor):
    """Stands in for gradio_client's pools of threads."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class _WithoutCancelCheck(_InThisThread):
    """The same for the pool in which a thread would wait for `Job.cancel()` and poll."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if fn is utils.check_for_cancel:
            return Future()  # and so does never report a cancellation
        return super().submit(fn, *args, **kwargs)


def _unchanged(*data: Any) -> tuple[Any, ...]:
    return data


def _status(update: utils.StatusUpdate) -> StreamStatus | None:
    """gradio_client's status in our words, or None for those with no news."""
    match update.code:
        case utils.Status.IN_QUEUE:
            rank = _number(update.rank)
            position = None if rank is None else int(rank) + 1
            return StreamStatus("queued", position, _number(update.queue_size), _number(update.eta))
        case utils.Status.PROCESSING:
            return StreamStatus("processing", eta=_number(update.eta))
        case utils.Status.PROGRESS:
            steps = update.progress_data or []
            return StreamStatus(
                "progress",
                progress=tuple(
                    Progress(step.index, step.length, step.unit, _number(step.progress), step.desc)
                    for step in steps
                ),
            )
        case utils.Status.LOG if update.log:
            log, level = map(str, update.log)
            return StreamStatus("log", log=log, level=level)
    return None


def _number(value: Any) -> Any:
    """A number that a Space gave, or None if it gave something else."""
    return value if isinstance(value, (int, float)) else None
