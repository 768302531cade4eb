"""A Space's outputs to fragments, reasoning and placeholders. Nothing here does I/O.

A reply is text, or a list that ends with what the assistant said. Gradio and the component families
built on it write such lists in several ways, and a Space may change between them as it streams:

- pairs, `[[user, assistant], ...]`, in chatbots up to Gradio 5;
- messages, `{"role": ..., "content": ...}`, the only form in Gradio 6;
- messages whose content is a list of parts, which is what Gradio 6 sends;
- strings and messages without a role, from chat interfaces that return several;
- items of a list of bubbles, whose roles have the names that their author gave them.

A function without a page may also return an object, with the reply in one of `TEXT_KEYS`.
"""

from __future__ import annotations

import json
import re
import reprlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from .._reply import Reasoning, StreamStatus, Update
from ..errors import GenerationError
from .files import FoundFile, find_files
from .fragments import Appender, Habits

UNCHANGED = object()
"""What an update writes that has no value."""
REASONING_PARTS = ("tool", "thinking", "thought", "reasoning")
"""The types of the parts of a message that are not its answer."""
TEXT_KEYS = ("content", "response", "answer", "text")
"""Where a message, a part of one, or an object that a function returns has its text."""
USER_ROLES = ("user", "human", "local")
OTHER_ROLES = ("system", "developer", "tool", "function", "divider")
"""The roles of items that neither the user nor the assistant has said."""
Source: TypeAlias = Literal["page", "interface", "function"]
"""Where a reply is read: a component of the page, the endpoint that a `gr.ChatInterface` has for
its API, or a function of `gr.api`, whose yields may be pieces instead of snapshots."""
COMPONENT = re.compile(
    r"""<gradio\.[\w.]+\ object\ at\ 0x[0-9a-f]+>  # a component
        | [\[{(].*<gradio\.[\w.]+\ object\ at\ 0x[0-9a-f]+>.*[\])}]  # among other values
        | \('[^'\n]+\.\w{1,5}',(?:\ '[^'\n]*')?\)  # a tuple of a path and a description
        | \{'path':\ '[^'\n]+'(?:,\ [^\n]*)?\}
    """,
    re.VERBOSE | re.DOTALL,
)
"""What a chat interface's endpoint returns for a component or a file: Python's repr."""
PATH = re.compile(r"[^<>\n]*\.\w{1,5}|\['[^\n]*'\]")
"""The value of a component that such an endpoint returns, where that is the path of a file, or
Python's repr of several."""
THOUGHT_TAGS = (("<think>", "</think>"), ("<thought>", "</thought>"), ("<thinking>", "</thinking>"))
"""Tags between which models write what they think, where nothing else is said of them."""


