"""Convert messages of all kinds to a checked prompt. Nothing here does I/O."""

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
"""A checked message: its role and its text."""

ROLES = {
    **{name: name for name in ("system", "user", "assistant")},
    "developer": "system",
    "human": "user",
    "ai": "assistant",
    "SystemMessageChunk": "system",
    "HumanMessageChunk": "user",
    "AIMessageChunk": "assistant",
}
"""The roles in OpenAI's and LangChain's formats, and what each is called here."""
TOOL_ROLES = ("tool", "function")
TOOL_FIELDS = ("tool_calls", "invalid_tool_calls", "function_call")
REASONING = re.compile("reasoning|thinking|thought")
"""Matches the types of parts that hold reasoning: OpenAI's "reasoning", Anthropic's
"redacted_thinking", Bedrock's "reasoning_content"."""


@runtime_checkable
class MessageObject(Protocol):
    """A message object of OpenAI's, LangChain's or your own, with a `role` or a `type`."""

    @property
    def content(self) -> Any: ...


Message: TypeAlias = Mapping[str, Any] | MessageObject | tuple[str, Any]
"""A dict or an object with role and content, or a tuple of both."""
Messages: TypeAlias = Iterable[Message]
"""The chat so far."""


@dataclass(frozen=True)
class Prompt:
    """Checked messages, and how to ask them.

    :ivar turns: all messages but the system messages.
    :ivar system: the system messages, joined with newlines; None if they are empty.
    :ivar native: whether earlier turns should go in the Space's own history input.
    :ivar default_system: the system prompt if neither `system` nor the Space has one.
    :ivar inputs: values for other inputs of the Space, by name or label.
    :ivar options: the same, but ignored if the Space has no such input.
    :ivar api_name: the name or number of the endpoint to ask, if the Space has several.
    :ivar reasoning_tags: pairs of tags that enclose reasoning, in addition to a page's own.
    :ivar files: the files of the last user message.
    :ivar earlier_files: the files of earlier user messages, by index in `turns`.
    :ivar no_think: the suffix of a question that turns thinking off, if no input does.
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
        """Return the prompt with `no_think` at the end of the last user's turn."""
        turns = list(self.turns)
        last = max(index for index, (role, _) in enumerate(turns) if role == "user")
        turns[last] = ("user", f"{turns[last][1]} {self.no_think}")
        return replace(self, turns=tuple(turns))

    def last_turn(self) -> Prompt:
        """Return the prompt without the earlier turns."""
        return replace(self, turns=self.turns[-1:], earlier_files={})

    def query_and_history(self, *, history: bool, system: bool) -> tuple[str, tuple[Turn, ...]]:
        """Return the query, and the turns before it.

        :param history: whether the Space has an input for earlier turns; else the query has them.
        :param system: whether it has one for the system prompt; else the query begins with it.
        """
        if self.native and history:
            return to_flat_text(self._system_turn(system) + self.turns[-1:]), self.turns[:-1]
        return to_flat_text(self.all_turns(system=system)), ()

    def history_with_files(self) -> tuple[tuple[str, str | Attachment], ...]:
        """Return the turns before the question. As on a page, the files of a turn precede it."""
        said: list[tuple[str, str | Attachment]] = []
        for number, (role, text) in enumerate(self.turns[:-1]):
            files = self.earlier_files.get(number, ())
            said += [(role, file) for file in files]
            if text or not files:
                said.append((role, text))
        return tuple(said)

    def all_turns(self, *, system: bool) -> tuple[Turn, ...]:
        """Return all turns. Unless the Space has an input for it, the system prompt comes first."""
        return (*self._system_turn(system), *self._turns_with_names())

    def _system_turn(self, has_input: bool) -> tuple[Turn, ...]:
        return () if has_input or self.system is None else (("system", self.system),)

    def _turns_with_names(self) -> list[Turn]:
        """Return the turns. Files of earlier turns are not sent, only named in the text."""
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
    """Check messages, and return them as a prompt.

    Text is sent verbatim. Reasoning, assistant turns without text and fields such as `name` are
    not sent.

    :param files: additional files for the last user message.
    :raises InvalidMessagesError: with the index of the first message that cannot be sent.
    """
    if history not in ("flat", "native"):
        raise InvalidMessagesError(f'history must be "flat" or "native", not {history!r}')
    listed = _to_list(messages)
    first = -1 if isinstance(listed[0], _SystemPrompt) else 0
    turns: list[Turn] = []
    system: list[str] = []
    attached: dict[int, Sequence[Attachment]] = {}
    for number, message in enumerate(listed, first):
        where = "system" if number < 0 else f"messages[{number}]"
        role, text = _check_turn(where, message)
        if role == "system":
            system.append(text)
        elif role == "user" or text:
            if found := _attached_files(where, role, message["content"]):
                attached[len(turns)] = found
            turns.append((role, text))
    last = max((n for n, (role, _) in enumerate(turns) if role == "user"), default=None)
    if last is None:
        raise InvalidMessagesError("messages: there is no user message to answer")
    files = (*files, *attached.pop(last, ()))
    require_count(len(files))
    is_native = history == "native" and last == len(turns) - 1
    return Prompt(
        tuple(turns), "\n".join(system) or None, is_native, files=files, earlier_files=attached
    )


