"""A conversation that the Space keeps. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Session:
    """A conversation that the Space keeps: its session hash, and the values on its page.

    It continues only after a complete reply. After a turn that failed or was closed early, it is
    unknown what the Space has kept. So a new session begins, with all turns in the question.

    :param saved: the result of `save` after the last turn.
    :ivar hash: the session hash; "" if there is none.
    :ivar goes_on: whether the current turn continues the session.
    :ivar is_remembered: whether the caller has read the last turn to its end; set by the caller.
    :ivar written: the values that functions have written, by component id.
    """

    def __init__(self, saved: Mapping[str, Any] | None = None) -> None:
        saved = saved or {}
        self.hash: str = saved.get("hash", "")
        self.written: dict[int, Any] = {int(i): v for i, v in saved.get("written", {}).items()}
        self.goes_on = False
        self.is_remembered = self._is_complete = bool(saved)
        self._app: str = saved.get("app", "")

    def save(self) -> dict[str, Any]:
        """Return the session as a JSON object. Call it once the last turn is complete."""
        return {"hash": self.hash, "app": self._app, "written": self.written}

    def start_turn(self, app: str, new_hash: str) -> None:
        """Continue the session if its last turn is complete and of this app; else begin anew."""
        self.goes_on = self._is_complete and self.is_remembered and self._app == app
        self._is_complete = self.is_remembered = False
        if not self.goes_on:
            self.hash, self.written, self._app = new_hash, {}, app

    def complete_turn(self, hash_: str, written: dict[int, Any]) -> None:
        """Record that the reply is complete, and the values that functions have written."""
        if hash_ == self.hash:  # a later turn may have begun a new session
            self.written = written
            self._is_complete = True
