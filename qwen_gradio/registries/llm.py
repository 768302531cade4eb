"""A plugin for llm (https://llm.datasette.io): `llm -m qwen-2-5-max "..."`.

Usage is an estimate of one token per four bytes: Spaces report none.

llm imports this file on every run. The code that reads replies is only imported for a prompt.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, get_type_hints

from .._extras import require_extra
from .._files.attachments import from_url
from .._files.media import ENDINGS, UNKNOWN, kind_of
from .._files.reading import read_files
from .._models import provider_of, providers
from .._openai import complete_text, cut, cut_async, estimate_usage
from .._options import Options, Sampling
from .._page.session import Session
from .._reply import Reasoning
from .._stream import FragmentStream
from ..errors import QwenGradioError

with require_extra("llm"):
    import llm
    from llm.parts import AttachmentPart, StreamEvent
    from pydantic import Field, create_model

KEY = "qwen-gradio"
"""The name of an optional Hugging Face token in `llm keys set`."""
SESSION = "qwen_gradio_session"
"""The key for the Space's session in an answer's metadata. The next turn continues it."""


@llm.hookimpl
def register_models(register: Callable[..., None]) -> None:
    for provider in providers().values():
        names: dict[str, list[str]] = {}
        for name in dict.fromkeys([*provider.models, *provider.model_aliases]):
            names.setdefault(provider.get_model(name), []).append(name)
        for model, *aliases in names.values():
            register(Qwen(model), AsyncQwen(model), aliases=aliases)


OPTIONS = {
    "space": 'The Space, as "owner/name" or URL; by default $QWEN_GRADIO_SPACE',
    "timeout": "Seconds for the complete reply",
    "stream_timeout": "Maximum seconds between two updates; by default 300",
    "history": "How to send earlier turns: in the Space's own history (native, the default) "
    "or in the question (flat)",
    "reasoning_tags": "Whether text between tags such as <think> is reasoning",
    "api_name": "The name or number of the endpoint to ask, if the Space has several",
    **dict.fromkeys(Sampling.__annotations__, "Passed to Spaces that have an input for it"),
}
"""The options for llm's users, with their help texts."""


def _options() -> type[llm.Options]:
    types = {**get_type_hints(Options), "reasoning_tags": bool}
    fields: Any = {
        name: (types[name] | None, Field(None, description=description))
        for name, description in OPTIONS.items()
    }
    return create_model("Options", __base__=llm.Options, **fields)


class _Shared:
    can_stream = True
    key: str | None = None
    attachment_types: set[str] | frozenset[str] = frozenset(ENDINGS.values())
    Options = _options()

    def __init__(self, model_id: str = "qwen-2-5-max") -> None:
        self.model_id = model_id

    def get_key(self, explicit_key: str | None = None) -> str | None:
        return self.key or llm.get_key(explicit_key, KEY)


class Qwen(_Shared, llm.KeyModel):  # type: ignore[misc]  # mypy wants a written class Options
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
            messages = _messages(prompt)
            reply, session = _ask(self.model_id, prompt, messages, key)
            if stream:
                yield from map(_event, cut(pieces(reply), (), reply))
            else:
                read(reply)
                yield from _complete(reply)
            yield from _end(response, messages, reply, session)


class AsyncQwen(_Shared, llm.AsyncKeyModel):  # type: ignore[misc]
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
            messages = _messages(prompt)
            reply, session = _ask(self.model_id, prompt, messages, key)
            async with reply:
                if stream:
                    async for piece in cut_async(reply, ()):
                        yield _event(piece)
                else:
                    await reply.text()
                    for event in _complete(reply):
                        yield event
            for event in _end(response, messages, reply, session):
                yield event


def _ask(
    model: str, prompt: llm.Prompt, messages: list[dict[str, Any]], key: str | None
) -> tuple[FragmentStream, Session]:
    """Ask. If the Space keeps the conversation, continue the session of the last turn."""
    options = {"history": "native", **prompt.options.model_dump(exclude_none=True)}
    provider = provider_of(model)
    try:
        stream = provider.create_async_generator(model, messages, api_key=key, **options)
    except (TypeError, ValueError) as error:  # an option is wrong
        raise llm.ModelError(str(error)) from error
    answers = [message for message in prompt.messages if message.role == "assistant"]
    parts = answers[-1].parts if answers else []
    saved = [(getattr(part, "provider_metadata", None) or {}).get(SESSION) for part in parts]
    session = Session(next(filter(None, saved), None))
    stream.continue_session(session, lambda reply: None)
    return stream, session


def _end(
    response: llm.Response | llm.AsyncResponse,
    messages: list[dict[str, Any]],
    reply: FragmentStream,
    session: Session,
) -> Iterator[StreamEvent]:
    """Report the usage, and yield the session for llm to keep with the answer."""
    asked, said, thought = estimate_usage(messages, complete_text(reply), reply.reasoning)
    details = {"reasoning_tokens": thought} if thought else None
    response.set_usage(input=asked, output=said, details=details)
    if session.hash:
        yield StreamEvent("text", "", provider_metadata={SESSION: session.save()})


def _complete(reply: FragmentStream) -> Iterator[str | StreamEvent]:
    if reply.reasoning:
        yield StreamEvent("reasoning", reply.reasoning)
    yield complete_text(reply)


def _event(piece: str | Reasoning) -> str | StreamEvent:
    return piece if isinstance(piece, str) else StreamEvent("reasoning", piece.text)


def _messages(prompt: llm.Prompt) -> list[dict[str, Any]]:
    messages = [
        {"role": message.role, "content": [_part(part) for part in message.parts]}
        for message in prompt.messages
    ]
    # llm leaves out a system prompt that a later turn adds, as in `llm -c -s "Be brief." "..."`.
    system = {"role": "system", "content": [{"type": "text", "text": prompt.system}]}
    return messages if not prompt.system or system in messages else [*messages, system]


def _part(part: Any) -> Any:
    if not isinstance(part, AttachmentPart) or (attached := part.attachment) is None:
        return part.to_dict()
    if attached.url:
        file = from_url("The attachment", attached.url, kind_of(attached.type or UNKNOWN))
    else:
        (file,) = read_files([attached.path or attached.content or b""])
    return {"type": "file", "file": file}


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except QwenGradioError as error:
        raise llm.ModelError(str(error)) from error
