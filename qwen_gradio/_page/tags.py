"""Separate reasoning between tags such as `<think>` and `</think>`. Nothing here does I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .fragments import Habits

THOUGHT_TAGS = (("<think>", "</think>"), ("<thought>", "</thought>"), ("<thinking>", "</thinking>"))
"""The usual tags of models, for pages that declare none."""


def split_tags(
    text: str, tags: Sequence[tuple[str, str]], *, is_complete: bool = False
) -> tuple[str, str]:
    """Return the text, and the reasoning between tags. A possible start of a tag is held back."""
    said, thought = "", ""
    while found := [(text.find(tag), tag, end) for tag, end in tags if tag in text]:
        at, tag, end = min(found)
        said += text[:at]
        inside, is_closed, text = text[at + len(tag) :].partition(end)
        if not is_closed:
            return said, thought + (inside if is_complete else strip_partial([end], inside))
        thought += inside
        if not said.strip():
            text = text.lstrip()  # blank lines between reasoning and answer
    said += text if is_complete else strip_partial([tag for tag, _ in tags], text)
    return said, thought


def split_leading_thought(
    text: str, tags: Sequence[tuple[str, str]], habits: Habits, *, is_complete: bool = False
) -> tuple[str, str]:
    """Return the text, and the reasoning before it. The first opening tag may be missing.

    Tags within the answer are part of the answer.
    """
    thought = ""
    while True:
        start = text.lstrip()
        if found := next((tag for tag in tags if start.startswith(tag[0])), None):
            inside, is_closed, text = start.removeprefix(found[0]).partition(found[1])
            if not is_closed:
                return "", thought + (inside if is_complete else strip_partial([found[1]], inside))
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
        return "", ""  # may be reasoning, or an answer without reasoning
    if is_complete:
        return text, thought
    if any(opening.startswith(start) for opening, _ in tags):
        return "", thought  # it may become a tag
    return strip_partial([end for _, end in tags], text), thought


def _find_end_of_thought(text: str, ends: Sequence[str]) -> re.Match[str] | None:
    """Find a closing tag at the end of a line and outside of code."""
    if not any(end in text for end in ends):
        return None
    for found in re.finditer(
        rf"(?<!`)(?:{'|'.join(map(re.escape, ends))})(?=[ \t]*(?:\n|\Z))", text
    ):
        if text.count("```", 0, found.start()) % 2 == 0:
            return found
    return None


def strip_partial(marks: Sequence[str], text: str) -> str:
    """Return text without a tail that may be the beginning of a mark, such as a tag."""
    begun = (size for mark in marks for size in range(1, len(mark)) if text.endswith(mark[:size]))
    return text[: len(text) - max(begun, default=0)]
