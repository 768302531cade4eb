"""The thread in which a question is asked. Nothing outside this file knows of threads."""

from __future__ import annotations

import logging
import secrets
from threading import Thread
from typing import TYPE_CHECKING

from .messages import Prompt
from .spaces import Access
from .updates import End, Updates

if TYPE_CHECKING:
    from .sessions import Session

logger = logging.getLogger(__package__)


def generate_session_hash() -> str:
    """12 hex digits that set one request apart from every other on the Space; new at each call."""
    return secrets.token_hex(6)


class Job:
    """A question, the thread that asks it, and the `updates` that come of it, of which `End` is the last.

    :param timeout: seconds that the Space may take to answer an HTTP request.
    """

    def __init__(self, prompt: Prompt, access: Access, timeout: float) -> None:
        self.updates = Updates()
        self.access = access
        self._prompt = prompt
        self._timeout = timeout
        self._session: Session | None = None
        self._stopped = False
        # A daemon, so that a Space which never answers does not keep the interpreter from exiting.
        self._thread = Thread(target=self._run, name="qwen_gradio", daemon=True)

    @property
    def text(self) -> str:
        """The reply, as far as it has arrived."""
        return self._session.reply.text if self._session else ""

    @property
    def started(self) -> bool:
        return self._thread.ident is not None

    def start(self) -> None:
        """Ask the question, once; a job that has started or was stopped is left as it is."""
        if not self.started and not self._stopped:
            self._thread.start()

    def stop(self) -> None:
        """Want no more of the reply. Never waits; the thread tells the Space, and ends."""
        self._stopped = True
        if self._session is not None:
            self._session.stop()

    def _run(self) -> None:
        error: Exception | None = None
        try:
            # gradio_client and httpx load here: off the event loop, and only when something is asked.
            from .sessions import connect

            session = connect(
                self.access, generate_session_hash(), self._timeout, self.updates.put
            )
        except Exception as connecting_failed:
            self.updates.put(End(connecting_failed))
            return
        self._session = session
        try:
            if not self._stopped:
                session.ask(self._prompt)
        except Exception as asking_failed:
            error = asking_failed
        self.updates.put(End(error))
        session.close()
