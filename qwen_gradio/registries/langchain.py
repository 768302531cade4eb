"""`ChatQwenGradio`, a chat model for LangChain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from typing import Any, NoReturn

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
)
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils import from_env
from pydantic import ConfigDict, Field, SecretStr

from .._messages import History
from .._stops import cut, cut_async, cut_text
from .._stream import FragmentStream
from .._updates import Reasoning
from ..provider import provider_of
from ..sync import pieces, read

OPTIONS = (
    *("space", "api_key", "auth", "proxy"),
    *("timeout", "stream_timeout", "max_retries", "history", "api_name"),
)
INPUTS = ("temperature", "max_tokens", "top_p", "inputs")
"""Fields that are passed only if they are set, as few Spaces have such inputs."""
UNSUPPORTED = (
    *("tools", "tool_choice", "functions", "function_call"),
    *("response_format", "logprobs", "top_logprobs", "modalities", "audio"),
)
"""Options that would change the form of the reply in ways that a text chat does not support."""


class ChatQwenGradio(BaseChatModel):
    """A chat behind a Gradio Space.

    ```python
    model = ChatQwenGradio()
    for chunk in model.stream("Why is the sky blue?"):
        print(chunk.text, end="", flush=True)
    ```

    Fields can also be given for one call, as in `model.invoke(..., timeout=10)`. Replies are text,
    complete or streamed: tools, structured output, images and several choices are rejected. What
    the model thinks before it answers is among a message's `content_blocks`, as "reasoning".

    :raises ValueError: when asked, if the call needs more than a text chat.
    :raises NotImplementedError: at once, for tools and structured output.
    :raises QwenGradioError: if there is no reply, or no complete one.
    """

    model: str = "qwen-2-5-max"
    space: str | None = Field(default_factory=from_env("QWEN_GRADIO_SPACE", default=None))
    """The Space, as `owner/name` or URL; else `$QWEN_GRADIO_SPACE`, else the model's own."""
    api_key: SecretStr | None = None
    """A Hugging Face token, sent only to the Space. Without it, no token is sent."""
    auth: tuple[str, SecretStr] | None = Field(default=None, repr=False)
    """User and password, for a Gradio app with a login."""
    proxy: str | None = Field(default=None, repr=False)
    timeout: float | None = None
    """Seconds for the complete reply."""
    stream_timeout: float | None = 120.0
    """Seconds that may pass between two updates."""
    max_retries: int = 2
    history: History = "flat"
    """Whether earlier turns go in the query ("flat") or in the Space's history input ("native")."""
    stop: list[str] | str | None = None
    """Sequences before which the reply ends. A stream also stops the Space there."""
    streaming: bool = False
    """Whether `invoke` streams the reply, so that callbacks receive each fragment."""
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    inputs: dict[str, Any] | None = None
    """Values for other inputs of the Space, by name."""
    api_name: str | int | None = None
    """The name or number of the Space's endpoint, where several could be meant."""

    model_config = ConfigDict(extra="forbid")

    @property
    def _llm_type(self) -> str:
        return "qwen-gradio"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        names = ("model", "space", "api_name", "history", "stop", *INPUTS)
        return {name: getattr(self, name) for name in names}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=self._stops(stop), **kwargs)
        params["ls_provider"] = "qwen_gradio"
        return params

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> NoReturn:
        raise NotImplementedError(
            "ChatQwenGradio does not support tools: a Space's chat is text only"
        )

    def with_structured_output(self, schema: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(
            "ChatQwenGradio does not support structured output: a Space's chat is text only. "
            "Ask for JSON in the prompt, and parse the reply with an output parser"
        )

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        stops = self._checked_stops(stop)
        stream = self._ask(messages, kwargs)
        return self._result(read(stream), stream.reasoning, stops, kwargs)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        stops = self._checked_stops(stop)
        stream = self._ask(messages, kwargs)
        return self._result(await stream.text(), stream.reasoning, stops, kwargs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        stops = self._checked_stops(stop)
        with closing(pieces(self._ask(messages, kwargs))) as arriving:
            for piece in cut(arriving, stops):
                if piece:
                    yield _chunk(piece)
        yield self._last_chunk(kwargs)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        stops = self._checked_stops(stop)
        async with (
            self._ask(messages, kwargs) as stream,
            aclosing(cut_async(stream, stops)) as arriving,
        ):
            async for piece in arriving:
                if piece:
                    yield _chunk(piece)
        yield self._last_chunk(kwargs)

    def _ask(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> FragmentStream:
        unsupported = [name for name in UNSUPPORTED if kwargs.get(name)]
        if kwargs.get("n") not in (None, 1):
            unsupported.append("n > 1")
        if unsupported:
            raise ValueError(f"ChatQwenGradio does not support {', '.join(unsupported)}")
        options = {name: getattr(self, name) for name in OPTIONS}
        inputs = {name: getattr(self, name) for name in INPUTS}
        options |= {name: value for name, value in inputs.items() if value is not None}
        options |= kwargs
        model = options.pop("model", self.model)
        options["api_key"] = _revealed(options["api_key"])
        if options["auth"] is not None:
            options["auth"] = tuple(map(_revealed, options["auth"]))
        return provider_of(model).create_async_generator(
            model, [_to_openai(message) for message in messages], **options
        )

    def _stops(self, stop: list[str] | None) -> list[str]:
        stops = self.stop if stop is None else stop
        return [stops] if isinstance(stops, str) else list(stops or [])

    def _checked_stops(self, stop: list[str] | None) -> list[str]:
        stops = self._stops(stop)
        if not all(isinstance(stop, str) and stop for stop in stops):
            raise ValueError(f"stop: each sequence must be text and not empty, not {stops!r}")
        return stops

    def _metadata(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        return {"model_name": kwargs.get("model") or self.model, "model_provider": "qwen_gradio"}

    def _result(
        self, text: str, reasoning: str, stops: list[str], kwargs: dict[str, Any]
    ) -> ChatResult:
        message = AIMessage(
            cut_text(text, stops),
            additional_kwargs=_thought(reasoning) if reasoning else {},
            response_metadata=self._metadata(kwargs),
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _last_chunk(self, kwargs: dict[str, Any]) -> ChatGenerationChunk:
        metadata = self._metadata(kwargs)
        return _chunk("", response_metadata=metadata, chunk_position="last")


def _chunk(piece: str | Reasoning, **fields: Any) -> ChatGenerationChunk:
    if isinstance(piece, Reasoning):
        message = AIMessageChunk(content="", additional_kwargs=_thought(piece.text))
    else:
        message = AIMessageChunk(content=piece, **fields)
    return ChatGenerationChunk(message=message)


def _thought(text: str) -> dict[str, str]:
    """Where LangChain finds the reasoning of a message, and makes a content block of it."""
    return {"reasoning_content": text}


def _to_openai(message: BaseMessage) -> dict[str, Any]:
    match message:
        case SystemMessage():
            role = "system"
        case HumanMessage():
            role = "user"
        case AIMessage(tool_calls=[]):
            role = "assistant"
        case ChatMessage():
            role = message.role
        case _:
            what = "tool calls" if isinstance(message, AIMessage) else type(message).__name__
            raise ValueError(f"ChatQwenGradio is a text chat and cannot send {what}")
    content: Any = message.content
    if isinstance(content, list):
        content = [{"type": "text", "text": p} if isinstance(p, str) else p for p in content]
    return {"role": role, "content": content}


def _revealed(secret: SecretStr | str | None) -> str | None:
    return secret.get_secret_value() if isinstance(secret, SecretStr) else secret