class Reply:
    """A reply as it grows: outputs go in, and what is new in them comes out, as updates.

    :param before: what the chatbot held before the reply. If its last turn stays as it was, that is
        no reply.
    :param tags: pairs of tags between which the text is reasoning, as the page declares them.
    :param thought_tags: the same, where no page declares them: only what such tags enclose before
        the answer is reasoning.
    :param habits: what earlier replies from this app have shown.
    :param source: where it is read.
    :param root: the URL under which the Space serves its files.
    :ivar text: the reply so far, as the page shows it.
    :ivar reasoning: what the model thought before it; not part of the reply.
    :ivar files: those that came with it, once it is complete.
    """

    def __init__(
        self,
        before: Any = None,
        tags: Sequence[tuple[str, str]] = (),
        *,
        thought_tags: Sequence[tuple[str, str]] = (),
        habits: Habits | None = None,
        source: Source = "page",
        root: str = "",
    ) -> None:
        self.text = ""
        self.reasoning = ""
        self.files: tuple[FoundFile, ...] = ()
        self._root = root
        self._tags = tags
        self._thought_tags = thought_tags
        self._habits = habits or Habits()
        self._text_appender = Appender(self._habits.text)
        self._reasoning_appender = Appender(self._habits.reasoning)
        self._source = source
        self._pieces = _Pieces()
        self._last: Any = None
        self._start, self._said_before = -1, 0
        try:
            if isinstance(before, list):
                self._start, said = _last_turn(before)
                self._before = _read(said)
                self._said_before = len(said)
        except ValueError:
            pass  # The page began with something else, which the reply will replace.

    def feed(self, output: Any) -> list[Update]:
        """Take the next output, which repeats the complete reply; return what is new in it.

        :returns: reasoning, then text or a placeholder, if there is any.
        :raises ValueError: if `output` has none of a reply's forms.
        """
        if self._source == "interface":
            output = _mark_components(output)
        elif self._source == "function":
            output = _parse(output)
            if isinstance(output, str):  # an object repeats the complete reply
                output = self._pieces.add(output)
        if isinstance(output, str):
            self._last = text = output
            reasoning = ""
        else:
            value = output
            if isinstance(output, dict) and (value := _shown(output)) is UNCHANGED:
                return []
            self._last = value
            text, reasoning = _read(self._new_turn(value))
        self.text, reasoning = self._separate(text, reasoning)
        updates: list[Update] = []
        if reasoning:  # pages take it away once there is an answer
            self.reasoning = reasoning
            thought, _ = self._reasoning_appender.feed(reasoning)
            updates += [Reasoning(thought)] if thought else []
        fragment, placeholder = self._text_appender.feed(self.text)
        updates += [StreamStatus("log", log=placeholder, level="info")] if placeholder else []
        return updates + ([fragment] if fragment else [])

    def end(self) -> list[Update]:
        """Check that the reply is complete; return the text and reasoning held back until now.

        A reply may consist of files alone; its text is "" then.

        :raises ValueError: if the last output holds no answer; the message shows that output.
        :raises GenerationError: if the answer has no text and no file; the message says what it
            has.
        """
        said = self._new_turn(self._last)
        if all(map(_is_empty, said)):
            raise ValueError(f"nothing from the assistant in {reprlib.repr(self._last)}")
        self.text, reasoning = self._separate(*_read(said), is_complete=True)
        self.reasoning = reasoning or self.reasoning
        if isinstance(said[-1], dict):
            self._habits.answers_in_parts = isinstance(_content(said[-1]), list)
        self.files = find_files(said, self._root)
        if not self.text and not self.files:
            raise GenerationError(_why_no_text(said, self.reasoning))
        return _updates(
            self._reasoning_appender.end(self.reasoning), self._text_appender.end(self.text)
        )

    def held_back(self) -> list[Update]:
        """Return the text and reasoning held back until now, of a reply that fails."""
        return _updates(self._reasoning_appender.held_back(), self._text_appender.held_back())

    def _separate(self, text: str, reasoning: str, *, is_complete: bool = False) -> tuple[str, str]:
        """Take out the reasoning that is between tags."""
        if self._tags:
            text, thought = _split(text, self._tags, is_complete=is_complete)
            reasoning += thought
        if self._thought_tags:
            text, thought = _split_before_answer(
                text, self._thought_tags, self._habits, is_complete=is_complete
            )
            reasoning += thought
        return text, reasoning

    def _new_turn(self, value: Any) -> list[Any]:
        """Return what the assistant said in its last turn; nothing if it had said that before."""
        if not isinstance(value, list):
            return _alone(value)
        start, said = _last_turn(value)
        before = self._said_before
        if before and start == self._start and _read(said[:before]) == self._before:
            # A greeting, after which the page does not show the question, is not part of the reply.
            return said[before:] if start == -1 or len(said) == before else said
        return said


def _updates(thought: str, fragment: str) -> list[Update]:
    return [*([Reasoning(thought)] if thought else []), *([fragment] if fragment else [])]


def written(output: Any) -> Any:
    """Return the value that an output gives its component; `UNCHANGED` if it gives none."""
    if isinstance(output, dict) and output.get("__type__") == "update":
        return output.get("value", UNCHANGED)
    return output


def _shown(output: Any) -> Any:
    """Return the same for the component of a reply, which may be a list of bubbles."""
    if isinstance(output, dict) and "value" not in output and isinstance(output.get("items"), list):
        return output["items"]
    return written(output)


def _parse(output: Any) -> Any:
    """Return the object that a function has returned as JSON text; all else as it is."""
    if isinstance(output, str) and output.lstrip().startswith("{"):
        try:
            parsed = json.loads(output)
        except (ValueError, RecursionError):
            return output
        if isinstance(parsed, dict) and (_text_key(parsed) or "reasoning" in parsed):
            return parsed
    return output


def _text_key(message: Mapping[str, Any]) -> str | None:
    return next((key for key in TEXT_KEYS if message.get(key) is not None), None)


