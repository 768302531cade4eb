"""Messages to a Space's inputs. Nothing here does I/O."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from ._files.attachments import FILE_PARTS, Attachment, from_part, require_count
from .errors import InvalidMessagesError

logger = logging.getLogger(__package__)

History: TypeAlias = Literal["flat", "native"]
Turn: TypeAlias = tuple[str, str]
"""A message that was checked: its role and its text."""
HistoryTurn: TypeAlias = tuple[str, str | dict[str, Any]]
"""A turn of a Space's own history: its role, and its text or a file as the Space has it."""

ROLES = {
    **{name: name for name in ("system", "user", "assistant")},
    "developer": "system",
    "human": "user",
    "ai": "assistant",
    "SystemMessageChunk": "system",
    "HumanMessageChunk": "user",
    "AIMessageChunk": "assistant",
}
"""OpenAI's names of roles and LangChain's, with the role that each stands for."""
TOOL_ROLES = ("tool", "function")
TOOL_FIELDS = ("tool_calls", "invalid_tool_calls", "function_call")
REASONING = re.compile("reasoning|thinking|thought")
"""Types of parts with a model's reasoning contain one of these: OpenAI's "reasoning", Anthropic's
"redacted_thinking", Bedrock's "reasoning_content"."""


@runtime_checkable
class MessageWithRole(Protocol):
    """A message object in OpenAI's format, such as a pydantic model or a dataclass."""

    @property
    def role(self) -> Any: ...
    @property
    def content(self) -> Any: ...


@runtime_checkable
class MessageWithType(Protocol):
    """A message object of LangChain's."""

    @property
    def type(self) -> str: ...
    @property
    def content(self) -> Any: ...


Message: TypeAlias = Mapping[str, Any] | MessageWithRole | MessageWithType | tuple[str, Any]
"""A dict or an object with role and content, or a tuple of both."""
Messages: TypeAlias = Iterable[Message]
"""The chat so far."""


@dataclass(frozen=True)
class Prompt:
    """Messages that were checked, and how they are to be asked.

    :ivar turns: all but the system messages.
    :ivar system: the system messages, joined with newlines; None if nothing is in them.
    :ivar native: whether earlier turns should go in the Space's own history input.
    :ivar default_system: the system prompt where neither `system` nor the Space has one.
    :ivar inputs: what else the Space is to be given, by the name or label of the input.
    :ivar options: the same, for as far as the Space has such inputs.
    :ivar api_name: the endpoint to ask, by name or number, where several could be meant.
    :ivar reasoning_tags: pairs of tags that enclose reasoning, in addition to a page's own.
    :ivar files: what goes with the last user message.
    :ivar earlier_files: what went with earlier ones, by the number of the turn.
    :ivar no_think: what the model takes at the end of a message, in place of a missing input
        `enable_thinking`, for False.
    """

    turns: tuple[Turn, ...]
    system: str | None = None
    native: bool = False
    default_system: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    api_name: str | int | None = None
    reasoning_tags: tuple[tuple[str, str], ...] = ()
    files: tuple[Attachment, ...] = ()
    earlier_files: Mapping[int, Sequence[Attachment]] = field(default_factory=dict)
    no_think: str = ""

    def without_thinking(self) -> Prompt:
        """The prompt with `no_think` at the end of the last user's turn."""
        turns = list(self.turns)
        last = max(index for index, (role, _) in enumerate(turns) if role == "user")
        turns[last] = ("user", f"{turns[last][1]} {self.no_think}")
        return replace(self, turns=tuple(turns))

    def last_turn(self) -> Prompt:
        """The prompt without the earlier turns."""
        return replace(self, turns=self.turns[-1:], earlier_files={})

    def query_and_history(self, *, history: bool, system: bool) -> tuple[str, tuple[Turn, ...]]:
        """The query, and the turns before it, for a Space that has inputs for these or has not.

        What a Space has no input for becomes part of the query, so that nothing is lost.
        """
        said = (("system", self.system),) if self.system is not None and not system else ()
        if self.native and history:
            return flat(said + self.turns[-1:]), self.turns[:-1]
        return flat((*said, *self._turns_with_names())), ()

    def history_with_files(self) -> tuple[tuple[str, str | Attachment], ...]:
        """Return the turns before the question, each after its files, as a page shows them."""
        return tuple(
            said
            for number, (role, text) in enumerate(self.turns[:-1])
            for said in (
                *((role, file) for file in self.earlier_files.get(number, ())),
                *(((role, text),) if text or number not in self.earlier_files else ()),
            )
        )

    def all_turns(self, *, system: bool) -> tuple[Turn, ...]:
        """Return all turns, after the system prompt if the Space has no input for that."""
        said = (("system", self.system),) if self.system is not None and not system else ()
        return (*said, *self._turns_with_names())

    def _turns_with_names(self) -> list[Turn]:
        """Return the turns, earlier ones with the names of their files, which are not sent."""
        turns = list(self.turns)
        for number, files in self.earlier_files.items():
            names = ", ".join(file.name for file in files)
            logger.warning("Files of earlier turns are only named in the question: %s", names)
            role, text = turns[number]
            turns[number] = role, "\n".join(filter(None, [text, f"[attached: {names}]"]))
        return turns


