"""Spaces, and a session on one for each reply.

This is the only file that touches gradio_client's insides, and all of it runs in job threads.

By itself a `gradio_client.Client` spreads each request over four threads that poll one another,
opens a connection for every HTTP request and keeps every output. A `Session` is a `Client` whose
parts run one after the other in the thread that calls `ask`, on connections that are kept. Nothing
is polled, so nothing lags. `tests/test_gradio_client.py` pins each inside that this relies on.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from threading import Lock
from typing import Any
from urllib.parse import urljoin

import httpx
from gradio_client import Client, utils
from gradio_client.client import Endpoint
from gradio_client.exceptions import AppError
from huggingface_hub import constants as hub

from .errors import (
    AuthenticationError,
    GenerationError,
    QueueFullError,
    QwenGradioError,
    RateLimitError,
    SpaceInterfaceError,
    SpaceUnavailableError,
    StreamInterruptedError,
    StreamTimeoutError,
)
from .events import MAX_BYTES, read_events
from .messages import Prompt
from .replies import Reply
from .spaces import Access, ChatEndpoint, address_of, chat_endpoint
from .updates import Progress, StatusUpdate, Update

logger = logging.getLogger(__package__)

CONNECT_TIMEOUT = 10.0
CANCEL_TIMEOUT = 4.0
CONNECTIONS = httpx.Limits(max_connections=None, max_keepalive_connections=8)
MAX_SPACES = 32


class Space:
    """A Space and what it told of itself when first asked, for any number of sessions to share."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.url = address_of(access.space)
        self.token = access.api_key or False  # None would have the one saved on disk sent
        self.http = httpx.Client(verify=_ssl_context(), proxy=access.proxy, limits=CONNECTIONS)
        self.lock = Lock()  # held while the Space is being asked about itself
        self.config: dict[str, Any] | None = None
        self.info: dict[str, Any] | None = None
        self.endpoint: ChatEndpoint | None = None

    def __del__(self) -> None:
        if hasattr(self, "http"):
            self.http.close()

    def locate(self, timeout: httpx.Timeout) -> None:
        """If only `owner/name` is known, ask the Hugging Face hub for the URL. It gets no token."""
        if self.url.startswith("http"):
            return
        try:
            told = self.request("GET", f"{hub.ENDPOINT}/api/spaces/{self.url}", timeout=timeout)
        except (AuthenticationError, SpaceUnavailableError) as error:
            raise SpaceUnavailableError(
                f"The hub shows no Space {self.url}. If it is private, give its URL and an api_key",
                space=self.url,
            ) from error
        stage = told.get("runtime", {}).get("stage")
        if stage in utils.INVALID_RUNTIME:
            raise SpaceUnavailableError(
                f"{self.url} is not running: the hub says {stage}", space=self.url
            )
        self.url = told["host"]

    def request(self, method: str, url: str, **kwargs: Any) -> Any:
        """Send a request and return the JSON of its answer, which is read up to `MAX_BYTES`."""
        with self.http.stream(method, url, **kwargs) as response:
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise ValueError(f"an answer of more than {MAX_BYTES} bytes")
        if not response.is_success:
            raise self.refusal(response)
        return json.loads(body)

    def refusal(self, response: httpx.Response) -> QwenGradioError:
        """The error that an answer's status code stands for."""
        status = f"{response.status_code} {response.reason_phrase}".strip()
        if response.status_code in (401, 403):
            return AuthenticationError(
                f"{self.url} refused access ({status}): give an api_key that may use it",
                space=self.url,
            )
        refusal: QwenGradioError
        if response.status_code == 429:
            refusal = RateLimitError(f"{self.url} has had too many requests", space=self.url)
        elif response.status_code == 503 and response.url.path.endswith(utils.SSE_DATA_URL):
            refusal = QueueFullError(f"{self.url} has a full queue", space=self.url)
        else:
            path = response.url.path
            refusal = SpaceUnavailableError(
                f"{self.url} answered {status} for {path}", space=self.url
            )
        refusal.retry_after = _seconds(response.headers.get("retry-after"))
        return refusal


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
        with space.lock, _typed_errors(space.url):
            space.locate(self.timeout)
            super().__init__(
                space.url,
                token=space.token,
                verbose=False,
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
        with _typed_errors(self.space.url, self):
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
        with _lock:
            _spaces[space.access] = space
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
                f"{self.space.url} replied in a form that is not a chat: {error}",
                space=self.space.url,
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
                raise self.space.refusal(response)
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
                f"{self.space.url} ended the stream before the reply was complete",
                space=self.space.url,
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
        return (
            outputs  # Nothing is downloaded, and outputs keep the places that /config gives them.
        )

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


def connect(
    access: Access, session_hash: str, timeout: float, report: Callable[[Update], None]
) -> Session:
    """A session on a Space, which is asked about itself only the first time.

    :raises QwenGradioError: if the Space cannot be reached or offers no chat.
    """
    with _lock:
        space = _spaces.get(access)
        if space is None:
            with _typed_errors(access.space):
                space = _spaces[access] = Space(access)
            if len(_spaces) > MAX_SPACES:
                del _spaces[next(iter(_spaces))]
    return Session(space, session_hash, timeout, report)


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


@contextmanager
def _typed_errors(url: str, session: Session | None = None) -> Iterator[None]:
    """Raise what httpx and gradio_client raise as one of our own errors."""
    try:
        yield
    except QwenGradioError:
        raise
    except Exception as error:
        replying = session is not None and session.event_id is not None
        raise _typed(error, url, replying) from error


def _seconds(retry_after: str | None) -> float | None:
    """The Retry-After header, which is in seconds or a date, as seconds from now."""
    if retry_after is None:
        return None
    with suppress(ValueError):
        return max(float(retry_after), 0.0)
    with suppress(ValueError):
        at = parsedate_to_datetime(retry_after)
        return max((at - datetime.now(at.tzinfo)).total_seconds(), 0.0)
    return None


def _typed(error: Exception, url: str, replying: bool) -> QwenGradioError:
    match error:
        case AppError():
            return GenerationError(str(error), space=url)
        case httpx.TimeoutException() if not isinstance(error, httpx.ConnectTimeout):
            return StreamTimeoutError(f"{url} did not answer in time", space=url)
        case httpx.HTTPError() if replying:
            return StreamInterruptedError(f"The connection to {url} broke: {error}", space=url)
        case httpx.HTTPError():
            unavailable = SpaceUnavailableError(f"{url} cannot be reached: {error}", space=url)
            unavailable.transient = _is_transient(error)
            return unavailable
        case httpx.InvalidURL():
            return SpaceUnavailableError(f"{url} cannot be reached: {error}", space=url)
        case ImportError():  # httpx does without socksio until a SOCKS proxy is asked for
            return SpaceUnavailableError(f"{url} cannot be reached: {error}", space=url)
    if replying:
        return StreamInterruptedError(f"{url} broke off Gradio's protocol: {error!r}", space=url)
    return SpaceUnavailableError(f"{url} is not a Gradio app: {error!r}", space=url)


def _is_transient(error: httpx.HTTPError) -> bool:
    """Whether a connection was refused, reset, or not made in time; and not, say, a wrong name."""
    root: BaseException = error
    while (deeper := root.__cause__ or root.__context__) is not None:
        root = deeper
    return isinstance(root, ConnectionError) or isinstance(
        error, (httpx.ConnectTimeout, httpx.RemoteProtocolError)
    )


def _close_connections() -> None:
    for space in _spaces.values():
        space.http.close()


def _start_afresh() -> None:
    # What a forked child inherits is the parent's: its connections must not be used, nor closed
    # under a lock that a thread of the parent's may have held.
    global _lock, _spaces
    _inherited.append(_spaces)
    _lock, _spaces = Lock(), {}


_spaces: dict[Access, Space] = {}
_inherited: list[dict[Access, Space]] = []
_lock = Lock()
_ssl_context = cache(httpx.create_ssl_context)  # 40 ms of work, and the same for every Space
atexit.register(_close_connections)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)