def size_of(value: Any) -> int:
    """The bytes that an output takes in memory."""
    size = sys.getsizeof(value)
    if isinstance(value, Mapping):
        return size + sum(size_of(key) + size_of(held) for key, held in value.items())
    return size + sum(map(size_of, value)) if isinstance(value, list) else size


def _alone(value: Any) -> list[Any]:
    """Return what the assistant said in an output that is no list."""
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        if not value.keys().isdisjoint((*TEXT_KEYS, "reasoning", "component", "path")):
            return [value]
        keys = ", ".join(map(str, value)) or "no keys"
        raise ValueError(f"an object has none of {', '.join(TEXT_KEYS)}, but {keys:.300}")
    raise ValueError(f"a reply cannot be {type(value).__name__} {reprlib.repr(value)}")


def _last_turn(value: list[Any]) -> tuple[int, list[Any]]:
    """Find the assistant's last turn in a chatbot's value.

    :returns: the index of the last item from the user, -1 if there is none, and the contents of
        all that the assistant said since.
    """
    said: list[Any] = []
    for index in range(len(value) - 1, -1, -1):
        item = value[index]
        if isinstance(item, dict):
            role = item.get("role", "assistant")
            if role in USER_ROLES:
                break
            if role not in OTHER_ROLES:
                said.append(item)
        elif isinstance(item, str):
            said.append(item)
        elif isinstance(item, list) and len(item) == 2:
            user, assistant = item
            if assistant is not None:
                said.append(assistant)
            if user is not None:
                break
        else:
            raise ValueError(f"a reply cannot be {type(value).__name__} {reprlib.repr(value)}")
    else:
        index = -1
    return index, said[::-1] if len(said) > 1 else said


def _read(said: list[Any]) -> tuple[str, str]:
    """Return the text and the reasoning in what the assistant said."""
    if len(said) == 1:
        only = said[0]
        return (only, "") if isinstance(only, str) else _text_and_reasoning(only)
    read = [_text_and_reasoning(content) for content in said]
    texts, thoughts = zip(*read, strict=True) if read else ((), ())
    return "\n\n".join(filter(None, texts)), "\n\n".join(filter(None, thoughts))


def _text_and_reasoning(content: Any) -> tuple[str, str]:
    """Return the text and the reasoning in one message. Files and components have neither."""
    metadata, before = None, ""
    if isinstance(content, dict):
        metadata = content.get("metadata")
        thought = content.get("reasoning")
        before = thought if isinstance(thought, str) else ""
        content = _content(content)
    if isinstance(content, str):
        text, reasoning = content, ""
    elif isinstance(content, (list, dict)):
        text, reasoning = _join(content if isinstance(content, list) else [content])
    elif content is None:
        return "", before
    else:
        raise ValueError(
            f"the content of a reply cannot be {type(content).__name__} {reprlib.repr(content)}"
        )
    if isinstance(metadata, dict) and metadata.get("title"):
        return "", before + reasoning + text
    return text, before + reasoning


def _join(parts: list[Any]) -> tuple[str, str]:
    text = reasoning = ""
    for part in parts:
        # A string among the parts is the name of a file, or what describes it.
        if isinstance(part, dict) and isinstance(held := _content(part), str):
            if part.get("type") in REASONING_PARTS or part.get("thought") is True:
                reasoning += held
            else:
                text += held
    return text, reasoning


def _content(message: dict[str, Any]) -> Any:
    key = _text_key(message)
    return None if key is None else message[key]


def _mark_components(output: Any) -> Any:
    """Return what a chat interface's endpoint returned, with dicts in place of its components."""
    if isinstance(output, str):
        return {"component": "component"} if COMPONENT.fullmatch(output) else output
    if isinstance(output, list):
        return [_mark_components(item) for item in output]
    if isinstance(output, dict):
        value = written(output)
        if value is not output:  # of a component
            paths = value if isinstance(value, list) else [value]
            if all(isinstance(path, str) and PATH.fullmatch(path) for path in paths):
                return {"component": "a file"}  # which the Space does not serve
        if "content" in output:
            return {**output, "content": _mark_components(output["content"])}
    return output


def _is_empty(content: Any) -> bool:
    """Whether a message has no content yet, not even empty text."""
    if isinstance(content, dict):
        is_thought = bool(content.get("reasoning"))
        return _content(content) in (None, []) and not (is_thought or _is_attachment(content))
    return content in (None, [])


