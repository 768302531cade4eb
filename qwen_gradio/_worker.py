"""The thread in which a question is asked: again, if need be, until nobody wants the reply."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from ._access import Access
from ._messages import Prompt
from ._updates import End, StreamStatus, UpdateQueue
from .errors import AuthenticationError, QwenGradioError, SpaceInterfaceError

if TYPE_CHECKING:
    from ._gradio.connection import Connection
    from ._gradio.session import Session, Space

LONGEST_WAIT = 60.0
"""Seconds between two attempts at the most; a Space that asks for more is not asked again."""


def generate_session_hash() -> str:
    """12 hex digits that set one request apart from every other on the Space; new at each call."""
    return secrets.token_hex(6)


class Worker:
    """A question, the thread that asks it, and the `updates` that come of it: `End` is the last.

    :param timeout: seconds that the Space may take to answer an HTTP request.
    :param max_retries: how often the question is asked again, if the Space did not take it.
    """

    def __init__(self, prompt: Prompt, access: Access, timeout: float, max_retries: int) -> None:
        self.updates = UpdateQueue()
        self.access = access
        self._prompt = prompt
        self._timeout = timeout
        self._max_retries = max_retries
        self._connection: Connection | None = None
        self._session: Session | None = None
        self._stopped = Event()
        # A daemon, so that a Space which never answers does not keep the interpreter from exiting.
        self._thread = Thread(target=self._run, name="qwen_gradio", daemon=True)

    @property
    def text(self) -> str:
        """The reply, as far as it has arrived."""
        return self._session.updates.reply.text if self._session else ""

    @property
    def started(self) -> bool:
        return self._thread.ident is not None

    def start(self) -> None:
        """Ask the question, once; a worker that has started or was stopped is left as it is."""
        if not self.started and not self._stopped.is_set():
            self._thread.start()

    def stop(self) -> None:
        """Want no more of the reply. Never waits; the thread tells the Space, and ends."""
        self._stopped.set()
        if self._connection is not None:
            self._connection.break_off()

    def _run(self) -> None:
        with ExitStack() as cleanup:
            try:
                self._ask_with_retries(cleanup)
                end = End()
            except Exception as error:
                end = End(error)
            self.updates.put(end)
            # Only now are the sessions closed, which may take a while: nobody needs to wait for it.

    def _ask_with_retries(self, cleanup: ExitStack) -> None:
        import tenacity

        backoff = tenacity.wait_exponential(0.5, max=8) + tenacity.wait_random(0, 0.5)

        def wait(attempt: tenacity.RetryCallState) -> float:
            return _error_of(attempt).retry_after or backoff(attempt)

        def tell(attempt: tenacity.RetryCallState) -> None:
            cleanup.close()
            seconds = attempt.next_action.sleep if attempt.next_action else None
            why = str(_error_of(attempt))
            self.updates.put(StreamStatus("retrying", eta=seconds, log=why))

        tenacity.Retrying(
            retry=tenacity.retry_if_exception(self._may_ask_again),
            stop=tenacity.stop_after_attempt(self._max_retries + 1),
            wait=wait,
            before_sleep=tell,
            sleep=tenacity.sleep_using_event(self._stopped),
            reraise=True,
        )(self._ask, cleanup)

    def _may_ask_again(self, error: BaseException) -> bool:
        # After a fragment, the text would come twice.
        return (
            isinstance(error, QwenGradioError)
            and error.transient
            and (error.retry_after or 0) <= LONGEST_WAIT
            and not self.text
            and not self._stopped.is_set()
        )

    def _ask(self, cleanup: ExitStack) -> None:
        # gradio_client and httpx load here: off the event loop, and only to ask something.
        from ._gradio.session import space_at

        space = space_at(self.access)
        session = self._open(space, cleanup)
        try:
            session.ask(self._prompt)
        except QwenGradioError as error:
            if session.has_read or error.transient or self.text or self._stopped.is_set():
                raise
            # The Space may not be what it was when it was read.
            space.description = None
            try:
                fresh = self._open(space, cleanup)
            except SpaceInterfaceError:
                raise  # it is no chat any more
            except QwenGradioError:
                raise error from error.__cause__
            if fresh.asks_like(session) and not isinstance(error, AuthenticationError):
                raise
            fresh.ask(self._prompt)

    def _open(self, space: Space, cleanup: ExitStack) -> Session:
        from ._gradio.connection import Connection
        from ._gradio.session import Session

        self._connection = connection = Connection(self.access, self._timeout)
        cleanup.callback(connection.close)
        if self._stopped.is_set():
            connection.break_off()
        self._session = session = Session(
            space, connection, generate_session_hash(), self.updates.put
        )
        cleanup.callback(session.close)
        return session


def _error_of(attempt: Any) -> QwenGradioError:
    error = attempt.outcome.exception()
    assert isinstance(error, QwenGradioError)  # no other is tried again
    return error
