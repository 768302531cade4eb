"""Ask a Space one question: gradio_client's own job, run in one thread and over one connection."""

from __future__ import annotations

import copy
import logging
import re
import sys
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Executor, Future
from contextlib import nullcontext, suppress
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from typing import Any, NoReturn

from gradio_client import Client, utils
from gradio_client.client import Endpoint
from gradio_client.exceptions import AppError

from .._files.attachments import Attachment
from .._messages import Prompt
from .._page.app import add_drawn, add_missing
from .._page.chain import plan_of
from .._page.plan import Plan, Session, Step
from .._reply import ReplyState, StreamStatus
from ..errors import SpaceUnavailableError
from .connection import Connection
from .errors import connect_errors, error_from_app, reply_errors
from .seam import requests_over
from .space import Description
from .updates import OutputSink

logger = logging.getLogger("qwen_gradio")

LARGE_FILE = 2**20
"""Bytes of a file whose upload is worth a status."""
UPLOADED = re.compile(r"[/\\][0-9a-f]{40,}[/\\][^/\\]+\Z")
"""How the path of an uploaded file ends: every Gradio names its folder by the hash of its bytes."""
CANCEL_TIMEOUT = 4.0
"""Seconds that a Space may take to confirm that it has stopped."""
DRAIN_TIMEOUT = 2.0
"""Seconds to wait for the end of a completed step's event stream, before the next step."""


