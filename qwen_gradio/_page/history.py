"""Earlier turns in the forms that Spaces take as a history. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

Form: TypeAlias = Literal["pairs", "messages", "parts", "segments"]
HistoryTurn: TypeAlias = tuple[str, str | dict[str, Any]]
"""A turn of a Space's own history: its role, and its text or a file on the Space."""


def as_pairs(turns: Sequence[HistoryTurn]) -> list[list[Any]]:
    """Return turns in Gradio's first form: `[user, assistant]`, None where one is missing."""
    pairs: list[list[Any]] = []
    for role, said in turns:
        content = _content(said)
        if role == "assistant" and pairs and pairs[-1][1] is None:
            pairs[-1][1] = content
        else:
            pairs.append([content, None] if role == "user" else [None, content])
    return pairs


def as_messages(turns: Sequence[HistoryTurn]) -> list[dict[str, Any]]:
    """Return turns in the form that came with Gradio 4.44: messages, in OpenAI's format."""
    return [{"role": role, "content": _content(said)} for role, said in turns]


def as_parts(turns: Sequence[HistoryTurn]) -> list[dict[str, Any]]:
    """Return turns in the only form that Gradio 6 takes: messages whose content is parts."""
    return [{"role": role, "content": [_part(said)]} for role, said in turns]


def as_segments(turns: Sequence[HistoryTurn]) -> list[dict[str, Any]]:
    """Return turns as modelscope_studio's `pro.Chatbot` has them: only its assistant has parts."""

    def content(role: str, said: str | dict[str, Any]) -> Any:
        if isinstance(said, dict):
            return [{"type": "file", "content": [said]}]
        return [{"type": "text", "content": said}] if role == "assistant" else said

    return [{"role": role, "content": content(role, said)} for role, said in turns]


def _content(said: str | dict[str, Any]) -> Any:
    return said if isinstance(said, str) else {"file": said, "alt_text": None}


def _part(said: str | dict[str, Any]) -> dict[str, Any]:
    if isinstance(said, str):
        return {"type": "text", "text": said}
    return {"type": "file", **_content(said)}


FORMS: Mapping[Form, Callable[[Sequence[HistoryTurn]], list[Any]]] = {
    "pairs": as_pairs,
    "messages": as_messages,
    "parts": as_parts,
    "segments": as_segments,
}
