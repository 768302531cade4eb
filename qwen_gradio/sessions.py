"""A session for each reply: the only file that touches gradio_client's insides.

By itself a `gradio_client.Client` spreads each request over four threads that poll one another,
opens a connection for every HTTP request and keeps every output. A `Session` is a `Client` whose
parts run one after the other in the thread that calls `ask`, on connections that are kept. Nothing
is polled, so nothing lags. `tests/test_gradio_client.py` pins each inside that this relies on.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import Any
from urllib.parse import urljoin

import httpx
from gradio_client import Client, utils
from gradio_client.client import Endpoint

from .connections import Space, replace
from .errors import QwenGradioError, SpaceInterfaceError, StreamInterruptedError
from .events import read_events
from .faults import connecting, refusal, replying
from .messages import Prompt
from .replies import Reply
from .spaces import chat_endpoint
from .updates import Progress, StatusUpdate, Update

CONNECT_TIMEOUT = 10.0
CANCEL_TIMEOUT = 4.0


class Session(Client):  # type: ignore[misc]  # gradio_client is not typed
    """A `Client` for one reply: one session hash, one job, one event stream, all in one thread.

    :param timeout: seconds that an HTTP request may take to be answered.
    :param report: called with each fragment and status as it arrives.
    """

    endpoints: dict[int, Any]

    def __init__(
        self, space: Space, session_hash: str, timeout: float, report: Callable[[Update], None]
    ) -> None:
        self.space = space
        self.timeout = httpx.Timeout(timeout, connect=CONNECT_TIMEOUT)
        self.report = report
        self.reply = Reply()
        self.event_id: str | None = None
        self.completed = False
        self.stopped = False
        self._stream: Iterator[dict[str, Any]] = iter(())
        self._socket: socket.socket | None = None
        with space.lock, connecting(space.url):
            space.locate(self.timeout)
            super().__init__(
                space.url,
                token=space.access.api_key or False,  # None would send the one saved on disk
                verbose=False,
                auth=None if space.config else space.access.auth,
                download_files=False,
                analytics_enabled=False,
            )
            self._is_first = space.endpoint is None
            if space.endpoint is None:
                space.endpoint = chat_endpoint(self.config, self._info, space.url)
        self.chat = space.endpoint
        number = self.chat.fn_index
        dependency = self.endpoints[number].dependency
        self.endpoints = {number: _Endpoint(self, number, dependency, self.protocol)}
        self.session_hash = session_hash
        self.executor = _InThisThread()

    def ask(self, prompt: Prompt) -> None:
        """Ask the Space, and report its reply until that is complete.

        :raises QwenGradioError: if it cannot be asked, or does not reply to the end.
        """
        with replying(self.space.url):
            self.submit(*self.chat.arguments(prompt), fn_index=self.chat.fn_index).result()

    def renewed(self, session_hash: str) -> Session | None:
        """A session that asks otherwise than this, if the Space has changed since it was read."""
        if self._is_first or self.stopped:
            return None
        space = Space(self.space.access)
        try:
            fresh = Session(space, session_hash, self.timeout.read or 0, self.report)
        except QwenGradioError:
            return None
        if (fresh.chat, fresh.sse_data_url) == (self.chat, self.sse_data_url):
            return None
        replace(space)
        return fresh

    def close(self) -> None:
        """Leave nothing behind: a Space that is still at work is told to stop."""
        if self.event_id is not None and not self.completed:
            self._cancel()
        # Complete or not, this ends `_events`, and with it the response.
        with suppress(httpx.HTTPError, QwenGradioError, ValueError):
            next(self._stream, None)

    def stop(self) -> None:
        """End the reply, from any thread and without waiting; `ask` then tells the Space."""
        self.stopped = True
        if self._socket is not None:
            # Closing it would not wake a thread that reads from it. SSLSocket's own shutdown would
            # take away the TLS state under that thread's feet.
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    # What gradio_client calls, in the order in which it does:

    def _login(self, auth: tuple[str, str]) -> None:
        # The cookie that this answers with stays with the Space's connections.
        self.space.request(
            "POST",
            urljoin(self.src, utils.LOGIN_URL),
            data={"username": auth[0], "password": auth[1]},
            timeout=self.timeout,
        )

    def _get_config(self) -> dict[str, Any]:
        if self.space.config is None:
            self.space.config = self._get(urljoin(self.src, utils.CONFIG_URL))
            # A heartbeat keeps a session's state on the Space from one request to the next, and
            # here a session has one request.
            self.space.config["connect_heartbeat"] = False
        return self.space.config

    def _get_api_info(self) -> dict[str, Any]:
        if self.space.info is None:
            self.space.info = self._get(urljoin(self.src_prefixed, utils.RAW_API_INFO_URL))
        return self.space.info

    def _telemetry_thread(self) -> None:
        """Tell nobody. `analytics_enabled=False` alone does not see to that."""

    def _stream_heartbeat(self) -> None:
        """Send none: before 2.7.2, gradio_client does not heed `connect_heartbeat`."""

    def new_helper(self, fn_index: int, headers: dict[str, str] | None = None) -> Any:
        """Where gradio_client leaves what it learns. This one passes it on, and keeps nothing."""
        helper = super().new_helper(fn_index, headers)
        helper.job.outputs = deque(maxlen=0)
        helper.updates = self
        return helper

    def send_data(
        self, data: dict[str, Any], hash_data: dict[str, Any], protocol: str, request_headers: Any
    ) -> str:
        """Join the queue, and put the session's events where gradio_client then takes them from."""
        with connecting(self.space.url):
            joined = self.space.request(
                "POST",
                self.sse_data_url,
                json={**data, **hash_data},
                headers={**request_headers, **self.headers},
                timeout=self.timeout,
            )
            event_id = self.event_id = str(joined["event_id"])
        self._stream = self._events()
        self.pending_messages_per_event[event_id] = _Events(self._stream)
        return event_id

    def put_nowait(self, update: Any) -> None:
        """Read one of gradio_client's updates, of which the last has the message as it came."""
        if isinstance(update, utils.StatusUpdate):
            if (status := _status(update)) is not None:
                self.report(status)
            return
        outputs = update.outputs.get("data") if update.final else update.outputs
        if not update.success or outputs is None:
            return
        try:
            fragment = self.reply.feed(outputs[self.chat.reply])
        except (IndexError, TypeError, KeyError, ValueError) as error:
            raise SpaceInterfaceError(
                f"{self.space.url} replied in a form that is not a chat: {error}"
            ) from error
        if fragment:
            self.report(fragment)

    # The requests that this makes in gradio_client's place:

    def _get(self, url: str) -> Any:
        return self.space.request("GET", url, headers=self.headers, timeout=self.timeout)

    def _events(self) -> Iterator[dict[str, Any]]:
        """The session's events, up to the one that completes the reply."""
        with self.space.http.stream(
            "GET",
            self.sse_url,
            params={"session_hash": self.session_hash},
            headers=self.headers,
            timeout=self.timeout,
        ) as response:
            self._socket = response.extensions["network_stream"].get_extra_info("socket")
            if self.stopped:
                return
            if not response.is_success:
                raise refusal(self.space.url, response)
            for event in read_events(response.iter_bytes()):
                if event["msg"] in ("heartbeat", "close_stream"):
                    continue
                if self.completed or event["msg"] == "unexpected_error":
                    break
                self.completed = event["msg"] == "process_completed"
                yield event  # asked for one more at the end, this reads on: then the connection
                # can be used again
        if not self.completed:
            raise StreamInterruptedError(
                f"{self.space.url} ended the stream before the reply was complete"
            )

    def _cancel(self) -> None:
        """Have the Space stop working on the reply. It may be gone, so nothing depends on this."""
        body = {
            "session_hash": self.session_hash,
            "event_id": self.event_id,
            "fn_index": self.chat.fn_index,
        }
        with suppress(httpx.HTTPError, QwenGradioError, ValueError):
            self.space.request(
                "POST",
                urljoin(self.src_prefixed, utils.CANCEL_URL),
                json=body,
                headers=self.headers,
                timeout=CANCEL_TIMEOUT,
            )


