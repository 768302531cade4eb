"""A conversation, in which each question is asked together with the turns before it."""

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

    Where the Space itself keeps the conversation, each turn is asked in the session of the one
    before, as on its page; elsewhere, and after a turn that was not completed, earlier turns are
    sent along.

    :param system: the system prompt; may be changed between turns.
    :param space: the Space, as `owner/name` or URL; else `$QWEN_GRADIO_SPACE`; else the provider's.
    :param model: a model of any provider's; by default, that of `provider`, else Qwen3.
    :param provider: a provider, or its name; by default, the model's own.
    :param options: other arguments of `Provider.create_async_generator`, for every turn. The
        default of `history` is "native" here.
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
        self.stream("?")  # raises if a parameter is wrong; a stream that is not read asks nothing

    @property
    def messages(self) -> list[dict[str, str]]:
        """The text of the conversation so far, as messages. The system prompt comes first."""
        turns = map(to_turn, self._after_system(self._turns))
        return [{"role": role, "content": text} for role, text in turns]

    async def ask(self, question: str, *, files: Files | None = None) -> str:
        """Ask, wait for the complete reply, and return it.

        :param files: what goes with the question, as for a provider.
        :raises QwenGradioError: if there is no reply, or no complete one.
        """
        return await self.stream(question, files=files).text()

    def ask_sync(self, question: str, *, files: Files | None = None) -> str:
        """Do what `ask` does, without `await`: in scripts, and in a cell of a notebook."""
        return read(self.stream(question, files=files))

    def stream_sync(self, question: str, *, files: Files | None = None) -> Fragments:
        """Ask, and return the reply as `qwen_gradio.stream` does: loop over it without `await`."""
        return Fragments(self.stream(question, files=files))

    def stream(self, question: str, *, files: Files | None = None) -> FragmentStream:
        """Ask, and return the reply as a stream. When it is complete, the turn is remembered.

        :param files: what goes with the question, as for a provider; also kept for later turns.
        :raises InvalidMessagesError: at once, if the question is not text or a file cannot be sent.
        """
        if not isinstance(question, str):
            raise InvalidMessagesError(
                f"question must be text, not {type(question).__name__}: the turns before it are "
                "remembered here. To send messages of your own, use a provider or `ask`"
            )
        require(system=self.system)
        attached = [] if files is None else read_files(files)
        parts = [{"type": "file", "file": file} for file in attached]
        content = [{"type": "text", "text": question}, *parts] if parts else question
        asked = {"role": "user", "content": content}
        turns = self._turns  # reset() replaces the list, so that a late turn is not remembered

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
        """Forget the turns, and keep the system prompt."""
        self._turns = []
        self._session = Session()

    def __repr__(self) -> str:
        return f"<Chat with {self._provider.label}: {len(self._turns) // 2} turns>"

    def _after_system(self, turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
        before = [] if self.system is None else [{"role": "system", "content": self.system}]
        return [*before, *turns]
