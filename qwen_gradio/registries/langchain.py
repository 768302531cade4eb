"""`ChatQwenGradio`, a chat model for LangChain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from ssl import SSLContext
from typing import Any, NoReturn

from .._extras import require_extra
from .._messages import History
from .._models import provider_of
from .._openai import (
    complete_text,
    cut,
    cut_async,
    estimate_tokens,
    stop_sequences,
    unsupported,
)
from .._options import Options, ReasoningTags, Sampling
from .._reply import Reasoning, StreamStatus
from .._stream import FragmentStream
from ..sync import pieces, read

with require_extra("langchain"):
    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, UsageMetadata
    from langchain_core.messages.utils import count_tokens_approximately
    from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
    from langchain_core.utils import from_env
    from pydantic import ConfigDict, Field, SecretStr


class ChatQwenGradio(BaseChatModel):
    """A chat behind a Gradio Space.

    ```python
    model = ChatQwenGradio()
    for chunk in model.stream("Why is the sky blue?"):
        print(chunk.text, end="", flush=True)
    ```

    Fields can also be set for one call, as in `model.invoke(..., timeout=10)`. Messages may contain
    images, audio and files, if the Space takes them. Replies are text, complete or streamed, with
    links to their files at the end. Tools, structured output and several choices are rejected. Ask
    for JSON in the prompt, and parse the reply with an output parser. The model's reasoning is in a
    message's `content_blocks`.

    `usage_metadata` is an estimate by LangChain's `count_tokens_approximately`, of about one token
    per four characters: Spaces report none. Do not use it for billing.

    :raises ValueError: when asked, if the call requires more than a text chat.
    :raises NotImplementedError: at once, for tools and structured output.
    :raises QwenGradioError: if the reply fails or is not complete.
    """

    model: str = "qwen-2-5-max"
    space: str | None = Field(default_factory=from_env("QWEN_GRADIO_SPACE", default=None))
    """The Space, as `owner/name` or URL; by default `$QWEN_GRADIO_SPACE`, else the model's own."""
    api_key: SecretStr | None = None
    """A Hugging Face token, sent only to the Space and the Hub. Without it, no token is sent."""
    auth: tuple[str, SecretStr] | SecretStr | None = Field(default=None, repr=False)
    """User and password, or "user:password", for a Gradio app with a login."""
    oauth_token: SecretStr | None = None
    """A Hugging Face token that lets the Space's code act for you, if it asks for one."""
    proxy: str | None = Field(default=None, repr=False)
    headers: Mapping[str, str] | None = Field(default=None, repr=False)
    """Additional headers for every request to the Space."""
    ssl_verify: bool | SSLContext = True
    """A context can trust a self-signed certificate. False trusts every server: dangerous."""
    timeout: float | None = None
    """Seconds for the complete reply."""
    stream_timeout: float | None = 300.0
    """Maximum seconds between two updates."""
    max_retries: float = 2
    history: History = "native"
    """Whether earlier turns go in the Space's history input, if it has one ("native"), or in the
    query ("flat")."""
    stop: list[str] | str | None = None
    """Sequences before which the reply ends. A stream also stops the Space there."""
    streaming: bool = False
    """Whether `invoke` streams the reply, so that callbacks receive each fragment."""
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    seed: int | None = None
    top_k: int | None = None
    min_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    enable_thinking: bool | None = None
    """False turns thinking off, for Qwen3 and Spaces that have an input for it."""
    thinking_budget: int | None = None
    """Limit for the reasoning of Qwen3, in thousands of tokens."""
    inputs: Mapping[str, Any] | None = None
    """Values for other inputs of the Space, by name."""
    api_name: str | int | None = None
    """The name or number of the endpoint to ask, if the Space has several."""
    reasoning_tags: ReasoningTags | None = None
    """Whether text between tags such as `<think>` is reasoning, or your own pairs of tags."""
    on_status: Callable[[StreamStatus], object] | None = Field(
        default=None, repr=False, exclude=True
    )
    """Called with each `StreamStatus`, such as the position in the queue."""
    on_reasoning: Callable[[str], object] | None = Field(default=None, repr=False, exclude=True)
    """Called with each piece of reasoning."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    @property
    def _llm_type(self) -> str:
        return "qwen-gradio"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        names = ("model", "space", "api_name", "history", "stop", "inputs", *_names(Sampling))
        return {name: getattr(self, name) for name in names}

    def get_num_tokens(self, text: str) -> int:
        if self.custom_get_token_ids is not None:
            return super().get_num_tokens(text)
        return estimate_tokens(text)  # LangChain's own counter needs `transformers`

    def get_num_tokens_from_messages(
        self, messages: list[BaseMessage], tools: Sequence[Any] | None = None
    ) -> int:
        if self.custom_get_token_ids is not None:
            return super().get_num_tokens_from_messages(messages, tools)
        return count_tokens_approximately(messages)

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> NoReturn:
        raise NotImplementedError("ChatQwenGradio does not support tools or structured output")

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        stream = self._ask(messages, kwargs)
        read(stream)
        return self._result(messages, stream, stop, kwargs)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        stream = self._ask(messages, kwargs)
        await stream.text()
        return self._result(messages, stream, stop, kwargs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        arrived: list[str | Reasoning] = []
        stream = self._ask(messages, kwargs)
        with closing(pieces(stream)) as arriving:
            for piece in cut(arriving, self._stops(stop), stream):
                if piece:
                    arrived.append(piece)
                    yield _chunk(piece)
        yield self._last_chunk(messages, arrived, kwargs)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        arrived: list[str | Reasoning] = []
        async with (
            self._ask(messages, kwargs) as stream,
            aclosing(cut_async(stream, self._stops(stop))) as arriving,
        ):
            async for piece in arriving:
                if piece:
                    arrived.append(piece)
                    yield _chunk(piece)
        yield self._last_chunk(messages, arrived, kwargs)

    def _ask(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> FragmentStream:
        if rejected := unsupported(kwargs):
            raise ValueError(f"ChatQwenGradio does not support {', '.join(rejected)}")
        options = {name: getattr(self, name) for name in _names(Options)} | kwargs
        model = options.pop("model", self.model)
        return provider_of(model).create_async_generator(model, messages, **options)

    def _stops(self, stop: list[str] | None) -> list[str]:
        return stop_sequences(self.stop if stop is None else stop)

    def _details(
        self, messages: list[BaseMessage], text: str, reasoning: str, kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        name = kwargs.get("model") or self.model
        return {
            "response_metadata": {"model_name": name, "model_provider": "qwen_gradio"},
            "usage_metadata": _usage(messages, text, reasoning),
        }

    def _result(
        self,
        messages: list[BaseMessage],
        stream: FragmentStream,
        stop: list[str] | None,
        kwargs: dict[str, Any],
    ) -> ChatResult:
        text, reasoning = complete_text(stream, self._stops(stop)), stream.reasoning
        thought = _reasoning_fields(reasoning) if reasoning else {}
        details = self._details(messages, text, reasoning, kwargs)
        message = AIMessage(text, additional_kwargs=thought, **details)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _last_chunk(
        self, messages: list[BaseMessage], arrived: list[str | Reasoning], kwargs: dict[str, Any]
    ) -> ChatGenerationChunk:
        text = "".join(piece for piece in arrived if isinstance(piece, str))
        reasoning = "".join(piece.text for piece in arrived if isinstance(piece, Reasoning))
        details = self._details(messages, text, reasoning, kwargs)
        return _chunk("", **details, chunk_position="last")


def _chunk(piece: str | Reasoning, **fields: Any) -> ChatGenerationChunk:
    if isinstance(piece, Reasoning):
        message = AIMessageChunk(content="", additional_kwargs=_reasoning_fields(piece.text))
    else:
        message = AIMessageChunk(content=piece, **fields)
    return ChatGenerationChunk(message=message)


def _reasoning_fields(text: str) -> dict[str, str]:
    """Return reasoning in the field from which LangChain makes a content block."""
    return {"reasoning_content": text}


def _names(options: type[Options | Sampling]) -> list[str]:
    return list(options.__annotations__)


def _usage(messages: list[BaseMessage], text: str, reasoning: str) -> UsageMetadata:
    """Estimate the tokens of a question and its reply."""
    asked = count_tokens_approximately(messages)
    said, thought = (
        count_tokens_approximately([AIMessage(t)]) if t else 0 for t in (text, reasoning)
    )
    return UsageMetadata(
        input_tokens=asked,
        output_tokens=said + thought,
        total_tokens=asked + said + thought,
        output_token_details={"reasoning": thought},
    )
