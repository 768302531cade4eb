"""A plugin for llm (https://llm.datasette.io): `llm -m qwen-2-5-max "..."`.

llm imports this file on every run, so the code that asks a Space is imported only for a prompt.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import llm
from pydantic import Field

if TYPE_CHECKING:
    from .._stream import FragmentStream

MODEL = "qwen-2-5-max"
KEY = "qwen-gradio"
"""The name for an optional Hugging Face token in `llm keys set`."""


@llm.hookimpl
def register_models(register: Callable[..., None]) -> None:
    register(Qwen(), AsyncQwen(), aliases=["qwen-2.5-max"])


class _Shared:
    model_id = MODEL
    can_stream = True
    key: str | None = None

    class Options(llm.Model.Options):
        space: str | None = Field(
            default=None,
            description='The Space, as "owner/name" or URL; else $QWEN_GRADIO_SPACE',
        )
        timeout: float | None = Field(
            default=None, description="Seconds for the complete reply", gt=0
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
    ) -> Iterator[str]:
        from ..sync import Fragments, read

        with _errors():
            reply = _ask(prompt, key)
            if stream:
                yield from Fragments(reply)
            else:
                yield read(reply)


class AsyncQwen(_Shared, llm.AsyncKeyModel):
    """The model for `llm --async` and `llm.get_async_model`."""

    async def execute(
        self,
        prompt: llm.Prompt,
        stream: bool,
        response: llm.AsyncResponse,
        conversation: llm.AsyncConversation | None,
        key: str | None,
    ) -> AsyncGenerator[str, None]:
        with _errors():
            async with _ask(prompt, key) as reply:
                if stream:
                    async for fragment in reply:
                        yield fragment
                else:
                    yield await reply.text()


def _ask(prompt: llm.Prompt, key: str | None) -> FragmentStream:
    from ..provider import Qwen_Qwen_2_5_Max

    options = prompt.options.model_dump()
    return Qwen_Qwen_2_5_Max.create_async_generator(
        MODEL, _messages(prompt), api_key=key, **options
    )


def _messages(prompt: llm.Prompt) -> list[dict[str, Any]]:
    messages = [{"role": m.role, "content": _text(m)} for m in prompt.messages]
    # llm omits the system prompt of a later turn, as in `llm -c -s "Be brief." "..."`.
    system = {"role": "system", "content": prompt.system}
    return messages if not prompt.system or system in messages else [*messages, system]


def _text(message: llm.Message) -> str:
    from llm.parts import ReasoningPart, TextPart

    parts = [part for part in message.parts if not isinstance(part, ReasoningPart)]
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    if len(texts) < len(parts) or message.role == "tool":
        raise llm.ModelError(f"{MODEL} takes only text: no attachments and no tools")
    return "".join(texts)


@contextmanager
def _errors() -> Iterator[None]:
    from ..errors import QwenGradioError

    try:
        yield
    except QwenGradioError as error:
        raise llm.ModelError(str(error)) from error
