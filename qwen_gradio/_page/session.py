"""A conversation that the Space keeps. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Session:
    """A conversation on a Space that keeps it: the hash of its session, and what its page holds.

    It goes on only from one complete reply to the next. It is unknown what the Space has kept of a
    turn that failed or was closed early, so a new session begins, with all turns in the question.

    :param saved: what `save` returned after the last turn.
    :ivar hash: the session's hash; "" if there is none.
    :ivar goes_on: whether the turn that is being asked goes on with it.
    :ivar is_remembered: whether the caller has read the last turn to its end; set by the caller.
    :ivar written: what the functions of the page have written, by component id.
    """

    def __init__(self, saved: Mapping[str, Any] | None = None) -> None:
        saved = saved or {}
        self.hash: str = saved.get("hash", "")
        self.written: dict[int, Any] = {int(i): v for i, v in saved.get("written", {}).items()}
        self.goes_on = False
        self.is_remembered = self._is_complete = bool(saved)
        self._app: str = saved.get("app", "")

    def save(self) -> dict[str, Any]:
        """Return the session as JSON, once the last turn is complete."""
        return {"hash": self.hash, "app": self._app, "written": self.written}

    def start_turn(self, app: str, new_hash: str) -> None:
        """Go on if the last turn is complete, and of the same app; else begin a new session."""
        self.goes_on = self._is_complete and self.is_remembered and self._app == app
        self._is_complete = self.is_remembered = False
        if not self.goes_on:
            self.hash, self.written, self._app = new_hash, {}, app

    def complete_turn(self, hash_: str, written: dict[int, Any]) -> None:
        """Record that the reply is complete, and what the page holds now."""
        if hash_ == self.hash:  # else another turn was asked meanwhile
            self.written = written
            self._is_complete = True
