"""Read the assistant's turn from the values of chatbots and other outputs. No I/O here.

A reply is text, or a list that ends with the assistant's turn. Gradio and the component families
built on it have several formats for such lists, and a Space may switch between them in a stream:

- pairs, `[[user, assistant], ...]`, in chatbots up to Gradio 5;
- messages, `{"role": ..., "content": ...}`, the only format in Gradio 6;
- messages whose content is a list of parts, as Gradio 6 sends them;
- strings and messages without a role, from chat interfaces that return several;
- items of a bubble list, with roles that the author has named.

A function without a page may also return an object with the reply in one of `TEXT_KEYS`.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterator, Mapping
from typing import Any

UNCHANGED = object()
"""Stands for the value of an update that sets none."""
REASONING_PARTS = ("tool", "thinking", "thought", "reasoning")
"""The types of parts that do not belong to the answer."""
TEXT_KEYS = ("content", "response", "answer", "text")
"""The keys for the text of a message, of a part, or of an object that a function returns."""
USER_ROLES = ("user", "human", "local")
OTHER_ROLES = ("system", "developer", "tool", "function", "divider")
"""The roles of items that are neither the user's nor the assistant's."""
COMPONENT = re.compile(
    r"""<gradio\.[\w.]+\ object\ at\ 0x[0-9a-f]+>  # a component
        | [\[{(].*<gradio\.[\w.]+\ object\ at\ 0x[0-9a-f]+>.*[\])}]  # among other values
        | \('[^'\n]+\.\w{1,5}',(?:\ '[^'\n]*')?\)  # a tuple of a path and a description
        | \{'path':\ '[^'\n]+'(?:,\ [^\n]*)?\}
    """,
    re.VERBOSE | re.DOTALL,
)
"""Matches Python's repr of a component or a file, which a chat interface's API endpoint returns."""
PATH = re.compile(r"[^<>\n]*\.\w{1,5}|\['[^\n]*'\]")
"""Matches the value of a component from such an endpoint if it is a path, or a repr of several."""


def value_of(output: Any) -> Any:
    """Return the value that an output sets on its component; `UNCHANGED` if it sets none."""
    if isinstance(output, dict) and output.get("__type__") == "update":
        return output.get("value", UNCHANGED)
    return output


def contents_of(value: Any) -> list[Any]:
    """Return the assistant's contents in an output that is not a list."""
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


def find_last_turn(value: list[Any]) -> tuple[int, list[Any]]:
    """Return the index of the user's last item, or -1, and the assistant's contents after it."""
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
    return index, said[::-1]


def read_turn(said: list[Any]) -> tuple[str, str]:
    """Return the text and the reasoning in the assistant's contents."""
    read = [_text_and_reasoning(content) for content in said]
    texts, thoughts = zip(*read, strict=True) if read else ((), ())
    return "\n\n".join(filter(None, texts)), "\n\n".join(filter(None, thoughts))


def _text_and_reasoning(content: Any) -> tuple[str, str]:
    """Return the text and the reasoning of one message. Files and components have neither."""
    metadata, before = None, ""
    if isinstance(content, dict):
        metadata = content.get("metadata")
        thought = content.get("reasoning")
        before = thought if isinstance(thought, str) else ""
        content = content_of(content)
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
        # A plain string among the parts is the name or description of a file.
        if isinstance(part, dict) and isinstance(held := content_of(part), str):
            if part.get("type") in REASONING_PARTS or part.get("thought") is True:
                reasoning += held
            else:
                text += held
    return text, reasoning


def content_of(message: dict[str, Any]) -> Any:
    key = text_key(message)
    return None if key is None else message[key]


def mark_components(output: Any) -> Any:
    """Replace the components in the output of a chat interface's API endpoint with dicts."""
    if isinstance(output, str):
        return {"component": "component"} if COMPONENT.fullmatch(output) else output
    if isinstance(output, list):
        return [mark_components(item) for item in output]
    if isinstance(output, dict):
        value = value_of(output)
        if value is not output:  # it is an update of a component
            paths = value if isinstance(value, list) else [value]
            if all(isinstance(path, str) and PATH.fullmatch(path) for path in paths):
                return {"component": "a file"}  # the Space does not serve it
        if "content" in output:
            return {**output, "content": mark_components(output["content"])}
    return output


def is_empty(content: Any) -> bool:
    """Return whether a message has no content yet. Empty text counts as content."""
    if isinstance(content, dict):
        is_thought = bool(content.get("reasoning"))
        return content_of(content) in (None, []) and not (is_thought or _is_attachment(content))
    return content in (None, [])


def _is_attachment(part: Mapping[str, Any]) -> bool:
    return not part.keys().isdisjoint(("component", "file", "path"))


def explain_no_text(said: list[Any], reasoning: str) -> str:
    came = list(dict.fromkeys(kind for content in said for kind in _attachments(content)))
    if came:
        return f"The reply has no text, only: {', '.join(came)}"
    if reasoning:
        return "The reply has no text: the model thought and did not answer"
    return "The reply is empty"


def _attachments(content: Any) -> Iterator[str]:
    """Yield the kinds of the components and files in a message."""
    if isinstance(content, list):
        for part in content:
            yield from _attachments(part)
    elif isinstance(content, dict):
        if _is_attachment(content):
            file = content.get("file")
            kind = file.get("mime_type") if isinstance(file, dict) else None
            yield str(content.get("component") or kind or "a file")[:50]
        yield from _attachments(content.get("content"))
        yield from _attachments(content.get("files"))


def text_key(message: Mapping[str, Any]) -> str | None:
    return next((key for key in TEXT_KEYS if message.get(key) is not None), None)
