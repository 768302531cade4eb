"""A Space's outputs to new text and new reasoning. Nothing here does I/O.

A reply is text, or a list that ends with what the assistant said. Gradio and the component families
built on it write such lists in several ways, and a Space may change between them as it streams:

- pairs, `[[user, assistant], ...]`, in chatbots up to Gradio 5;
- messages, `{"role": ..., "content": ...}`, the only form in Gradio 6;
- messages whose content is a list of parts, which is what Gradio 6 sends;
- strings and messages without a role, from chat interfaces that return several.
"""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Mapping, Sequence
from os.path import commonprefix
from typing import Any

UNCHANGED = object()
"""What an update writes that has no value."""
REASONING_PARTS = ("tool", "thinking", "thought", "reasoning")
"""The types of the parts of a message that are not its answer."""


class Reply:
    """A reply as it grows: outputs go in, new text and new reasoning come out.

    :param before: what the chatbot held before the reply. If its last turn stays as it was, that is
        no reply.
    :param tags: pairs of tags between which the text is reasoning.
    :ivar text: the reply so far.
    :ivar reasoning: what the model thought before it; not part of the reply.
    """

    def __init__(self, before: Any = None, tags: Sequence[tuple[str, str]] = ()) -> None:
        self.text = ""
        self.reasoning = ""
        self._tags = tags
        self._last: Any = None
        self._start, self._said_before = -1, 0
        try:
            if isinstance(before, list):
                self._start, said = _last_turn(before)
                self._before = _read(said)
                self._said_before = len(said)
        except ValueError:
            pass  # The page began with something else, which the reply will replace.

    def feed(self, output: Any) -> tuple[str, str]:
        """Take the next output, which repeats the complete reply; return what is new in it.

        :returns: the new text and the new reasoning. Where the Space took some of it back, they
            begin after the longest common start.
        :raises ValueError: if `output` has none of a reply's forms.
        """
        if isinstance(output, str):
            self._last = text = output
            reasoning = ""
        else:
            value = output
            if isinstance(output, dict) and (value := written(output)) is UNCHANGED:
                return "", ""
            self._last = value
            text, reasoning = _read(self._new_turn(value))
        if self._tags:
            text, thought = _split(text, self._tags)
            reasoning += thought
        return self._grow(text, reasoning)

    def end(self) -> tuple[str, str]:
        """Check that the reply is complete; return the text and reasoning held back until now.

        :raises ValueError: if the last output holds no answer; the message shows that output.
        """
        said = self._new_turn(self._last)
        if all(map(_is_empty, said)):
            raise ValueError(f"nothing from the assistant in {reprlib.repr(self._last)}")
        text, reasoning = _read(said)
        if self._tags:
            text, thought = _split(text, self._tags, is_complete=True)
            reasoning += thought
        return self._grow(text, reasoning)

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

    def _grow(self, text: str, reasoning: str) -> tuple[str, str]:
        before, self.text = self.text, text
        if not reasoning:  # pages take it away once there is an answer
            return _new(before, text), ""
        thought, self.reasoning = self.reasoning, reasoning
        return _new(before, text), _new(thought, reasoning)


def written(output: Any) -> Any:
    """Return the value that an output gives its component; `UNCHANGED` if it gives none."""
    if isinstance(output, dict) and output.get("__type__") == "update":
        return output.get("value", UNCHANGED)
    return output


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
    if isinstance(value, str) or (
        isinstance(value, dict) and ("content" in value or "text" in value)
    ):
        return [value]
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
            if role == "user":
                break
            if role == "assistant":
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
    metadata = None
    if isinstance(content, dict):
        metadata = content.get("metadata")
        content = _content(content)
    if isinstance(content, str):
        text, reasoning = content, ""
    elif isinstance(content, (list, dict)):
        text, reasoning = _join(content if isinstance(content, list) else [content])
    elif content is None:
        return "", ""
    else:
        raise ValueError(
            f"the content of a reply cannot be {type(content).__name__} {reprlib.repr(content)}"
        )
    if isinstance(metadata, dict) and metadata.get("title"):
        return "", reasoning + text
    return text, reasoning


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
    content = message.get("content")
    return message.get("text") if content is None else content


def _is_empty(content: Any) -> bool:
    """Whether a message has no content yet, not even empty text."""
    return (_content(content) if isinstance(content, dict) else content) in (None, [])


def _new(before: str, now: str) -> str:
    if now.startswith(before):
        return now[len(before) :]
    return now[len(commonprefix([before, now])) :]


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


def without_begun(marks: Sequence[str], text: str) -> str:
    """Return text without what may be the start of a mark, such as a tag, at its end."""
    begun = (size for mark in marks for size in range(1, len(mark)) if text.endswith(mark[:size]))
    return text[: len(text) - max(begun, default=0)]