class ReplyClient(Client):  # type: ignore[misc]
    """A `Client` for one reply: one session hash and one connection, a job for each step.

    It is a copy of the Space's, which runs everything in the thread that calls `run`.

    :param reply: the state to report to.
    :param session: the conversation that the question belongs to.
    :param uploaded: what is on the Space already, which may be added to.
    :raises SpaceInterfaceError: if the Space offers no chat, or has no such inputs.
    """

    config: dict[str, Any]
    endpoints: dict[int, Any]
    space_id: str | None

    def __init__(
        self,
        description: Description,
        connection: Connection,
        session_hash: str,
        prompt: Prompt,
        reply: ReplyState,
        session: Session | None = None,
        uploaded: dict[Any, dict[str, Any]] | None = None,
    ) -> None:
        for name, value in vars(description.client).items():
            # What a reply may change is copied: a hostile Space may give all of them one event id.
            if isinstance(value, (dict, set)):
                value = value.copy()
            elif isinstance(value, Executor):
                value = _NoExecutor()
            setattr(self, name, value)
        self.session_hash = session_hash
        self.executor = _InThisThread()
        self.stream_open = True  # else `send_data` would start a reader in a thread
        self._connection = connection
        self._is_on_hub = description.is_on_hub
        self._job: Any = None
        self._events = _Events()
        self._prompt = prompt
        self._reply = reply
        self._drawn: list[dict[str, Any]] = []
        self._uploaded = {} if uploaded is None else uploaded
        connection.use_cookies(description.cookies)
        plan = description.plan(prompt.api_name)
        self._habits = description.habits_of(plan)
        self._session = session if plan.keeps_turns and prompt.native else None
        if self._session is not None:
            app = sha256(f"{self.config.get('app_id')} {plan.steps}".encode()).hexdigest()
            self._session.start_turn(app, session_hash)
            self.session_hash = self._session.hash
            prompt = prompt.last_turn() if self._session.goes_on else prompt
        if plan.draws:
            prompt = replace(prompt, inputs={}, options={}, files=())
        self._follow(plan, prompt)

    @property
    def has_begun(self) -> bool:
        """Whether a step is completed: asking anew could then ask twice."""
        return len(self._waiting) < self._length

    def run(self) -> None:
        """Ask the Space, and report its reply until that is complete.

        Called again after a transient error, it goes on with the step that failed.

        :raises QwenGradioError: if the Space cannot be asked, or the reply fails.
        """
        with requests_over(self._connection.request, self.src):
            try:
                if self._plan.draws:
                    self._draw()
                if not self.has_begun:
                    with connect_errors(self._plan.space):
                        self._outputs.attach(self._upload)
                while self._waiting:
                    if self.has_begun:
                        self._drain()
                    self._run_step(self._waiting[0])
                    self._waiting.popleft()
            except BaseException:
                self._outputs.fail()  # nothing, if the question is asked again
                raise
            self._outputs.end()
            logger.debug("%s: complete; %s", self._plan.space, self._habits)
            if self._session is not None and self._drain():
                self._session.complete_turn(self.session_hash, self._outputs.values.written)

    def close(self) -> None:
        """Stop the Space if it is still working on the reply, and release what the reply used."""
        with suppress(Exception):  # the Space may be gone
            self._events.close()
            # Closing the event stream stops a generator at its next yield. An async function that
            # awaits its model's answer stops only by /cancel, which came with Gradio 4.30.
            if self._events.is_running and self.app_version.release >= (4, 30):
                self._connection.reopen(CANCEL_TIMEOUT)
                with requests_over(self._connection.request, self.src):
                    self._job.cancel()
        # They refer to this client, which would otherwise wait for the garbage collector.
        self._job = None
        self.endpoints = {}

    def __del__(self) -> None:
        """Leave the Space's executors, which other replies copy, as they are."""

    def _follow(self, plan: Plan, prompt: Prompt) -> None:
        """Ask by this plan from now on."""
        self._plan = plan
        connection = self._connection  # the sink must not refer to this client
        root = self.upload_url.removesuffix("upload")  # files are uploaded and served beside it
        self._outputs = OutputSink(
            plan, prompt, self._habits, self._reply, lambda: connection.received, root
        )
        if self._session is not None:
            self._outputs.values.take_over(self._session.written)
        self._waiting = deque(self._outputs.values.steps_of(plan, self._session))
        self._length = len(self._waiting)
        unused = plan.unused(prompt.options)
        self._reply.unused_options = frozenset(unused)
        if unused:
            logger.debug("%s has no inputs for %s", plan.space, ", ".join(unused))
        for note in (*plan.notes, *self._outputs.notes):
            logger.info("%s: %s", plan.space, note)
        with connect_errors(plan.space):  # their numbers may differ from their places
            self.endpoints |= {step.fn_index: self._copy_endpoint(step) for step in plan.steps}

    def _draw(self) -> None:
        """Have the page drawn in this session, and plan how to ask what was drawn.

        :raises SpaceInterfaceError: if no usable chat was drawn.
        """
        while self._waiting:
            self._run_step(self._waiting[0])
            self._drain()
            self._waiting.popleft()
        space = self._plan.space
        with connect_errors(space):
            self.config = add_missing(add_drawn(self.config, self._drawn))
            for position, function in enumerate(self.config["dependencies"]):
                fn_index = function.get("id", position)
                if fn_index not in self.endpoints:
                    endpoint = Endpoint(self, fn_index, function, self.protocol)
                    self.endpoints[fn_index] = endpoint
            plan = plan_of(self.config, self._info, space, self._prompt.api_name, is_drawn=True)
            self._follow(plan, self._prompt)

    def _copy_endpoint(self, step: Step) -> Any:
        endpoint = copy.copy(self.endpoints[step.fn_index])
        endpoint.client = self
        endpoint.is_valid = True  # a page also calls what authors hide from the API
        # Nothing is uploaded, whatever a Space gives as a default or a user writes; nothing is
        # downloaded, and each output keeps its place in /config.
        endpoint.process_input_files = endpoint.process_predictions = _unchanged
        endpoint._sse_fn_v1plus = self._read_events
        return endpoint

    def _upload(self, file: Attachment) -> dict[str, Any]:
        """Bring a file to the Space, unless it is there, and return the value that stands for it.

        gradio_client's own upload reads it from a path, and its name there is the name that it has.
        """
        if file.url is not None:
            return file.value(file.url)
        key = (self.config.get("app_id"), self.upload_url, file)
        if key not in self._uploaded:
            if len(file.data or b"") >= LARGE_FILE:
                self._reply.put(StreamStatus("log", log=f"Uploading {file.name}", level="info"))
            self._uploaded[key] = file.value(self._post(file))
        return self._uploaded[key]

    def _post(self, file: Attachment) -> str:
        """Upload a file, and return its path on the Space."""
        # httpx sends an open file in small pieces, and of bytes makes copies.
        content = (file.name, BytesIO(file.data or b""), file.media_type)
        response = self._connection.request(
            "POST", self.upload_url, headers=self.headers, files=[("files", content)]
        )
        with suppress(ValueError):  # a proxy's page, or other text
            match response.json():
                case [str(path)] if UPLOADED.search(path):
                    return path
        raise SpaceUnavailableError(
            f"{self._plan.space} answered the upload of {file.name} with something that is not its "
            f"path: {response.text!r:.200}"
        )

    def _run_step(self, step: Step) -> None:
        self._events = _Events()
        arguments = self._outputs.start_step(step)
        logger.debug("%s: %s, in session %s", self._plan.space, step.name, self.session_hash)
        try:
            with connect_errors(self._plan.space):
                self._job = self.submit(*arguments, fn_index=step.fn_index)
                self.executor.raise_error()
        except AppError as error:
            if step.is_load:  # a page goes on without it
                logger.warning("%s: %s failed: %s", self._plan.space, step.name, error)
                return
            name = step.name if len(self._plan.steps) > 1 else ""
            raise error_from_app(error, name) from error

    def _drain(self) -> bool:
        """Read the last step's event stream to its end, and return whether it came in time.

        Gradio forgets a session whose event stream is closed early, and with it the next step.
        """
        with suppress(Exception), self._connection.time_limit(DRAIN_TIMEOUT):
            self._events.drain()
            return True
        return False

    # What gradio_client calls, in order:

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

    def _read_events(self, helper: Any, event_id: str, protocol: str) -> dict[str, Any]:
        """Read the event stream, and return the last output. The Space has accepted the step."""
        helper.job.outputs = deque(maxlen=0)
        helper.updates = self._outputs
        with reply_errors(self._plan.space):
            self._events = events = _Events(
                self._connection.events(
                    self.sse_url, params={"session_hash": self.session_hash}, headers=self.headers
                ),
                self._outputs.on_heartbeat,
            )
            output = events.check(
                utils.stream_sse_v1plus(
                    helper, {event_id: events}, nullcontext(), event_id, protocol
                )
            )
            if isinstance(drawn := output.get("render_config"), dict):
                self._drawn.append(drawn)
            return output


