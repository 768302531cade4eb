"""The values of a page's components during a reply. Nothing here does I/O."""

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
from .turns import UNCHANGED, value_of


class Values:
    """The components' values during one reply: first as a user enters them, then as steps do.

    Options are clamped to the bounds of their component.

    :param habits: the habits learned from earlier replies of this app.
    :ivar values: the values by component id, without State, which the Space keeps by session hash.
    :ivar written: the values that steps have written, by component id.
    :ivar notes: the options that were clamped, for the log.
    :raises SpaceInterfaceError: if no step takes one of `prompt.inputs`, if its component does not
        accept the value, or if the Space does not take the files.
    """

    def __init__(self, plan: Plan, prompt: Prompt, habits: Habits | None = None) -> None:
        self.plan = plan
        self.values: dict[int, Any] = {each.id: each.value for each in plan.components}
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
        uses = {component.use for component in self.plan.inputs}
        has_system = "system" in uses
        query, turns = prompt.query_and_history(history="history" in uses, system=has_system)
        self._has_turns = bool(turns)
        for component in self.plan.inputs:
            if component.use == "query":
                is_text = "multimodal" not in component.kind
                self._set(component, query if is_text else {"text": query, "files": []})
            elif component.use == "chat":
                self._set(component, FORMS[self.plan.form](prompt.all_turns(system=has_system)))
            elif component.use == "history" and turns:
                self._set(component, self._history_with(component, turns))
            elif component.use == "system":
                # The page's own system prompt takes precedence over the provider's default.
                default = component.value or prompt.default_system or component.value
                self._set(component, default if prompt.system is None else prompt.system)

    def _enter(self, name: str, value: Any, *, is_option: bool) -> None:
        called = [component for component in self.plan.inputs if component.is_called(name)]
        for component in called:
            try:
                bounds = component.bounds
                accepted = bounds.clamp(value) if is_option else bounds.check(value)
            except ValueError as takes:
                raise SpaceInterfaceError(
                    f"{self.plan.space} does not accept {value!r:.100} as {name}: it takes {takes}"
                ) from None
            self._set(component, accepted)
            if is_option and accepted != value:
                self.notes.append(f"{name}={value!r} was changed to {accepted!r}")
        for component in () if called else self.plan.inputs:
            if key := component.field_called(name):
                form = self.values[component.id]
                form = form if isinstance(form, dict) else component.value
                self._set(component, {**form, key: value})

    def _set(self, component: Component, value: Any) -> None:
        self.values[component.id] = value
        self._entered.add(component.id)

    def _history_with(self, component: Component, turns: Sequence[HistoryTurn]) -> list[Any]:
        """Return a component's history followed by turns, in the app's own format if known."""
        before = component.value if isinstance(component.value, list) else []
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

        :param upload: uploads a file, and returns its value for a component.
        """
        for component in self.plan.inputs:
            if component.use == "history" and self._has_turns and self._prompt.earlier_files:
                turns = [
                    (role, upload(said) if isinstance(said, Attachment) else said)
                    for role, said in self._prompt.history_with_files()
                ]
                self.values[component.id] = self._history_with(component, turns)
            if files := [upload(file) for file in self._files.get(component.id, ())]:
                is_one_call = component.use != "upload" or takes_list(component)
                calls = [files] if is_one_call else [[file] for file in files]
                before, gradio = self.values[component.id], self.plan.gradio
                filled_in = [fill_in(component, before, call, gradio) for call in calls]
                self.values[component.id] = filled_in if component.use == "upload" else filled_in[0]

    def steps(self, session: Session | None = None) -> list[Step]:
        """Return the steps to run. A session that continues has already loaded its page."""
        goes_on = session is not None and session.goes_on
        calls: dict[int | None, int] = {
            component.id: 1 if takes_list(component) else len(self._files[component.id])
            for component in self.plan.inputs
            if component.id in self._files
        }
        calls[None] = 1
        return [
            replace(step, nth=nth)
            for step in self.plan.steps
            if not (goes_on and step.is_load) and (self._has_turns or not step.is_for_turns)
            for nth in range(calls.get(step.uploader, 0))
        ]

    def restore(self, written: Mapping[int, Any]) -> None:
        """Restore the values that earlier turns have written, except where a user enters others."""
        self.values |= {i: value for i, value in written.items() if i not in self._entered}
        self.written |= written

    def arguments_for(self, step: Step) -> list[Any]:
        """Return the arguments of a step."""
        values = self.values
        taken = [values[i][step.nth] if i == step.uploader else values.get(i) for i in step.inputs]
        props = {each.id: each.props for each in self.plan.components}
        for position in step.prop_inputs:
            if position < len(taken) and (component := step.inputs[position]) in props:
                taken[position] = {**props[component], "value": taken[position]}
        return taken

    def update(self, step: Step, outputs: Any) -> None:
        """Store the outputs of a step that later steps read."""
        for position, component in step.writes:
            # On a page, loading ends before the user enters values. It must not overwrite them.
            if not (step.is_load and component in self._entered) and position < len(outputs):
                value = value_of(outputs[position])
                if value is not UNCHANGED:
                    self.values[component] = self.written[component] = value

    def new_reply(self, root: str = "") -> Reply:
        """Return an empty reply. Feed it the reply's output of each step.

        :param root: the URL prefix of files on the Space.
        """
        return Reply(
            self.values.get(self.plan.reply),
            self.plan.reasoning_tags,
            thought_tags=self._prompt.reasoning_tags,
            habits=self._habits,
            source=self.plan.source,
            root=root,
        )
