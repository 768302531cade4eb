"""A plugin for llm (https://llm.datasette.io): `llm -m qwen-2-5-max "..."`.

llm imports this file on every run, so the code that reads replies is imported only for a prompt.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from .._extras import needing
from .._models import provider_of, providers
from .._page.plan import Session
from .._reply import Reasoning
from .._stream import FragmentStream
from ..errors import QwenGradioError

with needing("llm"):
    import llm
    from llm.parts import StreamEvent
    from pydantic import Field

KEY = "qwen-gradio"
"""The name for an optional Hugging Face token in `llm keys set`."""


SESSION = "qwen_gradio_session"
"""Where an answer has what the next turn needs to go on in the Space's session."""


@llm.hookimpl
def register_models(register: Callable[..., None]) -> None:
    for provider in providers().values():
        names: dict[str, list[str]] = {}
        for name in dict.fromkeys([*provider.models, *provider.model_aliases]):
            names.setdefault(provider.get_model(name), []).append(name)
        for model, *aliases in names.values():
            register(Qwen(model), AsyncQwen(model), aliases=aliases)


class _Shared:
    can_stream = True
    key: str | None = None

    def __init__(self, model_id: str = "qwen-2-5-max") -> None:
        self.model_id = model_id

    class Options(llm.Model.Options):
        space: str | None = Field(
            default=None,
            description='The Space, as "owner/name" or URL; else $QWEN_GRADIO_SPACE',
        )
        timeout: float | None = Field(
            default=None, description="Seconds for the complete reply", gt=0
        )
        stream_timeout: float | None = Field(
            default=None, description="Seconds that may pass between two updates; else 300", gt=0
        )
        temperature: float | None = Field(
            default=None, description="Sampling temperature, for Spaces that have such an input"
        )
        max_tokens: int | None = Field(
            default=None,
            description="Limit for the reply in tokens, for Spaces that have such an input",
        )
        top_p: float | None = Field(
            default=None, description="Nucleus sampling, for Spaces that have such an input"
        )
        thinking_budget: int | None = Field(
            default=None,
            description="Limit for the reasoning of Qwen3, in thousands of tokens",
        )
        history: Literal["flat", "native"] | None = Field(
            default=None,
            description="How earlier turns are sent: in the Space's own chat (native, the default) "
            "or in the question (flat)",
        )
        reasoning_tags: bool | None = Field(
            default=None,
            description="Whether text between tags such as <think> is reasoning",
        )
        api_name: str | None = Field(
            default=None,
            description="The Space's endpoint, where several could be meant",
        )

    def get_key(self, explicit_key: str | None = None) -> str | None:
        return self.key or llm.get_key(explicit_key, KEY)


class Qwen(_Shared, llm.KeyModel):
    """The model for `llm` and `llm.get_model`."""

    def execute(
        self,
        prompt: llm.Prompt,
        stream: bool,
        response: llm.Response,
        conversation: llm.Conversation | None,
        key: str | None,
    ) -> Iterator[str | StreamEvent]:
        from ..sync import pieces, read

        with _errors():
            reply, session = _ask(self.model_id, prompt, key)
            if stream:
                yield from map(_event, pieces(reply))
            else:
                text = read(reply)
                yield from _complete(reply.reasoning, text)
            yield from _metadata(session)


class AsyncQwen(_Shared, llm.AsyncKeyModel):
    """The model for `llm --async` and `llm.get_async_model`."""

    async def execute(
        self,
        prompt: llm.Prompt,
        stream: bool,
        response: llm.AsyncResponse,
        conversation: llm.AsyncConversation | None,
        key: str | None,
    ) -> AsyncGenerator[str | StreamEvent, None]:
        with _errors():
            reply, session = _ask(self.model_id, prompt, key)
            async with reply:
                if stream:
                    while (piece := await reply.next_piece()) is not None:
                        yield _event(piece)
                else:
                    text = await reply.text()
                    for event in _complete(reply.reasoning, text):
                        yield event
            for metadata in _metadata(session):
                yield metadata


def _ask(model: str, prompt: llm.Prompt, key: str | None) -> tuple[FragmentStream, Session]:
    """Ask, in the session of the last turn if the Space keeps the conversation."""
    options = {"history": "native", **prompt.options.model_dump(exclude_none=True)}
    stream = provider_of(model).create_async_generator(
        model, _messages(prompt), api_key=key, **options
    )
    answers = [message for message in prompt.messages if message.role == "assistant"]
    parts = answers[-1].parts if answers else []
    saved = [(getattr(part, "provider_metadata", None) or {}).get(SESSION) for part in parts]
    session = Session(next(filter(None, saved), None))
    stream.continue_session(session, lambda reply: None)
    return stream, session


def _metadata(session: Session) -> Iterator[StreamEvent]:
    """Yield what llm keeps with an answer, and gives back with the next question."""
    if session.hash:
        yield StreamEvent("text", "", provider_metadata={SESSION: session.save()})


def _complete(reasoning: str, text: str) -> Iterator[str | StreamEvent]:
    if reasoning:
        yield StreamEvent("reasoning", reasoning)
    yield text


def _event(piece: str | Reasoning) -> str | StreamEvent:
    return piece if isinstance(piece, str) else StreamEvent("reasoning", piece.text)


def _messages(prompt: llm.Prompt) -> list[dict[str, Any]]:
    messages = [
        {"role": message.role, "content": [part.to_dict() for part in message.parts]}
        for message in prompt.messages
    ]
    # llm omits the system prompt of a later turn, as in `llm -c -s "Be brief." "..."`.
    system = {"role": "system", "content": [{"type": "text", "text": prompt.system}]}
    return messages if not prompt.system or system in messages else [*messages, system]


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except QwenGradioError as error:
        raise llm.ModelError(str(error)) from error
