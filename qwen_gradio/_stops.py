"""Stop sequences, for callers who give some; Spaces do not support them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence

from ._replies import without_begun
from ._stream import FragmentStream
from ._updates import Reasoning


def cut(pieces: Iterable[str | Reasoning], stops: Sequence[str]) -> Iterator[str | Reasoning]:
    """Yield a text up to its first stop sequence, wherever the fragments divide that.

    For each fragment, yields the text that is certain by then, perhaps none; then what remains.
    Reasoning is yielded as it is.

    :param stops: the sequences, none of them empty.
    """
    search = _Search(stops)
    for piece in pieces:
        yield piece if isinstance(piece, Reasoning) else search.feed(piece)
        if search.is_over:
            return
    yield search.held


async def cut_async(
    stream: FragmentStream, stops: Sequence[str]
) -> AsyncGenerator[str | Reasoning, None]:
    """Do the same as `cut`, for a stream."""
    search = _Search(stops)
    while (piece := await stream.next_piece()) is not None:
        yield piece if isinstance(piece, Reasoning) else search.feed(piece)
        if search.is_over:
            return
    yield search.held


def cut_text(text: str, stops: Sequence[str]) -> str:
    """Return a complete text up to its first stop sequence."""
    search = _Search(stops)
    return search.feed(text) + search.held


class _Search:
    """A search for the first complete stop sequence in a text that arrives in fragments.

    :ivar is_over: whether one was found.
    :ivar held: text that is held back, as it may be the beginning of one.
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
