"""What components hold: what a user enters, then what steps write. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .._files.attachments import Attachment
from .._messages import Prompt
from ..errors import SpaceInterfaceError
from .app import Component
from .attaching import fill_in, place_files, takes_list
from .fragments import Habits
from .history import FORMS, HistoryTurn
from .outputs import Reply
from .plan import Plan, Step
from .session import Session
from .turns import UNCHANGED, written


class Values:
    """The components' values during one reply, once a user has entered the prompt.

    Options are clamped to the bounds of their component.

    :param habits: what earlier replies from this app have shown.
    :ivar held: the values by component id, without State, which the Space keeps by session hash.
    :ivar written: what steps have written, by component id.
    :ivar notes: which options were changed, so that the Space accepts them.
    :raises SpaceInterfaceError: if no step takes one of `prompt.inputs`, or its component does not
        accept the value, or if the Space does not take the files.
    """

    def __init__(self, plan: Plan, prompt: Prompt, habits: Habits | None = None) -> None:
        self.plan = plan
        self.held: dict[int, Any] = {held.id: held.value for held in plan.held}
        self.written: dict[int, Any] = {}
        self.notes: list[str] = []
        self._prompt = prompt
        self._habits = habits or Habits()
        self._entered: set[int] = set()
        if unknown := plan.unused(prompt.inputs):
            names = [i.names[0] for i in plan.inputs if i.names]
            fields = [key for i in plan.inputs for key in i.fields]
            raise SpaceInterfaceError(
                f"{plan.space} has no input {unknown[0]!r}; it has {', '.join(names + fields)}"
            )
        self._enter_question()
        for name, value in prompt.options.items():
            self._enter(name, value, is_option=True)
        for name, value in prompt.inputs.items():
            self._enter(name, value, is_option=False)
        self._files = place_files(prompt.files, plan.inputs, plan.space, plan.max_file_bytes)
        self._entered.update(self._files)

    def _enter_question(self) -> None:
        prompt = self._prompt
        thinks = prompt.options.get("enable_thinking") is not False
        if prompt.no_think and not thinks and self.plan.unused(["enable_thinking"]):
            prompt = prompt.without_thinking()
        uses = {held.use for held in self.plan.inputs}
        has_system = "system" in uses
        query, turns = prompt.query_and_history(history="history" in uses, system=has_system)
        self._has_turns = bool(turns)
        for held in self.plan.inputs:
            if held.use == "query":
                is_text = "multimodal" not in held.kind
                self._set(held, query if is_text else {"text": query, "files": []})
            elif held.use == "chat":
                self._set(held, FORMS[self.plan.form](prompt.all_turns(system=has_system)))
            elif held.use == "history" and turns:
                self._set(held, self._history_with(held, turns))
            elif held.use == "system":
                # The page's own system prompt takes precedence over the provider's default.
                default = held.value or prompt.default_system or held.value
                self._set(held, default if prompt.system is None else prompt.system)

    def _enter(self, name: str, value: Any, *, is_option: bool) -> None:
        called = [held for held in self.plan.inputs if held.is_called(name)]
        for held in called:
            try:
                accepted = held.bounds.clamp(value) if is_option else held.bounds.check(value)
            except ValueError as takes:
                raise SpaceInterfaceError(
                    f"{self.plan.space} does not accept {value!r:.100} as {name}: it takes {takes}"
                ) from None
            self._set(held, accepted)
            if is_option and accepted != value:
                self.notes.append(f"{name}={value!r} was changed to {accepted!r}")
        for held in () if called else self.plan.inputs:
            if key := held.field_called(name):
                form = self.held[held.id]
                self._set(held, {**(form if isinstance(form, dict) else held.value), key: value})

    def _set(self, held: Component, value: Any) -> None:
        self.held[held.id] = value
        self._entered.add(held.id)

    def _history_with(self, held: Component, turns: Sequence[HistoryTurn]) -> list[Any]:
        """Return a history and these turns, in the form in which the app writes them, if known."""
        before = held.value if isinstance(held.value, list) else []
        contents = [
            item.get("content")
            for item in before
            if isinstance(item, dict) and item.get("role") == "assistant"
        ]
        writes_text = self._habits.answers_in_parts is False
        if contents:
            writes_text = isinstance(contents[-1], str)
        form = self.plan.form
        form = "messages" if form == "segments" and writes_text else form
        return [*before, *FORMS[form](turns)]

    def attach(self, upload: Callable[[Attachment], dict[str, Any]]) -> None:
        """Upload files, and put them into the components and the earlier turns.

        :param upload: uploads one file, and returns its value for a component.
        """
        for held in self.plan.inputs:
            if held.use == "history" and self._has_turns and self._prompt.earlier_files:
                turns = [
                    (role, upload(said) if isinstance(said, Attachment) else said)
                    for role, said in self._prompt.history_with_files()
                ]
                self.held[held.id] = self._history_with(held, turns)
            if files := [upload(file) for file in self._files.get(held.id, ())]:
                is_one_call = held.use != "upload" or takes_list(held)
                calls = [files] if is_one_call else [[file] for file in files]
                before, gradio = self.held[held.id], self.plan.gradio
                filled_in = [fill_in(held, before, call, gradio) for call in calls]
                self.held[held.id] = filled_in if held.use == "upload" else filled_in[0]

    def steps(self, session: Session | None = None) -> list[Step]:
        """Return the steps to run. A session that goes on has loaded its page."""
        goes_on = session is not None and session.goes_on
        calls: dict[int | None, int] = {
            held.id: 1 if takes_list(held) else len(self._files[held.id])
            for held in self.plan.inputs
            if held.id in self._files
        }
        calls[None] = 1
        return [
            replace(step, nth=nth)
            for step in self.plan.steps
            if not (goes_on and step.is_load) and (self._has_turns or not step.is_for_turns)
            for nth in range(calls.get(step.uploader, 0))
        ]

    def restore(self, written: Mapping[int, Any]) -> None:
        """Restore what an earlier turn has written, except where a user enters something else."""
        self.held |= {i: value for i, value in written.items() if i not in self._entered}
        self.written |= written

    def arguments_for(self, step: Step) -> list[Any]:
        """Return the arguments of a step."""
        held = self.held
        taken = [held[i][step.nth] if i == step.uploader else held.get(i) for i in step.inputs]
        props = {held.id: held.props for held in self.plan.held}
        for position in step.prop_inputs:
            if position < len(taken) and (component := step.inputs[position]) in props:
                taken[position] = {**props[component], "value": taken[position]}
        return taken

    def update(self, step: Step, outputs: Any) -> None:
        """Store the outputs of a step that a later one reads."""
        for position, component in step.writes:
            # Loading ends before the user enters something, and must not overwrite it.
            if not (step.is_load and component in self._entered) and position < len(outputs):
                value = written(outputs[position])
                if value is not UNCHANGED:
                    self.held[component] = self.written[component] = value

    def new_reply(self, root: str = "") -> Reply:
        """Return an empty reply, to be fed with the reply's output of each step.

        :param root: the URL under which the Space serves its files.
        """
        return Reply(
            self.held.get(self.plan.reply),
            self.plan.reasoning_tags,
            thought_tags=self._prompt.reasoning_tags,
            habits=self._habits,
            source=self.plan.source,
            root=root,
        )
