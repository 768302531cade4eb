"""A session for each reply: the only file that touches gradio_client's insides.

By itself a `gradio_client.Client` spreads each request over four threads that poll one another,
opens a connection for every HTTP request and keeps every output. A `Session` is a `Client` whose
parts run one after the other in the thread that calls `ask`, on one connection. Nothing is polled,
so nothing lags. `tests/test_gradio_client.py` pins each inside that this relies on.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.cookiejar import Cookie
from threading import Lock
from typing import Any
from urllib.parse import urljoin

import gradio_client.client
from gradio_client import Client, utils
from gradio_client.client import Endpoint
from huggingface_hub import constants as hub

from .._access import Access, address_of, is_url
from .._chains import ChatEndpoint, chat_endpoint
from .._messages import Prompt
from .._replies import Reply, size_of
from .._updates import Progress, StreamStatus, Update
from ..errors import AuthenticationError, SpaceInterfaceError, SpaceUnavailableError
from .connection import Connection
from .events import MAX_BYTES
from .faults import connecting, replying

logger = logging.getLogger(__package__)

READ_AGAIN_AFTER = 60.0
"""Seconds for which a Space is taken to be what it said it is; it may be restarted as another."""
READ_ALONE_AFTER = 1.0
"""Seconds for which a session waits while another one reads the same Space, which may hang."""
MAX_SPACES = 32
"""More Spaces than this are not remembered."""
CANCEL_TIMEOUT = 4.0
"""Seconds in which a Space is to answer that it has stopped."""


@dataclass(frozen=True)
class Description:
    """What a Space told of itself, and the cookies that it wants to see again."""

    url: str
    config: dict[str, Any]
    info: dict[str, Any]
    cookies: list[Cookie]
    chat: ChatEndpoint
    read_at: float


class Space:
    """A Space, and its description once a session has read it."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._lock = Lock()  # held while the Space is found and read
        self._description: Description | None = None

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While one session reads the Space, others wait: they need not read it, too."""
        held = self._lock.acquire(timeout=READ_ALONE_AFTER)
        try:
            yield
        finally:
            if held:
                self._lock.release()

    @property
    def description(self) -> Description | None:
        """None if it was not read, or too long ago."""
        known = self._description
        old = known is not None and time.monotonic() - known.read_at > READ_AGAIN_AFTER
        return None if old else known

    @description.setter
    def description(self, description: Description | None) -> None:
        self._description = description


def space_at(access: Access) -> Space:
    """The Space for this access, which is the same one at every call."""
    with _lock:
        if access not in _spaces and len(_spaces) == MAX_SPACES:
            del _spaces[next(iter(_spaces))]
        return _spaces.setdefault(access, Space(access))


class Session(Client):  # type: ignore[misc]  # gradio_client is not typed
    """A `Client` for one reply: one session hash, one job, one event stream, one connection.

    :param report: called with each fragment and status as it arrives.
    :raises QwenGradioError: if the Space cannot be reached or offers no chat.
    """

    endpoints: dict[int, Any]

    def __init__(
        self,
        space: Space,
        connection: Connection,
        session_hash: str,
        report: Callable[[Update], None],
    ) -> None:
        self.connection = connection
        self.event_id: str | None = None
        self.completed = False
        self._stream: Generator[dict[str, Any], None, None] = (_ for _ in ())
        access = space.access
        with space.reading(), connecting(access.space):
            self._known = space.description
            self.has_read = self._known is None
            super().__init__(
                self._known.url if self._known else self._locate(access.space),
                token=_Token(access.api_key or ""),
                auth=None if self._known else access.auth,
                verbose=False,
                download_files=False,
                analytics_enabled=False,
            )
            if self._known is None:
                chat = chat_endpoint(self.config, self._info, access.space)
                cookies = connection.cookies
                space.description = self._known = Description(
                    self.src, self.config, self._info, cookies, chat, time.monotonic()
                )
        connection.use_cookies(self._known.cookies)
        self.chat = self._known.chat
        self.updates = _Updates(report, self.chat.reply, access.space)
        number = self.chat.fn_index
        dependency = self.endpoints[number].dependency
        self.endpoints = {number: _Endpoint(self, number, dependency, self.protocol)}
        self.session_hash = session_hash
        self.executor = _InThisThread()

    def ask(self, prompt: Prompt) -> None:
        """Ask the Space, and report its reply until that is complete.

        :raises QwenGradioError: if it cannot be asked, or does not reply to the end.
        """
        if unknown := self.chat.not_called(prompt.options):
            logger.debug("%s has no inputs for %s", self.chat.api_name, ", ".join(unknown))
        with replying(self.connection.space):
            arguments = self.chat.arguments(prompt)
            self.submit(*arguments, fn_index=self.chat.fn_index).result()

    def asks_like(self, other: Session) -> bool:
        """Whether both would send a question to the same endpoint in the same form."""
        return (self.chat, self.sse_data_url) == (other.chat, other.sse_data_url)

    def close(self) -> None:
        """Leave nothing behind: a Space that is still at work is told to stop."""
        with suppress(Exception):  # the Space may be gone
            self._stream.close()
            if self.event_id is not None and not self.completed:
                self.connection.mend()
                self.connection.request(
                    "POST",
                    urljoin(self.src_prefixed, utils.CANCEL_URL),
                    json={
                        "session_hash": self.session_hash,
                        "event_id": self.event_id,
                        "fn_index": self.chat.fn_index,
                    },
                    headers=self.headers,
                    timeout=CANCEL_TIMEOUT,
                )
        self.connection.close()

    # What gradio_client calls, in the order in which it does:

    def _login(self, auth: tuple[str, str]) -> None:
        # The cookie that this answers with stays with the connection.
        credentials = {"username": auth[0], "password": auth[1]}
        self.connection.request("POST", urljoin(self.src, utils.LOGIN_URL), data=credentials)

    def _get_config(self) -> dict[str, Any]:
        if self._known is not None:
            return self._known.config
        config: dict[str, Any] = self.connection.request(
            "GET", urljoin(self.src, utils.CONFIG_URL), headers=self.headers
        )
        # The prefix is part of every URL from here on, and must not lead to another host.
        prefix = config.get("api_prefix", "").lstrip("/")
        if not urljoin(self.src, prefix).startswith(self.src):
            raise ValueError(f"an api_prefix that leads elsewhere, {prefix!r}")
        # A heartbeat keeps a session's state on the Space from one request to the next, and here a
        # session has one request.
        return {**config, "connect_heartbeat": False}

    def _get_api_info(self) -> dict[str, Any]:
        if self._known is not None:
            return self._known.info
        info: dict[str, Any] = self.connection.request(
            "GET", urljoin(self.src_prefixed, utils.RAW_API_INFO_URL), headers=self.headers
        )
        return info

    def _telemetry_thread(self) -> None:
        """Tell nobody. `analytics_enabled=False` alone does not see to that."""

    def _stream_heartbeat(self, *args: Any) -> None:
        """Send none: before 2.7.2, gradio_client does not heed `connect_heartbeat`."""

    def new_helper(self, fn_index: int, headers: dict[str, str] | None = None) -> Any:
        """Where gradio_client leaves what it learns. This one passes it on, and keeps nothing."""
        helper = super().new_helper(fn_index, headers)
        helper.job.outputs = deque(maxlen=0)
        helper.updates = self.updates
        return helper

    def send_data(
        self, data: dict[str, Any], hash_data: dict[str, Any], protocol: str, request_headers: Any
    ) -> str:
        """Join the queue, and put the session's events where gradio_client then takes them from."""
        with connecting(self.connection.space):
            joined = self.connection.request(
                "POST",
                self.sse_data_url,
                json={**data, **hash_data},
                headers={**request_headers, **self.headers},
            )
            event_id = self.event_id = str(joined["event_id"])
        self._stream = self._events()
        self.pending_messages_per_event[event_id] = _Events(self._stream)
        return event_id

    def _events(self) -> Generator[dict[str, Any], None, None]:
        """The session's events, up to the one that completes the reply."""
        for event in self.connection.events(
            self.sse_url, params={"session_hash": self.session_hash}, headers=self.headers
        ):
            if event["msg"] == "process_completed":
                self.completed = True
            elif event["msg"] == "unexpected_error":
                # Gradio stops, or lost the session; what the app raises comes with completion.
                raise EOFError(f"it said {event.get('message')!r:.200}")
            if event["msg"] not in ("heartbeat", "close_stream"):
                yield event
        raise EOFError("the stream ended before the reply was complete")

    def _locate(self, space: str) -> str:
        """A Space's URL. If only `owner/name` is known, the hub is asked; it gets no token."""
        address = address_of(space)
        if is_url(address):
            return address
        try:
            told = self.connection.request("GET", f"{hub.ENDPOINT}/api/spaces/{address}")
        except AuthenticationError as error:  # what it answers for a name that it does not show
            raise SpaceUnavailableError(
                f"The hub shows no Space {address}. If it is private, give its URL and an api_key"
            ) from error
        stage, host = told.get("runtime", {}).get("stage"), str(told.get("host"))
        if stage in utils.INVALID_RUNTIME:
            raise SpaceUnavailableError(f"{address} is not running: the hub says {stage}")
        if not is_url(host):
            raise SpaceUnavailableError(f"The hub gives no address for {address}")
        return host


