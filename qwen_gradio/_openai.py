"""OpenAI's format, where a text chat cannot do all of it. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

UNSUPPORTED: dict[str, tuple[Any, ...]] = {
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "n": (1,),
    "logprobs": (),
    "top_logprobs": (),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "audio": (),
    "web_search_options": (),
}
"""Options that a text chat does not support, each with the values that request nothing."""


def unsupported(options: Mapping[str, Any]) -> list[str]:
    """Return the names of the options that request what a text chat does not support."""
    return [
        name
        for name, harmless in UNSUPPORTED.items()
        if options.get(name) not in (None, False, *harmless)
    ]


def stop_sequences(stop: str | Sequence[str] | None) -> list[str]:
    """Return the stop sequences of a request in OpenAI's format; empty ones are left out."""
    return [text for text in ([stop] if isinstance(stop, str) else stop or []) if text]


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a text has: one for four bytes. Spaces report no numbers.

    LangChain and LiteLLM estimate with counters of their own, by which they compare models.
    """
    return (len(text.encode(errors="replace")) + 3) // 4