class _SystemPrompt(dict[str, str]):
    """A system prompt passed separately; errors do not count it as `messages[i]`."""


def to_messages(question: str | Messages, system: str | None = None) -> list[Mapping[str, Any]]:
    """Return a question as messages, with the system prompt, if any, as the first.

    :raises InvalidMessagesError: if the question is neither text nor a list of messages.
    """
    before = [] if system is None else [_SystemPrompt(role="system", content=system)]
    if isinstance(question, str):
        return [*before, {"role": "user", "content": question}]
    return [*before, *_to_list(question)]


def to_turn(message: Message) -> Turn:
    """Return the role and the text of a message, as sent to a Space."""
    return _check_turn("message", _as_mapping(message))


def to_flat_text(turns: Sequence[Turn]) -> str:
    """Join turns into one text: a single turn verbatim, several as lines that name the role."""
    if len(turns) == 1:
        return turns[0][1]
    lines = [f"{role.capitalize()}: {text}" for role, text in turns]
    return "\n".join([*lines, "Assistant:"])


def _to_list(messages: Any) -> list[Any]:
    """Return messages as a list. Those in a known form become dicts."""
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
    """Return a message object, or a tuple of role and content, as a dict; others unchanged."""
    if isinstance(message, Mapping):
        return message
    if isinstance(message, tuple) and len(message) == 2:
        return {"role": message[0], "content": message[1]}
    role = getattr(message, "role", None) or getattr(message, "type", None)
    if role is None or not hasattr(message, "content"):
        return message
    extra = getattr(message, "additional_kwargs", None)  # LangChain puts `function_call` there
    fields = extra if isinstance(extra, Mapping) else {}
    tools = {name: getattr(message, name, None) or fields.get(name) for name in TOOL_FIELDS}
    content = message.content
    if isinstance(content, list):  # in LangChain, text parts may be plain strings
        content = [{"type": "text", "text": p} if isinstance(p, str) else p for p in content]
    return {"role": role, "content": content, **{k: v for k, v in tools.items() if v}}


def _check_turn(where: str, message: Any) -> Turn:
    """Check one message; return its role, and its text without files and reasoning."""
    if not isinstance(message, Mapping):
        raise InvalidMessagesError(
            f"{where}: must be a dict with role and content, an object with these, or a tuple of "
            f"both, not {type(message).__name__}"
        )
    given = message.get("role")
    given = getattr(given, "value", given)  # an enum member
    if tools := [name for name in TOOL_FIELDS if message.get(name)]:
        raise InvalidMessagesError(f"{where}: only text can be sent, not {', '.join(tools)}")
    if given in TOOL_ROLES:
        raise InvalidMessagesError(
            f"{where}: only text can be sent, not the result of a tool (its role is {given!r})"
        )
    role = ROLES.get(given) if isinstance(given, str) else None
    if role is None:
        found = "no role" if given is None else f"the unknown role {given!r}"
        raise InvalidMessagesError(
            f"{where} has {found}; roles are system (or developer), user and assistant"
        )
    text = _read_text(where, role, message.get("content"))
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidMessagesError(
            f"{where} contains the invalid character {text[error.start]!r} at {error.start}: the "
            "text was probably decoded with the wrong encoding"
        ) from None
    return role, text


def _read_text(where: str, role: str, content: Any) -> str:
    if isinstance(content, str):
        return content
    is_list = isinstance(content, (list, tuple))
    if content is None or (is_list and not content):
        if role == "assistant":  # a turn that only calls tools, or only thinks
            return ""
        raise InvalidMessagesError(f"{where} has no content")
    if not is_list:
        raise InvalidMessagesError(
            f"{where}: content must be text or a list of text parts, not {type(content).__name__}"
        )
    parts = enumerate(content)
    return "".join(_read_part(f"{where}, part {number}", role, part) for number, part in parts)


def _read_part(where: str, role: str, part: Any) -> str:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if role == "user" and kind in FILE_PARTS:
        return ""
    if role == "assistant" and isinstance(kind, str):
        if REASONING.search(kind):  # another model may have written the turn
            return ""
        kind = "text" if kind == "output_text" else kind
    if kind != "text":
        found = kind if isinstance(part, Mapping) else type(part).__name__
        raise InvalidMessagesError(f"{where}: only text can be sent, not {found!r}")
    if not isinstance(part.get("text"), str):
        raise InvalidMessagesError(f"{where}: a text part needs its text as a string")
    return str(part["text"])


def _attached_files(where: str, role: str, content: Any) -> list[Attachment]:
    if role != "user" or not isinstance(content, (list, tuple)):
        return []
    return [
        from_part(f"{where}, part {number}", part)
        for number, part in enumerate(content)
        if part.get("type") in FILE_PARTS
    ]
