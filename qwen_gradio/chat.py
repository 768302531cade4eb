"""A conversation: each question is asked together with the turns before it."""

from __future__ import annotations

from typing import Any

from ._stream import FragmentStream
from .provider import Provider, Qwen_Qwen_2_5_Max, require_known


class Chat:
    """A conversation with a model, which remembers the turns that were completed.

    A turn that fails, or is left before its end, leaves the conversation as it was.

    :param system: the system prompt; may be changed between turns.
    :param space: the Space, as `owner/name` or URL; else the one that the provider asks.
    :param options: what else `Provider.create_async_generator` takes, for every turn. Unlike there,
        `history` is "native": earlier turns go in the Space's own history input, if it has one.
    """

    def __init__(
        self,
        system: str | None = None,
        space: str | None = None,
        *,
        model: str | None = None,
        provider: type[Provider] = Qwen_Qwen_2_5_Max,
        **options: Any,
    ) -> None:
        require_known(provider, options)
        self.system = system
        self._turns: list[dict[str, str]] = []
        self._provider = provider
        self._model = model
        self._options = {"history": "native", "space": space, **options}

    @property
    def messages(self) -> list[dict[str, str]]:
        """The conversation so far, as messages, the system prompt first."""
        return [dict(turn) for turn in self._after_system(self._turns)]

    async def ask(self, question: str) -> str:
        """Ask, wait for the whole reply, and return it.

        :raises QwenGradioError: if the reply cannot be had, or not to its end.
        """
        return await self.stream(question).text()

    def stream(self, question: str) -> FragmentStream:
        """Ask, and read the reply as it is written. Once it is whole, the turn is remembered."""
        asked = {"role": "user", "content": question}
        turns = self._turns  # after a reset, these are no longer the conversation's

        def remember(reply: str) -> None:
            turns.extend((asked, {"role": "assistant", "content": reply}))

        stream = self._provider.create_async_generator(
            self._model, self._after_system([*turns, asked]), **self._options
        )
        stream.on_complete = remember
        return stream

    def reset(self) -> None:
        """Forget the turns, and keep the system prompt."""
        self._turns = []

    def __repr__(self) -> str:
        return f"<Chat with {self._provider.label}: {len(self._turns) // 2} turns>"

    def _after_system(self, turns: list[dict[str, str]]) -> list[dict[str, str]]:
        before = [] if self.system is None else [{"role": "system", "content": self.system}]
        return [*before, *turns]