class _Endpoint(Endpoint):  # type: ignore[misc]
    """An `Endpoint` that takes its events in the thread it is called in, and leaves files alone."""

    def process_input_files(self, *data: Any) -> tuple[Any, ...]:
        return data  # Nothing is uploaded, whatever a Space gives as a default or a user writes.

    def process_predictions(self, *outputs: Any) -> tuple[Any, ...]:
        return outputs  # Nothing is downloaded, and each output keeps its place in /config.

    def _sse_fn_v1plus(self, helper: Any, event_id: str, protocol: str) -> Any:
        session = self.client
        return utils.stream_sse_v1plus(
            helper, session.pending_messages_per_event, session.pending_lock, event_id, protocol
        )


class _Events:
    """Stands in for the deque that gradio_client polls: one more event is always to be had."""

    def __init__(self, events: Iterator[dict[str, Any]]) -> None:
        self._events = events

    def __len__(self) -> int:
        return 1

    def popleft(self) -> dict[str, Any]:
        return next(self._events)


class _InThisThread(Executor):
    """Stands in for gradio_client's pool of threads."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def _status(update: utils.StatusUpdate) -> StatusUpdate | None:
    """gradio_client's status in our words, or None for those that tell nothing new."""
    match update.code:
        case utils.Status.IN_QUEUE:
            position = None if update.rank is None else update.rank + 1
            return StatusUpdate("queued", position, update.queue_size, update.eta)
        case utils.Status.PROCESSING:
            return StatusUpdate("processing", eta=update.eta)
        case utils.Status.PROGRESS:
            steps = update.progress_data or []
            return StatusUpdate(
                "progress",
                progress=tuple(
                    Progress(step.index, step.length, step.unit, step.progress, step.desc)
                    for step in steps
                ),
            )
        case utils.Status.LOG if update.log:
            log, level = update.log
            return StatusUpdate("log", log=log, level=level)
    return None
