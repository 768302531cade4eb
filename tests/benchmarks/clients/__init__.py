"""The ways to read a reply that are compared, a file for each.

Every Python file has `connected(url)`, which yields `ask(query, heard)`: that asks the Space, calls
`heard` with each piece of new text as it arrives, and returns when the reply is complete.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

Heard: TypeAlias = Callable[[str], None]
Ask: TypeAlias = Callable[[str, Heard], Awaitable[None]]

CLIENTS = {
    "ours": "qwen_gradio",
    "reader": "minimal reader",
    "threads": "`for output in job`",
    "updates": "`async for update in job`",
    "javascript": "JavaScript client",
}
"""The clients' names, as the command takes them and as people read them."""


def text_of(outputs: Any) -> str:
    """The text of the reply in a stamping Space's outputs, on Gradio 5 and 6."""
    last = outputs[1][-1]
    if isinstance(last, list):
        return str(last[1])
    content = last["content"]
    return content if isinstance(content, str) else str(content[0]["text"])