def describe(access: Access, timeout: float = 60.0) -> Description:
    """What a Space is and how it would be asked; waits for it, `timeout` seconds for each answer.

    :raises QwenGradioError: if it cannot be reached, or offers no chat.
    """
    connection = Connection(access, timeout)
    try:
        space = Space(access)
        Session(space, connection, "", lambda update: None)
    finally:
        connection.close()
    assert space.description is not None  # a session reads what is not there
    return space.description


class _Endpoint(Endpoint):  # type: ignore[misc]
    """An `Endpoint` that takes its events in the thread it is called in, and leaves files alone."""

    def process_input_files(self, *data: Any) -> tuple[Any, ...]:
        return data  # Nothing is uploaded, whatever a Space gives as a default or a user writes.

    def process_predictions(self, *outputs: Any) -> tuple[Any, ...]:
        return outputs  # Nothing is downloaded, and each output keeps its place in /config.

    def _sse_fn_v1plus(self, helper: Any, event_id: str, protocol: str) -> Any:
        session = self.client
        result = utils.stream_sse_v1plus(
            helper, session.pending_messages_per_event, session.pending_lock, event_id, protocol
        )
        # Of a failure, gradio_client takes no keys but those of its own version's `AppError`.
        return {"error": result["error"]} if "error" in result else result


