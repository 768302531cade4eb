"""The plan for asking a Space: which functions to call, and with which values.

Nothing here does I/O.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from .._files.attachments import Attachment
from .._messages import Prompt
from ..errors import SpaceInterfaceError
from .app import plain
from .attaching import fill_in, place_files, takes_list
from .bounds import Bounds
from .fragments import Habits
from .history import FORMS, Form
from .outputs import Reply, Source
from .session import Values

Use: TypeAlias = Literal["query", "chat", "history", "system", "value", "upload", "earlier step"]


@dataclass(frozen=True)
class Step:
    """A call of one of the Space's functions.

    :ivar fn_index: the number of the function.
    :ivar name: its `api_name`, or its number if it has none.
    :ivar inputs: the ids of the components that it takes, in the order of `/config`.
    :ivar writes: the positions and components of outputs that a later step takes.
    :ivar reply: the position of the reply in its outputs, if it writes the reply.
    :ivar is_load: whether the page runs it when it opens, and ignores its failure.
    :ivar prop_inputs: the positions of inputs that are sent with all properties.
    :ivar is_for_turns: whether it only sends earlier turns; skipped if there are none.
    :ivar uploader: the component whose files it only hands to the Space, one call for each value.
    :ivar nth: which of these values it takes.
    """

    fn_index: int
    name: str
    inputs: tuple[int, ...]
    writes: tuple[tuple[int, int], ...]
    reply: int | None = None
    is_load: bool = False
    prop_inputs: tuple[int, ...] = ()
    is_for_turns: bool = False
    uploader: int | None = None
    nth: int = 0


@dataclass(frozen=True)
class ComponentValue:
    """A component that a step takes, and its value when the page opens.

    :ivar use: the source of its value: the query, all turns, earlier turns, the system prompt, its
        own value, files to upload (one value for each call), or an earlier step. In the last case,
        it is not an input of the Space.
    :ivar names: its labels and its names in `/info`.
    :ivar props: its properties in `/config`.
    """

    id: int
    kind: str
    use: Use
    names: tuple[str, ...]
    value: Any = field(default=None, compare=False)
    bounds: Bounds = field(default=Bounds(), compare=False)
    props: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def is_called(self, name: str) -> bool:
        """Whether `name` matches one of its names.

        `max_tokens` matches "Max new tokens", and `top_p` matches "Top-p (nucleus sampling)".
        """
        short = (re.sub(r"\([^()]*\)", "", own).strip() or own for own in self.names)
        return plain(name) in map(plain, (*self.names, *short))

    @property
    def fields(self) -> list[str]:
        """The keys of the value, if this is a form."""
        return list(self.value) if self.use == "value" and isinstance(self.value, dict) else []

    def field_called(self, name: str) -> str | None:
        """Return the key of the form's field that matches `name`."""
        return next((key for key in self.fields if plain(name) == plain(key)), None)

    @property
    def name(self) -> str:
        return self.names[0] if self.names else f"component {self.id}"


