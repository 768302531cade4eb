"""What the components of a page hold: during one reply, and from turn to turn.

Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .._files.attachments import Attachment
from .attaching import takes_list
from .turns import UNCHANGED, written

if TYPE_CHECKING:
    from .plan import Plan, Step


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


class Values:
    """What a Space's components hold during one reply.

    :param given: the components that the user has filled in.
    :param props: the properties of the components.
    :ivar held: the values by component id, without State, which the Space keeps by session hash.
    :ivar written: what steps have written, by component id.
    :ivar notes: which options were changed, so that the Space accepts them.
    :ivar files: which components take which files.
    :ivar has_turns: whether earlier turns go into the Space's own history.
    """

    def __init__(
        self,
        held: dict[int, Any],
        given: frozenset[int],
        props: Mapping[int, Mapping[str, Any]],
        notes: Sequence[str],
        *,
        has_turns: bool,
        files: Mapping[int, Sequence[Attachment]],
    ) -> None:
        self.held = held
        self.files = files
        self.written: dict[int, Any] = {}
        self.has_turns = has_turns
        self.notes = notes
        self._given = given
        self._props = props

    def steps_of(self, plan: Plan, session: Session | None) -> list[Step]:
        """Return the steps to run. A session that goes on has loaded its page."""
        goes_on = session is not None and session.goes_on
        calls: dict[int | None, int] = {
            held.id: 1 if takes_list(held) else len(self.files[held.id])
            for held in plan.inputs
            if held.id in self.files
        }
        calls[None] = 1
        return [
            replace(step, nth=nth)
            for step in plan.steps
            if not (goes_on and step.is_load) and (self.has_turns or not step.is_for_turns)
            for nth in range(calls.get(step.uploader, 0))
        ]

    def restore(self, written: Mapping[int, Any]) -> None:
        """Restore what an earlier turn has written, except where a user enters something else."""
        self.held |= {i: value for i, value in written.items() if i not in self._given}
        self.written |= written

    def arguments_for(self, step: Step) -> list[Any]:
        """Return the arguments of a step."""
        held = self.held
        taken = [held[i][step.nth] if i == step.uploader else held.get(i) for i in step.inputs]
        for position in step.prop_inputs:
            if position < len(taken) and (component := step.inputs[position]) in self._props:
                taken[position] = {**self._props[component], "value": taken[position]}
        return taken

    def update(self, step: Step, outputs: Any) -> None:
        """Store the outputs of a step that a later one reads."""
        for position, component in step.writes:
            # Loading ends before the user enters something, and must not overwrite it.
            if not (step.is_load and component in self._given) and position < len(outputs):
                value = written(outputs[position])
                if value is not UNCHANGED:
                    self.held[component] = self.written[component] = value
