"""A Space's outputs to new text. Nothing here does I/O.

Gradio has four ways to hold a reply, and the versions in use know different ones of them:

- pairs, `[[user, assistant], ...]`, in chatbots up to Gradio 5;
- messages, `[{"role": ..., "content": ...}, ...]`, the only form in Gradio 6;
- messages whose content is a list of parts, which is what Gradio 6 sends;
- a plain string, from a chat interface.
"""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Mapping
from itertools import takewhile
from os.path import commonprefix
from typing import Any


class Reply:
    """A reply as it grows: outputs go in, new text comes out, and `text` is the whole so far."""

    def __init__(self) -> None:
        self.text = ""

    def feed(self, value: Any) -> str:
        """Take the next output, which repeats the whole reply, and return what is new in it.

        If the Space took text back, what is new begins after the longest common start.

        :raises ValueError: if `value` has none of the four forms.
        """
        before, self.text = self.text, reply_text(value)
        if self.text.startswith(before):
            return self.text[len(before) :]
        return self.text[len(commonprefix([before, self.text])) :]


def reply_text(value: Any) -> str:
    """The text of the reply in one output: what the assistant said after the last user message.

    :raises ValueError: if `value` has none of the four forms.
    """
    if isinstance(value, str):
        return value
    if value is None or value == []:
        return ""
    last = value[-1] if isinstance(value, list) else None
    if isinstance(last, Mapping) and "role" in last:
        newest = takewhile(lambda message: message["role"] != "user", reversed(value))
        said = [_text(m.get("content")) for m in newest if m["role"] == "assistant"]
        return "\n\n".join(reversed(said))
    if isinstance(last, list) and len(last) == 2:
        return _text(last[1])
    raise ValueError(f"a reply cannot be {type(value).__name__} {reprlib.repr(value)}")


def size_of(value: Any) -> int:
    """The bytes that an output takes in memory."""
    size = sys.getsizeof(value)
    if isinstance(value, Mapping):
        return size + sum(size_of(key) + size_of(held) for key, held in value.items())
    return size + sum(map(size_of, value)) if isinstance(value, list) else size


def _text(content: Any) -> str:
    """The text in a message's content. Files and components in it have none."""
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if isinstance(content, list):
        return "".join(_text(part) for part in content if isinstance(part, Mapping))
    if isinstance(content, Mapping):
        return _text(content.get("text"))
    raise ValueError(
        f"the content of a reply cannot be {type(content).__name__} {reprlib.repr(content)}"
    )
