"""Shorten a reply as the request requires. Nothing here does I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, TypeAlias

from .._openai import BYTES_PER_TOKEN, StopSearch
from .._reply import Reasoning

FinishReason: TypeAlias = Literal["stop", "length"]

OPENING_FENCE = re.compile(r"\s*```[^\n`]*\n")
MAYBE_OPENING_FENCE = re.compile(r"\s*(`{0,2}|```[^\n`]*)")
MAX_OPENING_FENCE = 100
"""Maximum characters up to the end of a line that opens a fence."""


class Shaper:
    """Shortens a text that arrives in fragments: by stop sequences, a code fence, and a limit.

    Text that may begin a stop sequence or a fence is held back until that is certain.

    :param stops: stop sequences; none may be empty.
    :param is_json: whether to remove a code fence around the reply, and the text after it.
    :ivar limit: the maximum of estimated tokens, including reasoning; may be assigned.
    :ivar is_over: whether the reply has ended.
    :ivar finish_reason: why it ends.
    """

    def __init__(
        self, stops: Sequence[str], *, is_json: bool = False, limit: int | None = None
    ) -> None:
        self.limit = limit
        self.is_over = False
        self.finish_reason: FinishReason = "stop"
        self._stop = StopSearch(stops)
        self._fence = _Fence() if is_json else None
        self._size = 0

    def feed(self, piece: str | Reasoning) -> str | Reasoning:
        """Take a piece, and return the piece to emit, which may be empty."""
        if isinstance(piece, Reasoning):
            return Reasoning(self._within_limit(piece.text))
        text = self._stop.feed(piece)
        self.is_over = self._stop.is_over
        if self._fence is not None:
            text = self._fence.feed(text)
            self.is_over |= self._fence.is_over
        return self._within_limit(text)

    def end(self) -> str:
        """Return the text held back until the end of the reply."""
        if self.finish_reason == "length":
            return ""
        text = self._stop.held
        if self._fence is not None:
            text = self._fence.feed(text) + self._fence.held
        return self._within_limit(text)

    def _within_limit(self, text: str) -> str:
        data = text.encode(errors="replace")
        self._size += len(data)
        excess = 0 if self.limit is None else self._size - BYTES_PER_TOKEN * self.limit
        if excess <= 0:
            return text
        self.is_over, self.finish_reason = True, "length"
        return data[: max(len(data) - excess, 0)].decode(errors="ignore")


class _Fence:
    """Removes a code fence around a text that arrives in fragments.

    :ivar is_over: whether the fence was closed.
    :ivar held: text held back because a fence may begin there.
    """

    def __init__(self) -> None:
        self.held = ""
        self._closing: StopSearch | None = None
        self._has_begun = False

    @property
    def is_over(self) -> bool:
        return self._closing is not None and self._closing.is_over

    def feed(self, fragment: str) -> str:
        """Take a fragment, and return the text that cannot be part of a fence."""
        if self._closing is not None:
            return self._search(self._closing, fragment)
        if self._has_begun:
            return fragment
        text, self.held = self.held + fragment, ""
        if (opening := OPENING_FENCE.match(text)) is not None:
            self._closing = StopSearch(["\n```"])
            return self._search(self._closing, text[opening.end() :])
        if len(text) <= MAX_OPENING_FENCE and MAYBE_OPENING_FENCE.fullmatch(text):
            self.held = text
            return ""
        self._has_begun = True
        return text

    def _search(self, closing: StopSearch, fragment: str) -> str:
        certain = "" if closing.is_over else closing.feed(fragment)
        self.held = closing.held
        return certain