def prompt_from(
    messages: Messages, history: History = "flat", files: Sequence[Attachment] = ()
) -> Prompt:
    """Check messages.

    :param messages: the chat so far, in OpenAI's format: `role` is one of `ROLES` and `content` a
        string or a list of text parts, which is sent verbatim; the user's may have files. Other
        fields, such as `name`, are not sent. Of the assistant's turns, reasoning is left out, and
        those without text as well.
    :param history: "flat" puts all turns into the query; "native" leaves the earlier turns to the
        Space's own history input.
    :param files: what goes with the last user message, in addition to its own.
    :raises InvalidMessagesError: naming the first message that cannot be sent, by its index among
        those that the caller gave.
    """
    if history not in ("flat", "native"):
        raise InvalidMessagesError(f'history must be "flat" or "native", not {history!r}')
    listed = _listed(messages)
    apart = ["system"] if isinstance(listed[0], _SystemPrompt) else []
    places = apart + [f"messages[{number}]" for number in range(len(listed) - len(apart))]
    checked = [_turn(place, message) for place, message in zip(places, listed, strict=True)]
    attached = _attached(places, listed, checked)
    last = max((n for n, (role, _) in enumerate(checked) if role == "user"), default=-1)
    files = (*files, *attached.pop(last, ()))
    require_count(len(files))
    numbers = [
        number
        for number, turn in enumerate(checked)
        if turn[0] != "system" and turn != ("assistant", "")
    ]
    turns = tuple(checked[number] for number in numbers)
    if not any(role == "user" for role, _ in turns):
        raise InvalidMessagesError("messages: there is no user message to answer")
    system = "\n".join(text for role, text in checked if role == "system") or None
    is_native = history == "native" and turns[-1][0] == "user"
    earlier = {numbers.index(number): listed for number, listed in attached.items()}
    return Prompt(turns, system, is_native, files=tuple(files), earlier_files=earlier)


class _SystemPrompt(dict[str, str]):
    """A system message that was given apart from the messages, and is none of them in errors."""


def to_messages(question: str | Messages, system: str | None = None) -> list[Mapping[str, Any]]:
    """Return a question, which may be its text alone, as messages, after a system prompt if any.

    :raises InvalidMessagesError: if it is neither text nor a list of messages.
    """
    before = [] if system is None else [_SystemPrompt(role="system", content=system)]
    if isinstance(question, str):
        return [*before, {"role": "user", "content": question}]
    return [*before, *_listed(question)]


def to_turn(message: Message) -> Turn:
    """Return the role and the text of a message that was checked, as they are sent."""
    return _turn("message", _as_mapping(message))


def flat(turns: Sequence[Turn]) -> str:
    """Turns as one text: a single one verbatim, several as lines with their roles."""
    if len(turns) == 1:
        return turns[0][1]
    lines = [f"{role.capitalize()}: {text}" for role, text in turns]
    return "\n".join([*lines, "Assistant:"])


def as_pairs(turns: Sequence[HistoryTurn]) -> list[list[Any]]:
    """Turns in Gradio's first form of history: `[user, assistant]`, None where one is missing."""
    pairs: list[list[Any]] = []
    for role, said in turns:
        content = said if isinstance(said, str) else {"file": said, "alt_text": None}
        if role == "assistant" and pairs and pairs[-1][1] is None:
            pairs[-1][1] = content
        else:
            pairs.append([content, None] if role == "user" else [None, content])
    return pairs


def as_messages(turns: Sequence[HistoryTurn]) -> list[dict[str, Any]]:
    """Turns in the form of history that came with Gradio 4.44: messages, in OpenAI's format."""
    return [
        {
            "role": role,
            "content": said if isinstance(said, str) else {"file": said, "alt_text": None},
        }
        for role, said in turns
    ]


def as_parts(turns: Sequence[HistoryTurn]) -> list[dict[str, Any]]:
    """Turns in the only form of history that Gradio 6 takes: messages, their text in parts."""
    return [
        {
            "role": role,
            "content": [
                {"type": "text", "text": said}
                if isinstance(said, str)
                else {"type": "file", "file": said, "alt_text": None}
            ],
        }
        for role, said in turns
    ]


def as_segments(turns: Sequence[HistoryTurn]) -> list[dict[str, Any]]:
    """Turns as modelscope_studio's `pro.Chatbot` has them: its assistant answers in parts."""

    def content(role: str, said: str | dict[str, Any]) -> Any:
        if isinstance(said, dict):
            return [{"type": "file", "content": [said]}]
        return [{"type": "text", "content": said}] if role == "assistant" else said

    return [{"role": role, "content": content(role, said)} for role, said in turns]


