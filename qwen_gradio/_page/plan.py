"""What a Space is asked, step by step, and what each of its components holds meanwhile.

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
    """A function of the Space, and where what it takes and returns belongs.

    :ivar fn_index: the function's number, by which it is called.
    :ivar name: its `api_name`, or its number where that cannot be used.
    :ivar inputs: the components it takes, by id, in the order of `/config`.
    :ivar writes: its outputs that a later step needs: their positions and their components.
    :ivar reply: the position of the reply in its outputs, if it writes the reply.
    :ivar is_load: whether the page runs it when it opens; there its failure goes unnoticed.
    :ivar prop_inputs: the positions of the inputs that it takes with all properties.
    :ivar is_for_turns: whether it only hands earlier turns to the Space: left out where there are
        none.
    :ivar uploader: the component whose files it takes over before the question, if it does only
        that: called once for each value of it.
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
    """A component that a step takes, and what it holds when the page opens.

    :ivar use: what it is given: the query, all turns, earlier turns, the system prompt, its own
        value, files before the question (a list of values, each for one call), or what an earlier
        step writes, in which case it is no input of the Space.
    :ivar names: what authors and `/info` call it.
    :ivar bounds: the values that it accepts.
    :ivar props: its properties, as `/config` has them.
    """

    id: int
    kind: str
    use: Use
    names: tuple[str, ...]
    value: Any = field(default=None, compare=False)
    bounds: Bounds = field(default=Bounds(), compare=False)
    props: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def is_called(self, name: str) -> bool:
        """Whether a caller may mean this one by `name`.

        `max_tokens` is also "Max new tokens", and `top_p` is also "Top-p (nucleus sampling)".
        """
        short = (re.sub(r"\([^()]*\)", "", own).strip() or own for own in self.names)
        return plain(name) in map(plain, (*self.names, *short))

    @property
    def fields(self) -> list[str]:
        """The keys of the value, if this is a form."""
        return list(self.value) if self.use == "value" and isinstance(self.value, dict) else []

    def field_called(self, name: str) -> str | None:
        """The field of this form that a caller may mean by `name`."""
        return next((key for key in self.fields if plain(name) == plain(key)), None)

    @property
    def name(self) -> str:
        return self.names[0] if self.names else f"component {self.id}"


@dataclass(frozen=True)
class Plan:
    """The steps that the page of a Space runs when a user sends a message.

    :ivar space: the Space, for errors.
    :ivar steps: the functions needed of those that the page runs when it opens, then the chain.
    :ivar held: the components that steps take, and the chatbot that holds the reply.
    :ivar reply: the component that holds the reply.
    :ivar source: what kind of output that is.
    :ivar form: the form in which the chatbot takes earlier turns.
    :ivar reasoning_tags: pairs of tags that enclose reasoning in the reply's text.
    :ivar others: the other endpoints that may be a chat: their names, and the tabs they are in.
    :ivar notes: what a user should know of it.
    :ivar draws: whether these steps only draw the page, whose chat is known when they have run.
    :ivar keeps_turns: whether the Space keeps the conversation, for as long as a session lasts.
    :ivar gradio: the major version of its Gradio.
    :ivar max_file_bytes: the size of a file that it accepts; None sets no limit.
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
        """Those of the names that no input and no field of a form is called."""
        return [
            name
            for name in names
            if not any(i.is_called(name) or i.field_called(name) for i in self.inputs)
        ]

    def values(self, prompt: Prompt, habits: Habits | None = None) -> Values:
        """What the components hold once a user has entered the prompt.

        Options that a component does not accept become the nearest value that it does.

        :param habits: what earlier replies from this app have shown.
        :raises SpaceInterfaceError: if `prompt.inputs` has one that no step takes, or a value that
            its component does not accept, or if the Space does not take the files.
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
                # What the page shows is better for a Space than the provider's default.
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
        """Give the components their files, and the earlier turns theirs.

        :param upload: brings one to the Space, and returns the value that stands for it.
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
        """Return the form in which the app itself writes turns, if that is known."""
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
        """An empty reply, to be fed with that output of each step that has one.

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
