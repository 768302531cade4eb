"""Stop sequences, for registries whose users give some; Spaces do not support them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator, Sequence


def cut(fragments: Iterable[str], stops: Sequence[str]) -> Iterator[str]:
    """Yield a text up to its first stop sequence, wherever the fragments divide that.

    For each fragment, yields the text that is certain by then, perhaps none; then what remains.

    :param stops: the sequences, none of them empty.
    """
    search = _Search(stops)
    for fragment in fragments:
        yield search.feed(fragment)
        if search.is_over:
            return
    yield search.held


async def cut_async(
    fragments: AsyncIterable[str], stops: Sequence[str]
) -> AsyncGenerator[str, None]:
    """Do the same as `cut`, for an async iterable."""
    search = _Search(stops)
    async for fragment in fragments:
        yield search.feed(fragment)
        if search.is_over:
            return
    yield search.held


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
        begun = [n for s in self._stops for n in range(1, len(s)) if text.endswith(s[:n])]
        certain = len(text) - max(begun, default=0)
        self.held = text[certain:]
        return text[:certain]
