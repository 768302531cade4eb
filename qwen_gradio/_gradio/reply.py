"""Ask a Space one question: gradio_client's own job, run in one thread and over one connection."""

from __future__ import annotations

import copy
import logging
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import Any

from gradio_client import Client, utils
from gradio_client.exceptions import AppError

from .._messages import Prompt
from .._plan import Step
from .._replies import Reply
from .._updates import Update
from .connection import Connection
from .faults import connecting, error_from_app, replying
from .outputs import OutputSink
from .seam import requests_over
from .space import Description

logger = logging.getLogger("qwen_gradio")

CANCEL_TIMEOUT = 4.0
"""Seconds that a Space may take to confirm that it has stopped."""
DRAIN_TIMEOUT = 2.0
"""Seconds to wait for the end of a completed step's event stream, before the next step."""


class ReplyClient(Client):  # type: ignore[misc]
    """A `Client` for one reply: one session hash and one connection, a job for each step.

    It is a copy of the Space's, whose executors run everything in the thread that calls `run`.

    :param report: called with each update as it arrives.
    :raises SpaceInterfaceError: if the Space offers no chat, or has no such inputs.
    """

    endpoints: dict[int, Any]
    space_id: str | None

    def __init__(
        self,
        description: Description,
        connection: Connection,
        session_hash: str,
        prompt: Prompt,
        report: Callable[[Update], None],
    ) -> None:
        # What a reply may change is copied: a hostile Space may give all of them one event id.
        for name, value in vars(description.client).items():
            setattr(self, name, value.copy() if isinstance(value, (dict, set)) else value)
        self.session_hash = session_hash
        self.executor = self.stream_executor = _InThisThread()
        self.helper_executor = _WithoutCancelCheck()
        self._connection = connection
        self._is_on_hub = description.is_on_hub
        self._job: Any = None
        self._events: Generator[dict[str, Any], None, None] = (_ for _ in ())
        self._is_completed = False
        self._plan = plan = description.plan(prompt.api_name)
        self._waiting = deque(plan.steps)
        self._outputs = OutputSink(
            plan,
            prompt,
            description.habits_of(plan),
            report,
            lambda: connection.received,
        )
        if unused := plan.unused(prompt.options):
            logger.debug("%s has no inputs for %s", plan.space, ", ".join(unused))
        connection.use_cookies(description.cookies)
        with connecting(plan.space):  # its dependencies may have other numbers than their places
            self.endpoints = {step.fn_index: self._endpoint(step) for step in plan.steps}

    @property
    def reply(self) -> Reply:
        """The reply so far."""
        return self._outputs.reply

    @property
    def has_begun(self) -> bool:
        """Whether a step is completed: asking anew could then ask twice."""
        return len(self._waiting) < len(self._plan.steps)

    def run(self) -> None:
        """Ask the Space, and report its reply until that is complete.

        Called again after a transient error, it goes on with the step that failed.

        :raises QwenGradioError: if the Space cannot be asked, or the reply fails.
        """
        with replying(self._plan.space), requests_over(self._connection.request, self.src):
            try:
                while self._waiting:
                    if self.has_begun:
                        self._drain()
                    self._run_step(self._waiting[0])
                    self._waiting.popleft()
            except BaseException:
                self._outputs.fail()  # nothing, if the question is asked again
                raise
            self._outputs.end()

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

    def _endpoint(self, step: Step) -> Any:
        endpoint = copy.copy(self.endpoints[step.fn_index])
        endpoint.client = self
        endpoint.is_valid = True  # a page also calls what authors hide from the API
        # Nothing is uploaded, whatever a Space gives as a default or a user writes; nothing is
        # downloaded, and each output keeps its place in /config.
        endpoint.process_input_files = endpoint.process_predictions = _unchanged
        return endpoint

    def _run_step(self, step: Step) -> None:
        self._job, self._is_completed = None, False
        arguments = self._outputs.begin(step)
        try:
            self._job = self.submit(*arguments, fn_index=step.fn_index)
            self._job.result()
        except AppError as error:
            if step.is_load:  # a page goes on without it
                logger.warning("%s: %s failed: %s", self._plan.space, step.name, error)
            elif len(self._plan.steps) > 1:
                raise error_from_app(error, step.name) from error
            else:
                raise

    def _drain(self) -> None:
        """Read the last step's event stream to its end, and not only to its completion.

        Gradio forgets a session whose event stream is closed early, and with it the next step.
        """
        with suppress(Exception), self._connection.time_limit(DRAIN_TIMEOUT):
            for _ in self._events:
                pass

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
        with connecting(self._plan.space):
            return super().send_data(data, hash_data, protocol, request_headers)

    def add_zero_gpu_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """Add the header by which ZeroGPU knows the user of the Gradio app that this runs in."""
        if not self._is_on_hub or "gradio.context" not in sys.modules:
            return headers  # gradio_client would import gradio to find no request there
        # With a name, gradio_client would ask the hub about some failures.
        self.space_id = self._plan.space
        try:
            return dict(super().add_zero_gpu_headers(headers))
        finally:
            self.space_id = None

    def stream_messages(self, protocol: str, session_hash: str) -> None:
        """Put a reader of the session's events where gradio_client takes its messages from."""
        self._events = self._read_events(session_hash)
        for event_id in self.pending_event_ids:
            self.pending_messages_per_event[event_id] = _Messages(self._events)

    def _read_events(self, session_hash: str) -> Generator[dict[str, Any], None, None]:
        """Yield the session's events, with the one that completes the step as the last."""
        for event in self._connection.events(
            self.sse_url, params={"session_hash": session_hash}, headers=self.headers
        ):
            if event["msg"] == "process_completed":
                self._is_completed = True
                if not event.get("success", True):
                    # gradio_client accepts no keys but those of its own version's `AppError`.
                    output = event["output"]
                    event["output"] = {"error": output["error"]}
                    if isinstance(title := output.get("title"), str):
                        event["output"]["title"] = title
            elif event["msg"] == "unexpected_error":
                # Gradio is stopping, or lost the session; what the app raises completes the step.
                raise EOFError(f"it said {event.get('message')!r:.200}")
            if event["msg"] not in ("heartbeat", "close_stream"):
                yield event
        if not self._is_completed:
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
