"""Stop sequences, for registries whose users give some: a Space's chat knows none."""

from __future__ import annotations

from collections.abc import Sequence


class Cut:
    """Ends a text before the first stop sequence that is complete, wherever fragments part it.

    :param stops: the sequences, none of them empty.
    :ivar done: whether there was one.
    :ivar rest: text that waits, as it may be the start of one.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self.done = False
        self.rest = ""

    def after(self, fragment: str) -> str:
        """The text that has become certain with this fragment."""
        text = self.rest + fragment
        found = [(at + len(s), at) for s in self._stops if (at := text.find(s)) >= 0]
        if found:
            self.done, self.rest = True, ""
            return text[: min(found)[1]]
        begun = [n for s in self._stops for n in range(1, len(s)) if text.endswith(s[:n])]
        certain = len(text) - max(begun, default=0)
        self.rest = text[certain:]
        return text[:certain]
