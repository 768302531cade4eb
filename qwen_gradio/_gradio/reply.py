"""Ask a Space one question with gradio_client's own job, in one thread and over one connection."""

from __future__ import annotations

import copy
import logging
import re
import sys
from collections import deque
from concurrent.futures import Executor
from contextlib import nullcontext, suppress
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from typing import Any

from gradio_client import Client, utils
from gradio_client.client import Endpoint
from gradio_client.exceptions import AppError

from .._files.attachments import Attachment
from .._messages import Prompt
from .._page.app import add_drawn, add_missing
from .._page.plan import Plan, Step
from .._page.planning import plan_of
from .._page.session import Session
from .._page.values import Values
from .._reply import ReplyState, StreamStatus
from ..errors import SpaceUnavailableError
from .connection import Connection
from .errors import connect_errors, error_from_app, reply_errors
from .seam import requests_over
from .space import Description
from .standins import Events, InThisThread, NoExecutor, return_unchanged
from .updates import OutputSink

logger = logging.getLogger("qwen_gradio")

LARGE_FILE = 2**20
"""Minimum bytes of a file for reporting its upload."""
UPLOADED = re.compile(r"[/\\][0-9a-f]{40,}[/\\][^/\\]+\Z")
"""Matches the path of an uploaded file: Gradio names its directory by the hash of its bytes."""
CANCEL_TIMEOUT = 4.0
"""Maximum seconds for the Space to confirm that it has stopped."""
DRAIN_TIMEOUT = 2.0
"""Maximum seconds to wait for the end of a completed step's event stream before the next step."""


