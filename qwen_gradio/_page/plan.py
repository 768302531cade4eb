"""What a Space is asked, step by step, and what each of its components holds meanwhile.

Nothing here does I/O.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from .._messages import Prompt, Turn, as_messages, as_pairs, as_parts
from ..errors import SpaceInterfaceError
from .fragments import Habits
from .reply import UNCHANGED, Reply, Source, written

Form: TypeAlias = Literal["pairs", "messages", "parts"]
HISTORY: Mapping[Form, Callable[[Sequence[Turn]], list[Any]]] = {
    "pairs": as_pairs,
    "messages": as_messages,
    "parts": as_parts,
}
Use: TypeAlias = Literal["query", "history", "system", "value", "earlier step"]


@dataclass(frozen=True)
class Step:
    """A function of the Space, and where what it takes and returns belongs.

    :ivar fn_index: the function's number, by which it is called.
    :ivar name: its `api_name`, or its number where that cannot be used.
    :ivar inputs: the components it takes, by id, in the order of `/config`.
    :ivar carried: its outputs that a later step needs: their positions and their components.
    :ivar reply: the position of the reply in its outputs, if it writes the reply.
    :ivar is_load: whether the page runs it when it opens; there its failure goes unnoticed.
    """

    fn_index: int
    name: str
    inputs: tuple[int, ...]
    carried: tuple[tuple[int, int], ...]
    reply: int | None = None
    is_load: bool = False


@dataclass(frozen=True)
class Held:
    """A component that a step takes, and what it holds when the page opens.

    :ivar use: what it is given: the query, earlier turns, the system prompt, its own value, or what
        an earlier step writes, in which case it is no input of the Space.
    :ivar names: what authors and `/info` call it.
    """

    id: int
    kind: str
    use: Use
    names: tuple[str, ...]
    value: Any = field(default=None, compare=False)

    def is_called(self, name: str) -> bool:
        """Whether a caller may mean this one by `name`: `max_tokens` is also "Max new tokens"."""
        return plain(name) in map(plain, self.names)

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

    @property
    def given(self) -> str:
        """What it is given, for people."""
        return reprlib.repr(self.value) if self.use == "value" else f"<{self.use}>"


@dataclass(frozen=True)
class Plan:
    """The steps that the page of a Space runs when a user sends a message.

    :ivar space: the Space, for errors.
    :ivar steps: the functions that the page runs when it opens, as far as needed, then the chain.
    :ivar held: the components that steps take, and the chatbot that holds the reply.
    :ivar reply: the component that holds the reply.
    :ivar source: what kind of output that is.
    :ivar form: the form in which the chatbot takes earlier turns.
    :ivar reasoning_tags: pairs of tags that enclose reasoning in the reply's text.
    :ivar others: the names of the other endpoints that may be a chat.
    """

    space: str
    steps: tuple[Step, ...]
    held: tuple[Held, ...]
    reply: int
    source: Source
    form: Form
    reasoning_tags: tuple[tuple[str, str], ...]
    others: tuple[str, ...] = field(compare=False)

    @property
    def inputs(self) -> list[Held]:
        """The components whose values a user enters, in the order in which steps read them."""
        return [held for held in self.held if held.use != "earlier step"]

    def unused(self, names: Iterable[str]) -> list[str]:
        """Those of the names that no input and no field of a form is called."""
        return [
            name
            for name in names
            if not any(i.is_called(name) or i.field_called(name) for i in self.inputs)
        ]

    def values(self, prompt: Prompt) -> Values:
        """What the components hold once a user has entered the prompt.

        :raises SpaceInterfaceError: if `prompt.inputs` has one that no step takes.
        """
        if unknown := self.unused(prompt.inputs):
            names = [i.names[0] for i in self.inputs if i.names]
            fields = [key for i in self.inputs for key in i.fields]
            raise SpaceInterfaceError(
                f"{self.space} has no input {unknown[0]!r}; it has {', '.join(names + fields)}"
            )
        uses = {held.use for held in self.inputs}
        query, turns = prompt.query_and_history(history="history" in uses, system="system" in uses)
        given: dict[int, Any] = {}
        for held in self.inputs:
            if held.use == "query":
                given[held.id] = (
                    {"text": query, "files": []} if "multimodal" in held.kind else query
                )
            elif held.use == "history" and turns:
                given[held.id] = [*held.value, *HISTORY[self.form](turns)]
            elif held.use == "system":
                # What the page shows is better for a Space than the provider's default.
                default = held.value or prompt.default_system
                given[held.id] = default if prompt.system is None else prompt.system
        for name, value in (*prompt.options.items(), *prompt.inputs.items()):
            called = [held for held in self.inputs if held.is_called(name)]
            given.update((held.id, value) for held in called)
            for held in () if called else self.inputs:
                if key := held.field_called(name):
                    form = given.get(held.id)
                    filled_in = form if isinstance(form, dict) else held.value
                    given[held.id] = {**filled_in, key: value}
        return Values({held.id: held.value for held in self.held} | given, frozenset(given))

    def new_reply(self, values: Values, prompt: Prompt, habits: Habits) -> Reply:
        """An empty reply, to be fed with that output of each step that has one."""
        return Reply(
            values.held.get(self.reply),
            self.reasoning_tags,
            thought_tags=prompt.reasoning_tags,
            habits=habits,
            source=self.source,
        )

    def __str__(self) -> str:
        """How the Space is asked, for people."""
        held = {held.id: held for held in self.held}
        given = {held.id: held.given for held in self.held}
        count = f"{len(self.steps)} steps" if len(self.steps) > 1 else "1 step"
        lines = [f"{self.space} is asked in {count}:"]
        for number, step in enumerate(self.steps, 1):
            taken = ", ".join(f"{held[i].name}={given[i]}" for i in step.inputs if i in held)
            lines.append(f"  {number}. {step.name}({taken})")
            if step.is_load:
                lines[-1] += ", as when its page opens"
            if step.reply is not None:
                lines[-1] += f", whose output {step.reply + 1} is the reply"
            for _, component in step.carried:
                if given.get(component) != "<query>":  # most often, that is only disabled meanwhile
                    given[component] = f"<step {number}>"
        lines.append("with inputs=... for any of:")
        for user_input in self.inputs:
            if user_input.names:
                lines.append(f"  {' or '.join(map(repr, user_input.names))}: {user_input.kind}")
            lines += [
                f"    {key!r}: {reprlib.repr(user_input.value[key])}" for key in user_input.fields
            ]
        if self.others:
            lines.append(f"Other endpoints that may be a chat: {', '.join(self.others)}")
        return "\n".join(lines)


class Values:
    """What a Space's components hold during one reply.

    :ivar held: by component id. State is not among it: the Space keeps that, by session hash.
    """

    def __init__(self, held: dict[int, Any], given: frozenset[int]) -> None:
        self.held = held
        self._given = given

    def taken_by(self, step: Step) -> list[Any]:
        """What a step is called with."""
        return [self.held.get(component) for component in step.inputs]

    def write(self, step: Step, outputs: Any) -> None:
        """Take over what a step has written, at each of its outputs."""
        for position, component in step.carried:
            # A page has been open for a while when its user enters something.
            if not (step.is_load and component in self._given) and position < len(outputs):
                value = written(outputs[position])
                if value is not UNCHANGED:
                    self.held[component] = value


def plain(name: str) -> str:
    """A name without what authors write differently: Max new tokens, max_new_tokens, max_tokens."""
    return re.sub(r"[\W_]|new", "", name.lower()) or name