class _Events:
    """Stands in for the deque that gradio_client polls: taking from it waits for the next event.

    :param on_heartbeat: called with each sign of life that says nothing else.
    :ivar is_running: whether the Space still works on the step.
    """

    def __init__(
        self,
        events: Generator[dict[str, Any], None, None] | None = None,
        on_heartbeat: Callable[[], object] = lambda: None,
    ) -> None:
        self._events = (_ for _ in ()) if events is None else events
        self._on_heartbeat = on_heartbeat
        self.is_running = events is not None

    def __len__(self) -> int:
        return 1

    def popleft(self) -> dict[str, Any]:
        """Return the next event that gradio_client knows, waiting for it."""
        for event in self._events:
            match event["msg"]:
                case "heartbeat":
                    self._on_heartbeat()
                    continue
                case "close_stream":
                    continue
                case "process_completed":
                    self.is_running = False
                    if not event.get("success", True):
                        # gradio_client accepts no keys but those of its own version's `AppError`.
                        output = event["output"]
                        event["output"] = {"error": output["error"]}
                        if isinstance(title := output.get("title"), str):
                            event["output"]["title"] = title
                case "unexpected_error":
                    # Gradio is stopping, or lost the session.
                    raise EOFError(f"it said {event.get('message')!r:.200}")
            return event
        raise EOFError("the stream ended before the reply was complete")

    def check(self, output: Any) -> dict[str, Any]:
        """Return the output of a completed step.

        :raises TypeError: if it is none.
        """
        if not isinstance(output, dict) or not (
            "error" in output or isinstance(output.get("data"), list)
        ):
            raise TypeError(f"an output without data: {output!r}")
        return output

    def drain(self) -> None:
        for _ in self._events:
            pass

    def close(self) -> None:
        self._events.close()


class _InThisThread(Executor):
    """Stands in for the pool of threads that runs jobs.

    It keeps an error itself: the job's future is referred to by frames of its traceback.
    """

    def __init__(self) -> None:
        self._error: Exception | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            self._error = error
            future.set_result(None)
        return future

    def raise_error(self) -> None:
        """Raise what the last job has raised, if it has."""
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
        finally:
            del error


class _NoExecutor(Executor):
    """Stands in for the other pools, in which gradio_client's threads would poll one another."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(f"{fn!r:.200} in a thread of its own")


def _unchanged(*data: Any) -> tuple[Any, ...]:
    return data
