"""OpenAI's formats in several front ends: options, usage, stops. Nothing here does I/O."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from ._files.links import File, links_after
from ._messages import to_turn
from ._page.tags import without_begun
from ._reply import Reasoning

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
"""Options that a text chat does not support, each with the values that request nothing.

Registries reject them: their callers can leave them out, and a benchmark must not run without its
tools. The endpoint's clients always send them, so it answers optional tools in text and asks for
JSON.
"""


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


BYTES_PER_TOKEN = 4


def estimated_tokens(text: str) -> int:
    """Return an estimate of a text's tokens, one for four bytes, as Spaces report no numbers."""
    return math.ceil(len(text.encode(errors="replace")) / BYTES_PER_TOKEN)


def estimated_usage(messages: Iterable[Any], text: str, reasoning: str) -> tuple[int, int, int]:
    """Return about how many tokens messages have, and a reply to them, and its reasoning alone."""
    asked = sum(estimated_tokens(to_turn(message)[1]) for message in messages)
    thought = estimated_tokens(reasoning)
    return asked, estimated_tokens(text) + thought, thought


def cut(
    pieces: Iterable[str | Reasoning], stops: Sequence[str], reply: _Reply | None = None
) -> Iterator[str | Reasoning]:
    """Yield a text up to its first stop sequence, which may span fragments.

    Yields the certain text of each fragment, perhaps "", and then the rest. Reasoning is unchanged,
    and links to the files of `reply` follow a complete text.

    :param stops: the sequences, none of them empty.
    """
    search = StopSearch(stops)
    for piece in pieces:
        yield piece if isinstance(piece, Reasoning) else search.feed(piece)
        if search.is_over:
            return
    yield search.held
    if reply is not None and (links := links_after(reply.partial, reply.files)):
        yield links


async def cut_async(stream: _Stream, stops: Sequence[str]) -> AsyncGenerator[str | Reasoning, None]:
    """Do the same as `cut`, for a stream."""
    search = StopSearch(stops)
    while (piece := await stream.next_piece()) is not None:
        yield piece if isinstance(piece, Reasoning) else search.feed(piece)
        if search.is_over:
            return
    yield search.held
    if links := links_after(stream.partial, stream.files):
        yield links


def complete_text(reply: _Reply, stops: Sequence[str] = ()) -> str:
    """Return the text of a complete reply: to its first stop sequence, else with its files."""
    search = StopSearch(stops)
    text = search.feed(reply.partial) + search.held
    return text if search.is_over else text + links_after(text, reply.files)


class _Reply(Protocol):
    @property
    def partial(self) -> str: ...
    @property
    def files(self) -> Sequence[File]: ...


class _Stream(_Reply, Protocol):
    async def next_piece(self) -> str | Reasoning | None: ...


class StopSearch:
    """A search for the first stop sequence in a text that arrives in fragments.

    :ivar is_over: whether one was found.
    :ivar held: text held back because a stop sequence may begin there.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self.is_over = False
        self.held = ""

    def feed(self, fragment: str) -> str:
        """Return the text that has become certain with this fragment."""
        text = self.held + fragment
        found = [(at + len(s), at) for s in self._stops if (at := text.find(s)) >= 0]
        if found:
            self.is_over, self.held = True, ""
            return text[: min(found)[1]]
        certain = without_begun(self._stops, text)
        self.held = text[len(certain) :]
        return certain
