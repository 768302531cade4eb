"""Convert a Space's outputs to fragments, reasoning and placeholders. Nothing here does I/O."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from .._reply import FoundFile, Reasoning, StreamStatus, Update
from ..errors import GenerationError
from .files import find_files
from .fragments import Appender, Habits
from .tags import split_leading_thought, split_tags
from .turns import (
    UNCHANGED,
    content_of,
    contents_of,
    explain_no_text,
    find_last_turn,
    is_empty,
    mark_components,
    read_turn,
    text_key,
    value_of,
)

Source: TypeAlias = Literal["page", "interface", "function"]
"""Where a reply comes from: a component of the page, the API endpoint of a `gr.ChatInterface`, or
a `gr.api` function, which may yield pieces instead of snapshots."""


class Reply:
    """A growing reply: takes outputs, and returns their new content as updates.

    :param before: the chatbot's value before the reply. If its last turn does not change, it is
        not a reply.
    :param tags: pairs of tags declared by the page; all text between them is reasoning.
    :param thought_tags: pairs of tags that enclose reasoning only before the answer.
    :param root: the URL prefix of files on the Space.
    :ivar text: the reply so far, as the page shows it.
    :ivar reasoning: the reasoning so far, which is not part of the reply.
    :ivar files: the files that came with the reply, once it is complete.
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
                self._start, said = find_last_turn(before)
                self._before = read_turn(said)
                self._said_before = len(said)
        except ValueError:
            pass  # The initial value is not a chat. The reply will replace it.

    def feed(self, output: Any) -> list[Update]:
        """Take the next output, which repeats the reply so far; return the updates for new content.

        :raises ValueError: if the output is in no known form of a reply.
        """
        if self._source == "interface":
            output = mark_components(output)
        elif self._source == "function":
            output = _parse(output)
            if isinstance(output, str):  # an object repeats the complete reply
                output = self._pieces.add(output)
        if (value := _shown(output)) is UNCHANGED:
            return []
        self._last = value
        self.text, reasoning = self._separate(*read_turn(self._new_turn(value)))
        thought = ""
        if reasoning:  # some pages remove it once there is an answer
            self.reasoning = reasoning
            thought, _ = self._reasoning_appender.feed(reasoning)
        fragment, placeholder = self._text_appender.feed(self.text)
        return _updates(thought, fragment, placeholder)

    def end(self) -> list[Update]:
        """Check the complete reply; return the text and reasoning held back until now.

        If a reply consists of files only, its text is "".

        :raises ValueError: if the last output contains no answer.
        :raises GenerationError: if the answer has no text and no file.
        """
        said = self._new_turn(self._last)
        if all(map(is_empty, said)):
            raise ValueError(f"nothing from the assistant in {reprlib.repr(self._last)}")
        self.text, reasoning = self._separate(*read_turn(said), is_complete=True)
        self.reasoning = reasoning or self.reasoning
        if isinstance(said[-1], dict):
            self._habits.answers_in_parts = isinstance(content_of(said[-1]), list)
        self.files = find_files(said, self._root)
        if not self.text and not self.files:
            raise GenerationError(explain_no_text(said, self.reasoning))
        return _updates(
            self._reasoning_appender.end(self.reasoning), self._text_appender.end(self.text)
        )

    def release(self) -> list[Update]:
        """Return the text and reasoning held back until now, when a reply fails."""
        return _updates(self._reasoning_appender.release(), self._text_appender.release())

    def _separate(self, text: str, reasoning: str, *, is_complete: bool = False) -> tuple[str, str]:
        """Move reasoning between tags from the text to the reasoning."""
        if self._tags:
            text, thought = split_tags(text, self._tags, is_complete=is_complete)
            reasoning += thought
        if self._thought_tags:
            text, thought = split_leading_thought(
                text, self._thought_tags, self._habits, is_complete=is_complete
            )
            reasoning += thought
        return text, reasoning

    def _new_turn(self, value: Any) -> list[Any]:
        """Return the contents of the assistant's last turn; none if that turn is an old one."""
        if not isinstance(value, list):
            return contents_of(value)
        start, said = find_last_turn(value)
        before = self._said_before
        if before and start == self._start and read_turn(said[:before]) == self._before:
            # If the page does not show the question, a greeting precedes the reply in one turn.
            return said[before:] if start == -1 or len(said) == before else said
        return said


def _updates(thought: str, fragment: str, placeholder: str = "") -> list[Update]:
    updates: list[Update] = [Reasoning(thought)] if thought else []
    if placeholder:
        updates.append(StreamStatus("log", log=placeholder, level="info"))
    return [*updates, fragment] if fragment else updates


def _shown(output: Any) -> Any:
    """Return the value that an output sets on the reply's component, which may be a bubble list."""
    if isinstance(output, dict) and "value" not in output and isinstance(output.get("items"), list):
        return output["items"]
    return value_of(output)


def _parse(output: Any) -> Any:
    """Parse a reply that a function returned as a JSON object; return other output unchanged."""
    if isinstance(output, str) and output.lstrip().startswith("{"):
        try:
            parsed = json.loads(output)
        except (ValueError, RecursionError):
            return output
        if isinstance(parsed, dict) and (text_key(parsed) or "reasoning" in parsed):
            return parsed
    return output


class _Pieces:
    """Values from a function that does not declare whether it yields pieces or snapshots.

    They are snapshots if the first value that differs from its predecessor begins with it.
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