def _listed(messages: Any) -> list[Any]:
    """Return messages as a list, of dicts as far as they are messages at all."""
    is_one = isinstance(messages, (str, bytes, Mapping)) or hasattr(messages, "content")
    if is_one or not isinstance(messages, Iterable):
        raise InvalidMessagesError(
            f"messages must be a list of messages, not {type(messages).__name__}; "
            'one question is [{"role": "user", "content": "..."}]'
        )
    listed = [_as_mapping(message) for message in messages]
    if not listed:
        raise InvalidMessagesError("messages: the list is empty")
    return listed


def _as_mapping(message: Any) -> Any:
    """Return a message object, or a tuple of role and content, as a dict; all else as it is."""
    if isinstance(message, Mapping):
        return message
    if isinstance(message, tuple) and len(message) == 2:
        return {"role": message[0], "content": message[1]}
    role = getattr(message, "role", None) or getattr(message, "type", None)
    if role is None or not hasattr(message, "content"):
        return message
    extra = getattr(message, "additional_kwargs", None)  # where LangChain puts `function_call`
    fields = extra if isinstance(extra, Mapping) else {}
    tools = {name: getattr(message, name, None) or fields.get(name) for name in TOOL_FIELDS}
    content = message.content
    if isinstance(content, list):  # LangChain has text parts that are strings
        content = [{"type": "text", "text": p} if isinstance(p, str) else p for p in content]
    return {"role": role, "content": content, **{k: v for k, v in tools.items() if v}}


def _turn(where: str, message: Any) -> Turn:
    if not isinstance(message, Mapping):
        raise InvalidMessagesError(
            f"{where}: must be a dict with role and content, an object with these, or a tuple of "
            f"both, not {type(message).__name__}"
        )
    given = message.get("role")
    given = getattr(given, "value", given)  # a member of an enumeration does not hash like it
    if tools := [name for name in TOOL_FIELDS if message.get(name)]:
        raise InvalidMessagesError(f"{where}: only text can be sent, not {', '.join(tools)}")
    if given in TOOL_ROLES:
        raise InvalidMessagesError(
            f"{where}: only text can be sent, not what a tool returned (its role is {given!r})"
        )
    role = ROLES.get(given) if isinstance(given, str) else None
    if role is None:
        found = "has no role" if given is None else f"has the unknown role {given!r}"
        raise InvalidMessagesError(
            f"{where} {found}; roles are system (or developer), user and assistant"
        )
    content = message.get("content")
    if role == "user":
        content = _without_files(content)
    elif role == "assistant":
        content = _without_reasoning(content)
    text = _text(where, content)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        character = text[error.start]
        raise InvalidMessagesError(
            f"{where} has {character!r} at {error.start}, which is not Unicode: "
            "it was read as another encoding than it has"
        ) from None
    return role, text


def _attached(
    places: Sequence[str], messages: Sequence[Any], checked: Sequence[Turn]
) -> dict[int, list[Attachment]]:
    """Return the files in the user's messages, by the number of the message."""
    found: dict[int, list[Attachment]] = {}
    for number, (place, message, (role, _)) in enumerate(
        zip(places, messages, checked, strict=True)
    ):
        content = message.get("content")
        for position, part in enumerate(content if isinstance(content, (list, tuple)) else ()):
            if role == "user" and part.get("type") in FILE_PARTS:
                file = from_part(f"{place}, part {position}", part)
                found.setdefault(number, []).append(file)
    return found


def _without_reasoning(content: Any) -> Any:
    """Return the content of an assistant's turn, which another model may have written, as text."""
    if isinstance(content, (list, tuple)):
        return [_as_text_part(part) for part in content] or ""
    return "" if content is None else content


def _without_files(content: Any) -> Any:
    """Return the content of a user's message with empty texts in place of its files."""
    if not isinstance(content, (list, tuple)):
        return content
    return [
        {"type": "text", "text": ""}  # keeps the other parts' numbers, for errors
        if isinstance(part, Mapping) and part.get("type") in FILE_PARTS
        else part
        for part in content
    ]


def _as_text_part(part: Any) -> Any:
    match part:
        case {"type": "output_text"}:
            return {**part, "type": "text"}
        case {"type": str(kind)} if REASONING.search(kind):
            return {"type": "text", "text": ""}  # keeps the other parts' numbers, for errors
    return part


def _text(where: str, content: Any) -> str:
    if isinstance(content, str):
        return content
    if content is None:
        raise InvalidMessagesError(f"{where} has no content")
    if not isinstance(content, (list, tuple)):
        raise InvalidMessagesError(
            f"{where}: content must be text or a list of text parts, not {type(content).__name__}"
        )
    if not content:
        raise InvalidMessagesError(f"{where} has no content: its list of parts is empty")
    return "".join(_part(f"{where}, part {number}", part) for number, part in enumerate(content))


def _part(where: str, part: Any) -> str:
    kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
    if kind != "text":
        raise InvalidMessagesError(f"{where}: only text can be sent, not {kind!r}")
    if not isinstance(part.get("text"), str):
        raise InvalidMessagesError(f"{where}: a text part needs its text as a string")
    return str(part["text"])