class ReplyClient(Client):  # type: ignore[misc]
    """A `Client` for one reply, with one session hash, one connection, and a job for each step.

    It copies the Space's client, and works only in the thread that calls `run`.

    :param reply: the state to report to.
    :param uploaded: the values of files that are already on the Space; new uploads are added.
    :raises SpaceInterfaceError: if the Space offers no chat, or does not accept the inputs.
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
            # Replies must not share these: a hostile Space may give them all one event id.
            if isinstance(value, (dict, set)):
                value = value.copy()
            elif isinstance(value, Executor):
                value = NoExecutor()
            setattr(self, name, value)
        self.session_hash = session_hash
        self.executor = InThisThread()
        self.stream_open = True  # keeps `send_data` from starting a reader thread
        self._connection = connection
        self._is_on_hub = description.is_on_hub
        self._job: Any = None
        self._events = Events()
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
        """Whether a step is complete. A new request would then run it twice."""
        return len(self._waiting) < self._length

    def run(self) -> None:
        """Ask the Space, and report its reply until it is complete.

        A second call, after a transient error, continues with the step that failed.
        """
        with requests_over(self._connection.request, self.src):
            try:
                if self._plan.draws:
                    self._draw()
                if not self.has_begun:
                    with connect_errors(self._plan.space):
                        self._values.attach(self._upload)
                while self._waiting:
                    if self.has_begun:
                        self._drain()
                    self._run_step(self._waiting[0])
                    self._waiting.popleft()
            except BaseException:
                self._outputs.fail()  # reports nothing if the question can be asked again
                raise
            self._outputs.end()
            logger.debug("%s: complete; %s", self._plan.space, self._habits)
            if self._session is not None and self._drain():
                self._session.complete_turn(self.session_hash, self._values.written)

    def close(self) -> None:
        """Stop the Space if it is still working on the reply, and release resources."""
        with suppress(Exception):  # the Space may be gone
            self._events.close()
            # Some functions stop only by /cancel, which came with Gradio 4.30.
            if self._events.is_running and self.app_version.release >= (4, 30):
                self._connection.reopen(CANCEL_TIMEOUT)
                with requests_over(self._connection.request, self.src):
                    self._job.cancel()
        # These reference cycles would keep the client until the next garbage collection.
        self._job = None
        self.endpoints = {}

    def __del__(self) -> None:
        """Do not shut down executors, as `Client.__del__` would: other replies share them."""

    def _follow(self, plan: Plan, prompt: Prompt) -> None:
        """Switch to this plan."""
        self._plan = plan
        connection = self._connection  # the sink must not refer to this client
        root = self.upload_url.removesuffix("upload")  # files are served under the same prefix
        self._values = Values(plan, prompt, self._habits)
        if self._session is not None:
            self._values.restore(self._session.written)
        self._outputs = OutputSink(self._values, self._reply, lambda: connection.received, root)
        self._waiting = deque(self._values.steps(self._session))
        self._length = len(self._waiting)
        unused = plan.unused(prompt.options)
        self._reply.unused_options = frozenset(unused)
        if unused:
            logger.debug("%s has no inputs for %s", plan.space, ", ".join(unused))
        for note in (*plan.notes, *self._values.notes):
            logger.info("%s: %s", plan.space, note)
        with connect_errors(plan.space):  # an endpoint may be missing
            self.endpoints |= {step.fn_index: self._copy_endpoint(step) for step in plan.steps}

    def _draw(self) -> None:
        """Run the steps that draw the page in this session, then plan its chat."""
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
        endpoint.is_valid = True  # pages also call functions that are hidden from the API
        # No local file is uploaded because a Space's default or a user's text names it. Nothing is
        # downloaded, and outputs keep their positions in /config.
        endpoint.process_input_files = endpoint.process_predictions = return_unchanged
        endpoint._sse_fn_v1plus = self._read_events
        return endpoint

    def _upload(self, file: Attachment) -> dict[str, Any]:
        """Upload a file unless it is on the Space, and return its value for a component.

        gradio_client's own upload only takes a path, and names the file after it.
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
        # httpx copies bytes, but sends an open file in small pieces.
        content = (file.name, BytesIO(file.data or b""), file.media_type)
        response = self._connection.request(
            "POST", self.upload_url, headers=self.headers, files=[("files", content)]
        )
        with suppress(ValueError):  # not JSON, such as a proxy's page
            match response.json():
                case [str(path)] if UPLOADED.search(path):
                    return path
        raise SpaceUnavailableError(
            f"{self._plan.space} answered the upload of {file.name} with something other than a "
            f"path: {response.text!r:.200}"
        )

    def _run_step(self, step: Step) -> None:
        self._events = Events()
        arguments = self._outputs.start_step(step)
        logger.debug("%s: %s, in session %s", self._plan.space, step.name, self.session_hash)
        try:
            with connect_errors(self._plan.space):
                self._job = self.submit(*arguments, fn_index=step.fn_index)
                self.executor.raise_error()
        except AppError as error:
            if step.is_load:  # a page ignores it
                logger.warning("%s: %s failed: %s", self._plan.space, step.name, error)
                return
            name = step.name if len(self._plan.steps) > 1 else ""
            raise error_from_app(error, name) from error

    def _drain(self) -> bool:
        """Read the last step's event stream to its end. Return whether the end came in time.

        If the event stream is closed early, Gradio drops the session, and the next step with it.
        """
        with suppress(Exception), self._connection.time_limit(DRAIN_TIMEOUT):
            self._events.drain()
            return True
        return False

    # Called by gradio_client, in this order:

    def add_zero_gpu_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """Inside a Gradio app, add the header that identifies the app's user to ZeroGPU."""
        if not self._is_on_hub or "gradio.context" not in sys.modules:
            return headers  # not in an app; gradio_client would import gradio to find out
        # Set only during this call: elsewhere, gradio_client looks up named Spaces on the Hub.
        self.space_id = self._plan.space
        try:
            return dict(super().add_zero_gpu_headers(headers))
        finally:
            self.space_id = None

    def _read_events(self, helper: Any, event_id: str, protocol: str) -> dict[str, Any]:
        """Read the event stream of an accepted step, and return the last output."""
        helper.job.outputs = deque(maxlen=0)
        helper.updates = self._outputs
        with reply_errors(self._plan.space):
            self._events = events = Events(
                self._connection.events(
                    self.sse_url, params={"session_hash": self.session_hash}, headers=self.headers
                ),
                self._outputs.on_heartbeat,
            )
            pending = {event_id: events}
            output = utils.stream_sse_v1plus(helper, pending, nullcontext(), event_id, protocol)
            if not isinstance(output, dict) or not (
                "error" in output or isinstance(output.get("data"), list)
            ):
                raise TypeError(f"an output without data: {output!r}")
            if isinstance(drawn := output.get("render_config"), dict):
                self._drawn.append(drawn)
            return output
