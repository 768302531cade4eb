"""OpenAI's formats, for several front ends: options, usage, stop sequences. No I/O here."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from ._files.links import File, links_after
from ._messages import to_turn
from ._page.tags import strip_partial
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
"""Options that a text chat does not support, each with the values that have no effect.

Registries reject any other value: their callers can omit the option, and a benchmark must not run
without its tools. The endpoint's clients always send these options. So the endpoint ignores
optional tools, and asks for JSON in the prompt.
"""


def unsupported(options: Mapping[str, Any]) -> list[str]:
    """Return the names of the given options that a text chat does not support."""
    return [
        name
        for name, harmless in UNSUPPORTED.items()
        if options.get(name) not in (None, False, *harmless)
    ]


def stop_sequences(stop: str | Sequence[str] | None) -> list[str]:
    """Return the stop sequences of a request in OpenAI's format, except empty ones."""
    return [text for text in ([stop] if isinstance(stop, str) else stop or []) if text]


BYTES_PER_TOKEN = 4


def estimate_tokens(text: str) -> int:
    """Estimate the tokens in a text, as one per four bytes. Spaces do not report usage."""
    return math.ceil(len(text.encode(errors="replace")) / BYTES_PER_TOKEN)


def estimate_usage(messages: Iterable[Any], text: str, reasoning: str) -> tuple[int, int, int]:
    """Estimate the tokens of the messages, of the reply with its reasoning, and of the latter."""
    asked = sum(estimate_tokens(to_turn(message)[1]) for message in messages)
    thought = estimate_tokens(reasoning)
    return asked, estimate_tokens(text) + thought, thought


def cut(
    pieces: Iterable[str | Reasoning], stops: Sequence[str], reply: _Reply | None = None
) -> Iterator[str | Reasoning]:
    """Yield a text up to its first stop sequence, which may span fragments.

    Text that may begin a stop sequence is held back, so a fragment may become "". Reasoning is
    not changed. If no stop sequence is found, links to the files of `reply` follow.

    :param stops: the stop sequences; none may be empty.
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
    """Return a reply's text up to its first stop sequence; without one, with links to files."""
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

    :ivar is_over: whether a stop sequence was found.
    :ivar held: text held back because a stop sequence may begin there.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self.is_over = False
        self.held = ""

    def feed(self, fragment: str) -> str:
        """Take a fragment; return the text that cannot be part of a stop sequence."""
        text = self.held + fragment
        found = [(at + len(s), at) for s in self._stops if (at := text.find(s)) >= 0]
        if found:
            self.is_over, self.held = True, ""
            return text[: min(found)[1]]
        certain = strip_partial(self._stops, text)
        self.held = text[len(certain) :]
        return certain