def _is_attachment(part: Mapping[str, Any]) -> bool:
    return not part.keys().isdisjoint(("component", "file", "path"))


def _why_no_text(said: list[Any], reasoning: str) -> str:
    came = list(dict.fromkeys(kind for content in said for kind in _attachments(content)))
    if came:
        return f"The reply has no text, only: {', '.join(came)}"
    if reasoning:
        return "The reply has no text: the model thought and did not answer"
    return "The reply is empty"


def _attachments(content: Any) -> Iterator[str]:
    """Yield the kinds of the components and files in what the assistant said."""
    if isinstance(content, list):
        for part in content:
            yield from _attachments(part)
    elif isinstance(content, dict):
        if _is_attachment(content):
            file = content.get("file")
            kind = content.get("component")
            if kind is None and isinstance(file, dict):
                kind = file.get("mime_type")
            yield str(kind or "a file")[:50]
        yield from _attachments(content.get("content"))
        yield from _attachments(content.get("files"))


def _split(
    text: str, tags: Sequence[tuple[str, str]], *, is_complete: bool = False
) -> tuple[str, str]:
    """Part text from the reasoning between tags. What may become a tag is held back until it is."""
    said, thought = "", ""
    while found := [(text.find(tag), tag, end) for tag, end in tags if tag in text]:
        at, tag, end = min(found)
        said += text[:at]
        inside, is_closed, text = text[at + len(tag) :].partition(end)
        if not is_closed:
            return said, thought + (inside if is_complete else without_begun([end], inside))
        thought += inside
        if not said.strip():
            text = text.lstrip()  # the answer's first line is where the reasoning was
    said += text if is_complete else without_begun([tag for tag, _ in tags], text)
    return said, thought


def _split_before_answer(
    text: str,
    tags: Sequence[tuple[str, str]],
    habits: Habits,
    *,
    is_complete: bool = False,
) -> tuple[str, str]:
    """Part text from the reasoning before it, whose first tag may be missing.

    Tags within the answer are part of it.
    """
    thought = ""
    while True:
        start = text.lstrip()
        if found := next((tag for tag in tags if start.startswith(tag[0])), None):
            inside, is_closed, text = start.removeprefix(found[0]).partition(found[1])
            if not is_closed:
                return "", thought + (inside if is_complete else without_begun([found[1]], inside))
            thought += inside
        elif stray := _find_end_of_thought(text, [end for _, end in tags]):
            habits.omits_first_tag = True
            thought += text[: stray.start()]
            text = text[stray.end() :]
        else:
            break
    if thought:
        text = text.lstrip()
    elif habits.omits_first_tag and not is_complete:
        return "", ""  # either reasoning, or an answer without any
    if is_complete:
        return text, thought
    if any(opening.startswith(start) for opening, _ in tags):
        return "", thought  # it may become a tag
    return without_begun([end for _, end in tags], text), thought


def _find_end_of_thought(text: str, ends: Sequence[str]) -> re.Match[str] | None:
    """Find a closing tag at the end of a line that is not quoted."""
    if not any(end in text for end in ends):
        return None
    for found in re.finditer(
        rf"(?<!`)(?:{'|'.join(map(re.escape, ends))})(?=[ \t]*(?:\n|\Z))", text
    ):
        if text.count("```", 0, found.start()) % 2 == 0:
            return found
    return None


class _Pieces:
    """Joins the yields of a function that does not say whether they are pieces or snapshots.

    They are snapshots if the first that differs from the one before it begins with that.
    """

    def __init__(self) -> None:
        self._yields: list[str] = []
        self._are_pieces: bool | None = None

    def add(self, text: str) -> str:
        """Return the complete text so far."""
        before = self._yields[-1] if self._yields else ""
        if self._are_pieces is None and before and text != before:
            self._are_pieces = not text.startswith(before)
        if self._are_pieces is False:
            return text
        self._yields.append(text)
        if self._are_pieces is None:
            return text
        self._yields = ["".join(self._yields)]
        return self._yields[0]


def without_begun(marks: Sequence[str], text: str) -> str:
    """Return text without what may be the start of a mark, such as a tag, at its end."""
    begun = (size for mark in marks for size in range(1, len(mark)) if text.endswith(mark[:size]))
    return text[: len(text) - max(begun, default=0)]
