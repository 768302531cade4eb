"""The worker thread: asks a Space and retries until the reply is complete or closed."""

from __future__ import annotations

import logging
import random
import secrets
import time
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from ._access import Access
from ._messages import Prompt
from ._page.session import Session
from ._reply import End, ReplyState, StreamStatus
from .errors import AuthenticationError, QwenGradioError, SpaceInterfaceError, SpaceUnavailableError

if TYPE_CHECKING:
    from ._gradio.connection import Connection
    from ._gradio.reply import ReplyClient
    from ._gradio.space import Description

logger = logging.getLogger(__package__)

MAX_RETRY_WAIT = 60.0
"""Seconds between two attempts. A Space that asks for a longer wait is not asked again."""
MIN_RETRY_PAUSE, MAX_RETRY_PAUSE = 0.5, 8.0
"""Seconds between two attempts where the Space names none: doubled each time, plus up to half a
second at random."""


def generate_session_hash() -> str:
    """Return 12 hex digits that set one reply apart from every other on the Space."""
    return secrets.token_hex(6)


@dataclass(frozen=True)
class Question:
    """A question after all checks.

    :ivar request_timeout: seconds that the Space may take to answer an HTTP request.
    :ivar model: the model; None if another app than the provider's is asked, and none was named.
    :ivar session: the conversation of the question, if the Space may keep it.
    :ivar if_unavailable: a sentence to append to the error if the Space cannot be asked.
    """

    prompt: Prompt
    access: Access
    timeout: float | None
    stream_timeout: float | None
    request_timeout: float
    max_retries: float
    model: str | None = None
    session: Session | None = None
    if_unavailable: str = ""


def ask(question: Question, reply: ReplyState) -> None:
    """Start a worker that asks the question, unless that was done or the reply was closed."""
    if reply.start(time.monotonic()):
        worker = Worker(question, reply)
        reply.on_close = worker.stop
        # A daemon thread, as a Space that never answers must not keep the interpreter from exiting.
        # It gets the caller's context, where a Gradio app keeps its user's request.
        run = copy_context().run
        Thread(target=run, args=(worker.run,), name="qwen_gradio", daemon=True).start()


class Worker:
    """Asks one question in a thread of its own, and puts the updates in the reply."""

    def __init__(self, question: Question, reply: ReplyState) -> None:
        self._question = question
        self._reply = reply
        self._stopped = Event()
        self._connection: Connection | None = None
        self._client: ReplyClient | None = None
        self._uploaded: dict[Any, dict[str, Any]] = {}  # a retry does not upload again

    def stop(self) -> None:
        """Stop the reply. Returns at once; the thread cancels the request, and exits."""
        self._stopped.set()
        if (connection := self._connection) is not None:
            connection.abort()

    def run(self) -> None:
        with ExitStack() as cleanup:
            try:
                self._ask(cleanup)
            except Exception as error:
                hint = self._question.if_unavailable
                if hint and isinstance(error, SpaceUnavailableError):
                    error.args = (f"{error}. {hint}",)
                self._end(End(error))
            else:
                self._end(End())

    def _end(self, end: End) -> None:
        # Cleaning up comes after this, as it may take a while, and must not be aborted by `stop`.
        self._connection = None
        self._reply.put(end)
        self._reply.on_close = None

    def _ask(self, cleanup: ExitStack) -> None:
        """Ask, and retry until the Space has accepted the question or `max_retries` is reached."""
        failures = 0
        while True:
            try:
                if self._client is not None and self._has_begun:
                    self._client.run()  # continues with the step that failed
                else:
                    self._ask_once(cleanup)
                return
            except QwenGradioError as error:
                failures += 1
                if failures > self._question.max_retries or not self._is_worth_retrying(error):
                    raise
                wait = error.retry_after or self._pause_after(failures)
                self._reply.put(StreamStatus("retrying", retry_in=wait, log=str(error)))
                logger.info("%s: asking again in %.1f s: %s", self._reply.space, wait, error)
            if not self._has_begun:
                cleanup.close()
            if self._stopped.wait(wait):
                return

    def _is_worth_retrying(self, error: QwenGradioError) -> bool:
        # A longer wait, without updates, would trip `stream_timeout`.
        longest = min(MAX_RETRY_WAIT, self._question.request_timeout / 2)
        return error.transient and (error.retry_after or 0) <= longest and self._reply.is_unanswered

    def _pause_after(self, failures: int) -> float:
        pause: float = min(MIN_RETRY_PAUSE * 2 ** (failures - 1), MAX_RETRY_PAUSE)
        pause += random.uniform(0, MIN_RETRY_PAUSE)
        return min(pause, self._question.request_timeout / 2)

    @property
    def _has_begun(self) -> bool:
        """Whether the Space has completed a step, which asking anew would run twice."""
        return self._client is not None and self._client.has_begun

    def _ask_once(self, cleanup: ExitStack) -> None:
        """Ask the Space by its cached description, and if that is outdated, by a new one."""
        # Importing gradio_client and httpx is slow, and must not block an event loop.
        from ._gradio.connection import Connection
        from ._gradio.space import space_at

        question = self._question
        self._connection = connection = Connection(question.access, question.request_timeout)
        cleanup.callback(connection.close)
        if self._stopped.is_set():
            connection.abort()

        def describe(outdated: Description | None = None) -> tuple[Description, bool]:
            return space_at(question.access).describe_once_awake(
                connection, self._reply.put, self._stopped, outdated
            )

        began = time.monotonic()
        description, _ = describe()
        try:
            self._run(description, cleanup)
            return
        except QwenGradioError as error:
            is_cached = description.read_at < began
            may_have_changed = error.may_be_proxy or (is_cached and error.may_be_outdated)
            is_unanswered = self._reply.is_unanswered and not self._has_begun
            if error.transient or not (may_have_changed and is_unanswered):
                raise
            logger.info("%s: read again: %s", description.space, error)
            connection.cookies.clear()  # they may point to a replica that is gone
            try:
                fresh, was_asleep = describe(description)
                is_same = fresh.has_same_plan(description, question.prompt.api_name)
            except QwenGradioError as unread:
                if isinstance(unread, SpaceInterfaceError) or (
                    isinstance(unread, SpaceUnavailableError) and unread.is_down
                ):
                    raise  # it no longer offers a chat, or does not run
                raise error from error.__cause__
            is_denied = isinstance(error, AuthenticationError)
            if is_same and not (error.may_be_lost_replica or was_asleep or is_denied):
                raise  # the same question would meet the same error
        self._run(fresh, cleanup)

    def _run(self, description: Description, cleanup: ExitStack) -> None:
        from ._gradio.reply import ReplyClient

        assert self._connection is not None  # opened before the Space was described
        self._reply.space = description.space
        self._client = client = ReplyClient(
            description,
            self._connection,
            generate_session_hash(),
            self._question.prompt,
            self._reply,
            self._question.session,
            self._uploaded,
        )
        cleanup.callback(client.close)
        client.run()