@dataclass(frozen=True)
class Plan:
    """The steps that the page of a Space runs when a user sends a message.

    :ivar space: the Space, for errors.
    :ivar steps: the calls on load that the chain needs, then the chain.
    :ivar held: the components that steps take, and the one that shows the reply.
    :ivar reply: the component that shows the reply.
    :ivar form: the form in which the Space takes earlier turns.
    :ivar reasoning_tags: pairs of tags that enclose reasoning in the reply's text.
    :ivar others: the names and tabs of other endpoints that may be a chat.
    :ivar notes: remarks for the user.
    :ivar draws: whether these steps only draw the page, so that its chat is planned afterwards.
    :ivar keeps_turns: whether the Space keeps the conversation of a session.
    :ivar gradio: the major version of its Gradio.
    :ivar max_file_bytes: the maximum size of a file; None sets no limit.
    """

    space: str
    steps: tuple[Step, ...]
    held: tuple[ComponentValue, ...]
    reply: int
    source: Source
    form: Form
    reasoning_tags: tuple[tuple[str, str], ...]
    others: Mapping[str, str] = field(compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)
    draws: bool = False
    keeps_turns: bool = False
    gradio: int = 0
    max_file_bytes: int | None = None

    @property
    def inputs(self) -> list[ComponentValue]:
        """The components whose values a user enters, in the order in which steps read them."""
        return [held for held in self.held if held.use != "earlier step"]

    def unused(self, names: Iterable[str]) -> list[str]:
        """Return the names that match no input and no field of a form."""
        return [
            name
            for name in names
            if not any(i.is_called(name) or i.field_called(name) for i in self.inputs)
        ]

    def values(self, prompt: Prompt, habits: Habits | None = None) -> Values:
        """Return the components' values once a user has entered the prompt.

        Options are clamped to the bounds of their component.

        :param habits: what earlier replies from this app have shown.
        :raises SpaceInterfaceError: if no step takes one of `prompt.inputs`, or its component does
            not accept the value, or if the Space does not take the files.
        """
        if unknown := self.unused(prompt.inputs):
            names = [i.names[0] for i in self.inputs if i.names]
            fields = [key for i in self.inputs for key in i.fields]
            raise SpaceInterfaceError(
                f"{self.space} has no input {unknown[0]!r}; it has {', '.join(names + fields)}"
            )
        thinks = prompt.options.get("enable_thinking") is not False
        if prompt.no_think and not thinks and self.unused(["enable_thinking"]):
            prompt = prompt.without_thinking()
        uses = {held.use for held in self.inputs}
        query, turns = prompt.query_and_history(history="history" in uses, system="system" in uses)
        given: dict[int, Any] = {}
        for held in self.inputs:
            if held.use == "query":
                given[held.id] = (
                    {"text": query, "files": []} if "multimodal" in held.kind else query
                )
            elif held.use == "chat":
                given[held.id] = FORMS[self.form](prompt.all_turns(system="system" in uses))
            elif held.use == "history" and turns:
                given[held.id] = [*held.value, *FORMS[self._form_for(held, habits)](turns)]
            elif held.use == "system":
                # The page's own system prompt takes precedence over the provider's default.
                default = held.value or prompt.default_system or held.value
                given[held.id] = default if prompt.system is None else prompt.system
        notes: list[str] = []
        for is_option, named in ((True, prompt.options), (False, prompt.inputs)):
            for name, value in named.items():
                called = [held for held in self.inputs if held.is_called(name)]
                for held in called:
                    given[held.id] = accepted = self._accept(held, name, value, is_option)
                    if is_option and accepted != value:
                        notes.append(f"{name}={value!r} was changed to {accepted!r}")
                for held in () if called else self.inputs:
                    if key := held.field_called(name):
                        form = given.get(held.id)
                        filled_in = form if isinstance(form, dict) else held.value
                        given[held.id] = {**filled_in, key: value}
        files = place_files(prompt.files, self.inputs, self.space, self.max_file_bytes)
        values = {held.id: held.value for held in self.held} | given
        props = {held.id: held.props for held in self.held}
        entered = frozenset({*given, *files})
        return Values(values, entered, props, notes, has_turns=bool(turns), files=files)

    def attach(
        self,
        values: Values,
        prompt: Prompt,
        habits: Habits,
        upload: Callable[[Attachment], dict[str, Any]],
    ) -> None:
        """Upload files, and put them into the components and the earlier turns.

        :param upload: uploads one file, and returns its value for a component.
        """
        for held in self.inputs:
            if held.use == "history" and values.has_turns and prompt.earlier_files:
                turns = [
                    (role, upload(said) if isinstance(said, Attachment) else said)
                    for role, said in prompt.history_with_files()
                ]
                values.held[held.id] = [*held.value, *FORMS[self._form_for(held, habits)](turns)]
            if files := values.files.get(held.id):
                uploaded = [upload(file) for file in files]
                is_for_all = held.use != "upload" or takes_list(held)
                each = [
                    fill_in(held, values.held[held.id], files, self.gradio)
                    for files in ([uploaded] if is_for_all else [[file] for file in uploaded])
                ]
                values.held[held.id] = each if held.use == "upload" else each[0]

    def _form_for(self, held: ComponentValue, habits: Habits | None) -> Form:
        """Return the form in which the app writes turns, if known; else `form`."""
        contents = [
            item.get("content")
            for item in held.value
            if isinstance(item, dict) and item.get("role") == "assistant"
        ]
        writes_text = habits is not None and habits.answers_in_parts is False
        if contents:
            writes_text = isinstance(contents[-1], str)
        return "messages" if self.form == "segments" and writes_text else self.form

    def _accept(self, held: ComponentValue, name: str, value: Any, is_option: bool) -> Any:
        try:
            return held.bounds.clamp(value) if is_option else held.bounds.check(value)
        except ValueError as accepted:
            raise SpaceInterfaceError(
                f"{self.space} does not accept {value!r:.100} as {name}: it takes {accepted}"
            ) from None

    def new_reply(self, values: Values, prompt: Prompt, habits: Habits, root: str = "") -> Reply:
        """Return an empty reply, to be fed with the reply's output of each step.

        :param root: the URL under which the Space serves its files.
        """
        return Reply(
            values.held.get(self.reply),
            self.reasoning_tags,
            thought_tags=prompt.reasoning_tags,
            habits=habits,
            source=self.source,
            root=root,
        )
