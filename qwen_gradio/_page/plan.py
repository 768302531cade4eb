"""What a Space is asked, step by step, and what each of its components holds meanwhile.

Nothing here does I/O.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from .._files.attachments import Attachment
from .._messages import HistoryTurn, Prompt, as_messages, as_pairs, as_parts, as_segments
from ..errors import SpaceInterfaceError
from .app import plain
from .attaching import fill_in, place_files, takes_list
from .bounds import Bounds
from .fragments import Habits
from .outputs import UNCHANGED, Reply, Source, written

Form: TypeAlias = Literal["pairs", "messages", "parts", "segments"]
HISTORY: Mapping[Form, Callable[[Sequence[HistoryTurn]], list[Any]]] = {
    "pairs": as_pairs,
    "messages": as_messages,
    "parts": as_parts,
    "segments": as_segments,
}
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
                given[held.id] = HISTORY[self.form](prompt.all_turns(system="system" in uses))
            elif held.use == "history" and turns:
                given[held.id] = [*held.value, *HISTORY[self._form_for(held, habits)](turns)]
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
                values.held[held.id] = [*held.value, *HISTORY[self._form_for(held, habits)](turns)]
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


class Session:
    """A conversation on a Space that keeps it: the hash of its session, and what its page holds.

    It goes on only from one complete reply to the next. After a turn that failed or was closed
    early, nobody knows what the Space has kept: a new session begins, with all turns in the
    question.

    :param saved: what `save` returned after the last turn.
    :ivar hash: the session's hash; "" if there is none.
    :ivar goes_on: whether the turn that is being asked goes on with it.
    :ivar is_remembered: whether the caller has read the last turn to its end; to be set.
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
        """Go on with the session if its last turn is complete, and on the same app; else anew."""
        self.goes_on = self._is_complete and self.is_remembered and self._app == app
        self._is_complete = self.is_remembered = False
        if not self.goes_on:
            self.hash, self.written, self._app = new_hash, {}, app

    def complete_turn(self, hash_: str, written: dict[int, Any]) -> None:
        """Note that the reply is complete, and what the page holds now."""
        if hash_ == self.hash:  # else another turn was asked meanwhile
            self.written = written
            self._is_complete = True


class Values:
    """What a Space's components hold during one reply.

    :ivar held: by component id. State is not among it: the Space keeps that, by session hash.
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
        """Return the steps to run: a session that goes on has its page open, and its turns."""
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

    def take_over(self, written: Mapping[int, Any]) -> None:
        """Hold what an earlier turn has written, where a user enters nothing else."""
        self.held |= {i: value for i, value in written.items() if i not in self._given}
        self.written |= written

    def arguments_for(self, step: Step) -> list[Any]:
        """What a step is called with."""
        held = self.held
        taken = [held[i][step.nth] if i == step.uploader else held.get(i) for i in step.inputs]
        for position in step.prop_inputs:
            if position < len(taken) and (component := step.inputs[position]) in self._props:
                taken[position] = {**self._props[component], "value": taken[position]}
        return taken

    def write(self, step: Step, outputs: Any) -> None:
        """Take over what a step has written, at each of its outputs."""
        for position, component in step.writes:
            # A page has been open for a while when its user enters something.
            if not (step.is_load and component in self._given) and position < len(outputs):
                value = written(outputs[position])
                if value is not UNCHANGED:
                    self.held[component] = self.written[component] = value
