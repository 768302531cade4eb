"""The thread that asks a Space: again, if need be, until the reply is complete or not wanted."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from contextvars import copy_context
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from ._access import Access
from ._messages import Prompt
from ._queue import UpdateQueue
from ._stages import STAGES
from ._updates import End, StreamStatus
from .errors import (
    AuthenticationError,
    QwenGradioError,
    SpaceInterfaceError,
    SpaceUnavailableError,
)

if TYPE_CHECKING:
    from ._gradio.connection import Connection
    from ._gradio.reply import ReplyClient
    from ._gradio.space import Description

MAX_RETRY_WAIT = 60.0
"""Seconds between two attempts. A Space that asks for a longer wait is not asked again."""
MIN_RETRY_PAUSE, MAX_RETRY_PAUSE = 0.5, 8.0
"""Seconds between two attempts, more each time and half a second at random, where the Space does
not say how many."""


def generate_session_hash() -> str:
    """Return 12 hex digits that set one reply apart from every other on the Space."""
    return secrets.token_hex(6)


class Worker:
    """A question, the thread that asks it, and the `updates` that it reports: `End` is the last.

    :param timeout: seconds that the Space may take to answer an HTTP request.
    :param max_retries: how often to ask again if the Space did not accept the question.
    """

    def __init__(self, prompt: Prompt, access: Access, timeout: float, max_retries: float) -> None:
        self.updates = UpdateQueue()
        self.access = access
        self._prompt = prompt
        self._timeout = timeout
        self._max_retries = max_retries
        self._connection: Connection | None = None
        self._client: ReplyClient | None = None
        self._is_stopped = Event()
        # A daemon, so that a Space which never answers does not keep the interpreter from exiting.
        # In the caller's context, as a Gradio app keeps its user's request there.
        self._thread = Thread(
            target=copy_context().run, args=(self._run,), name="qwen_gradio", daemon=True
        )

    @property
    def text(self) -> str:
        """The reply so far."""
        return self._client.reply.text if self._client else ""

    @property
    def reasoning(self) -> str:
        """What the model thought so far; it is not part of the reply."""
        return self._client.reply.reasoning if self._client else ""

    @property
    def is_started(self) -> bool:
        """Whether the thread was started."""
        return self._thread.ident is not None

    def start(self) -> None:
        """Ask the question, once. Does nothing after that, and after `stop`."""
        if not self.is_started and not self._is_stopped.is_set():
            self._thread.start()

    def stop(self) -> None:
        """Stop the reply. Returns at once; the thread cancels it on the Space, and exits."""
        self._is_stopped.set()
        if (connection := self._connection) is not None:
            connection.abort()
        self.updates.put(End())  # wakes whoever waits; a thread that connects notices later

    def _run(self) -> None:
        with ExitStack() as cleanup:
            try:
                self._ask_with_retries(cleanup)
                end = End()
            except Exception as error:
                end = End(error)
            # Closing what was opened comes after this, as it may take a while. Whoever stops the
            # reply from now on does not abort that.
            self._connection = None
            self.updates.put(end)

    def _ask_with_retries(self, cleanup: ExitStack) -> None:
        import tenacity

        backoff = tenacity.wait_exponential(
            MIN_RETRY_PAUSE, max=MAX_RETRY_PAUSE
        ) + tenacity.wait_random(0, MIN_RETRY_PAUSE)

        def wait(attempt: tenacity.RetryCallState) -> float:
            # A longer one would count as a Space that hangs.
            return _error_of(attempt).retry_after or min(backoff(attempt), self._timeout / 2)

        def report(attempt: tenacity.RetryCallState) -> None:
            if not self._has_begun:
                cleanup.close()
            seconds = attempt.next_action.sleep if attempt.next_action else None
            reason = str(_error_of(attempt))
            self.updates.put(StreamStatus("retrying", eta=seconds, log=reason))

        tenacity.Retrying(
            retry=tenacity.retry_if_exception(self._is_worth_retrying),
            stop=lambda attempt: attempt.attempt_number > self._max_retries,
            wait=wait,
            before_sleep=report,
            sleep=tenacity.sleep_using_event(self._is_stopped),
            reraise=True,
        )(self._ask, cleanup)

    def _is_worth_retrying(self, error: BaseException) -> bool:
        return (
            isinstance(error, QwenGradioError)
            and error.transient
            # Meanwhile there are no updates, so the wait must end before the Space counts as hung.
            and (error.retry_after or 0) <= min(MAX_RETRY_WAIT, self._timeout / 2)
            and self._is_unanswered()
        )

    def _is_unanswered(self) -> bool:
        """Whether the question can be asked again: after a fragment, the text would come twice."""
        return not (self.text or self.reasoning or self._is_stopped.is_set())

    @property
    def _has_begun(self) -> bool:
        """Whether the Space has run a step, which asking anew would run twice."""
        return self._client is not None and self._client.has_begun

    def _ask(self, cleanup: ExitStack) -> None:
        if self._has_begun and self._client is not None:
            self._client.run()
            return
        # gradio_client and httpx are imported here: off the event loop, and only to ask.
        from ._gradio.connection import Connection
        from ._gradio.space import space_at
        from ._waking import Waking

        self._connection = connection = Connection(self.access, self._timeout)
        cleanup.callback(connection.close)
        if self._is_stopped.is_set():
            connection.abort()
        space = space_at(self.access)
        is_known = space.known is not None
        waking = Waking(space, connection, self._timeout, self.updates.put, self._is_stopped)
        description = waking.describe()
        try:
            self._ask_as(description, cleanup)
        except QwenGradioError as error:
            # It may have changed since it was read, or be asleep.
            may_differ = is_known or getattr(error, "is_placeholder", False)
            if not may_differ or error.transient or self._has_begun or not self._is_unanswered():
                raise
            try:
                fresh = waking.describe(description)
                is_same = fresh.is_asked_like(description, self._prompt.api_name)
            except SpaceInterfaceError:
                raise  # it offers no chat any more
            except QwenGradioError as unread:
                if isinstance(unread, SpaceUnavailableError) and unread.stage in STAGES:
                    raise
                raise error from error.__cause__
            if is_same and not isinstance(error, AuthenticationError) and waking.stage is None:
                raise
            self._ask_as(fresh, cleanup)

    def _ask_as(self, description: Description, cleanup: ExitStack) -> None:
        from ._gradio.reply import ReplyClient

        assert self._connection is not None  # opened before the Space was described
        self._client = client = ReplyClient(
            description,
            self._connection,
            generate_session_hash(),
            self._prompt,
            self.updates.put,
        )
        cleanup.callback(client.close)
        client.run()


def _error_of(attempt: Any) -> QwenGradioError:
    error = attempt.outcome.exception()
    assert isinstance(error, QwenGradioError)  # no other is retried
    return error
