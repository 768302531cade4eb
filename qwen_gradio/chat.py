"""Conversations: each question is asked together with the earlier turns."""

from __future__ import annotations

from typing import Any

from typing_extensions import Unpack

from ._files.reading import Files, read_files
from ._messages import to_turn
from ._models import to_provider
from ._options import ChatOptions, Options, require
from ._page.session import Session
from ._stream import FragmentStream
from .errors import InvalidMessagesError
from .provider import Provider, require_known
from .sync import Fragments, read


class Chat:
    """A conversation with a model, which remembers completed turns.

    If the Space itself keeps the conversation, each turn continues the session of the last one, as
    on the Space's page. Otherwise, and after a turn that was not completed, the earlier turns are
    sent with the question.

    :param system: the system prompt; may be changed between turns.
    :param space: the Space, as `owner/name` or URL; by default `$QWEN_GRADIO_SPACE`, else the
        provider's own.
    :param model: a model of any provider; by default, that of `provider`, else Qwen3.
    :param provider: a provider or its name; by default, the model's own.
    :param options: other arguments of `Provider.create_async_generator`, for every turn. `history`
        is "native" by default.
    :raises TypeError, ValueError: if a parameter is wrong.
    """

    def __init__(
        self,
        system: str | None = None,
        space: str | None = None,
        *,
        model: str | None = None,
        provider: type[Provider] | str | None = None,
        **options: Unpack[ChatOptions],
    ) -> None:
        provider = to_provider(provider, model)
        require_known(provider, options)
        self.system = system
        self._turns: list[dict[str, Any]] = []
        self._session = Session()
        self._provider = provider
        self._model = model
        self._options: Options = {"history": "native", "space": space, **options}
        self.stream("?")  # raises if a parameter is wrong, and asks nothing

    @property
    def messages(self) -> list[dict[str, str]]:
        """The conversation so far, as messages of text. The system prompt comes first."""
        turns = map(to_turn, self._after_system(self._turns))
        return [{"role": role, "content": text} for role, text in turns]

    async def ask(self, question: str, *, files: Files | None = None) -> str:
        """Ask, wait for the complete reply, and return it.

        :param files: files for the question, as for a provider.
        :raises QwenGradioError: if the reply fails or is not complete.
        """
        return await self.stream(question, files=files).text()

    def ask_sync(self, question: str, *, files: Files | None = None) -> str:
        """Do what `ask` does, without `await`: for scripts and notebook cells."""
        return read(self.stream(question, files=files))

    def stream_sync(self, question: str, *, files: Files | None = None) -> Fragments:
        """Ask, and return the reply as an iterator of fragments, as `qwen_gradio.stream` does."""
        return Fragments(self.stream(question, files=files))

    def stream(self, question: str, *, files: Files | None = None) -> FragmentStream:
        """Ask, and return the reply as a stream. Once it is complete, the turn is remembered.

        :param files: files for the question, as for a provider; also kept for later turns.
        :raises InvalidMessagesError: at once, if the question is not text or a file cannot be sent.
        """
        if not isinstance(question, str):
            raise InvalidMessagesError(
                f"question must be text, not {type(question).__name__}: Chat remembers the earlier "
                "turns. To send your own messages, use a provider or `ask`"
            )
        require(system=self.system)
        attached = [] if files is None else read_files(files)
        parts = [{"type": "file", "file": file} for file in attached]
        content = [{"type": "text", "text": question}, *parts] if parts else question
        asked = {"role": "user", "content": content}
        turns = self._turns  # reset() replaces the list: a late reply must not be remembered

        session = self._session

        def remember(reply: str) -> None:
            turns.extend((asked, {"role": "assistant", "content": reply}))
            session.is_remembered = True

        stream = self._provider.create_async_generator(
            self._model, self._after_system([*turns, asked]), **self._options
        )
        stream.continue_session(session, remember)
        return stream

    def reset(self) -> None:
        """Forget the turns, but keep the system prompt."""
        self._turns = []
        self._session = Session()

    def __repr__(self) -> str:
        return f"<Chat with {self._provider.label}: {len(self._turns) // 2} turns>"

    def _after_system(self, turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
        before = [] if self.system is None else [{"role": "system", "content": self.system}]
        return [*before, *turns]