class _Updates:
    """Stands in for gradio_client's queue of updates: reads each, and passes on what is new."""

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
        if update.final:  # then it is the message as it came
            outputs = update.outputs.get("data")
        else:
            outputs = update.outputs
            self._limit(outputs)
        if not update.success or outputs is None:
            return
        try:
            fragment = self.reply.feed(outputs[self._index])
        except (LookupError, TypeError, ValueError) as error:
            raise self._refusal(f"in a form that is not a chat: {error}") from error
        if fragment:
            self._report(fragment)

    def _limit(self, outputs: Sequence[Any]) -> None:
        # gradio_client adds each diff to what it has, also of outputs that later diffs leave out.
        self._sizes[: len(outputs)] = map(size_of, outputs)
        if sum(self._sizes) > MAX_BYTES:
            raise self._refusal(f"with more than {MAX_BYTES} bytes")

    def _refusal(self, why: str) -> SpaceInterfaceError:
        error = SpaceInterfaceError(f"{self._space} replied {why}")
        error.of_reply = True
        return error


class _Events:
    """Stands in for the deque that gradio_client polls."""

    def __init__(self, events: Iterator[dict[str, Any]]) -> None:
        self._events = events

    def __len__(self) -> int:
        return 1  # There is always one more to take: taking it waits for it.

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


class _Token(str):
    """A token that `_build_headers` knows to be a session's; empty for none."""


def _build_headers(*args: Any, token: Any = None, **kwargs: Any) -> dict[str, str]:
    # huggingface_hub's own, which gradio_client calls, adds what it finds out about this process to
    # the user agent, and asks the hub how to; and it sends the token saved on disk.
    if not isinstance(token, _Token):
        return dict(_hub_headers(*args, token=token, **kwargs))
    headers = {"user-agent": f"gradio_client/{utils.__version__}"}
    return {**headers, "authorization": f"Bearer {token}"} if token else headers


def _status(update: utils.StatusUpdate) -> StreamStatus | None:
    """gradio_client's status in our words, or None for those that tell nothing new."""
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


def _start_afresh() -> None:
    global _lock  # which a thread of the parent's may have held
    _lock = Lock()
    _spaces.clear()


_spaces: dict[Access, Space] = {}
_lock = Lock()
_hub_headers = gradio_client.client.build_hf_headers
gradio_client.client.build_hf_headers = _build_headers
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)
