"""Shorten a reply as its request asks. Nothing here does I/O."""

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
"""Characters within which a fence has opened, if there is one."""


class Shaper:
    """Shortens a text that arrives in fragments: to a stop sequence, a code fence, and a limit.

    Text that may be the beginning of such an end is held back until that is certain.

    :param stops: sequences before which the reply ends, none of them empty.
    :param is_json: whether a code fence around the reply, and what follows it, is left out.
    :ivar limit: the estimated tokens after which the reply ends, reasoning included; may be set.
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
        """Add a piece, and return what is certain now, perhaps nothing."""
        if isinstance(piece, Reasoning):
            return Reasoning(self._within_limit(piece.text))
        text = self._stop.feed(piece)
        self.is_over = self._stop.is_over
        if self._fence is not None:
            text = self._fence.feed(text)
            self.is_over |= self._fence.is_over
        return self._within_limit(text)

    def end(self) -> str:
        """Return what was held back when the reply ends."""
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
    """A code fence around a text that arrives in fragments.

    :ivar is_over: whether it was closed.
    :ivar held: text that may be the beginning of a fence.
    """

    def __init__(self) -> None:
        self.held = ""
        self._closing: StopSearch | None = None
        self._has_begun = False

    @property
    def is_over(self) -> bool:
        return self._closing is not None and self._closing.is_over

    def feed(self, fragment: str) -> str:
        """Add a fragment, and return the text that is certain now."""
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
