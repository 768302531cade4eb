"""`ChatQwenGradio`, a chat model for LangChain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
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
from .._stream import FragmentStream
from ..provider import Qwen_Qwen_2_5_Max
from ..sync import Fragments, read
from ._stops import Cut

PASSED = ("proxy", "timeout", "stream_timeout", "max_retries", "history")
GIVEN = ("temperature", "max_tokens", "top_p", "inputs")
"""Passed only if there is something to pass: few Spaces have a use for them."""
REFUSED = (
    *("tools", "tool_choice", "functions", "function_call"),
    *("response_format", "logprobs", "top_logprobs", "modalities", "audio"),
)
"""What would change the form of the reply, and a text chat cannot give."""


class ChatQwenGradio(BaseChatModel):
    """A chat behind a Gradio Space.

    ```python
    model = ChatQwenGradio()
    for chunk in model.stream("Why is the sky blue?"):
        print(chunk.text, end="", flush=True)
    ```

    Fields can also be given for one call, as in `model.invoke(..., timeout=10)`. Replies are whole
    or streamed text: tools, structured output, images and several choices are refused.

    :raises ValueError: when asked, if something is asked for that a text chat cannot do.
    :raises NotImplementedError: at once, for tools and structured output.
    :raises QwenGradioError: if the reply cannot be had, or not to its end.
    """

    model: str = "qwen-2-5-max"
    space: str | None = Field(default_factory=from_env("QWEN_GRADIO_SPACE", default=None))
    """The Space, as `owner/name` or URL; else `$QWEN_GRADIO_SPACE`, else the real one."""
    api_key: SecretStr | None = None
    """Hugging Face token, sent to the Space alone. None is sent unless given here."""
    auth: tuple[str, SecretStr] | None = Field(default=None, repr=False)
    """User and password, for a Gradio app that asks for a login."""
    proxy: str | None = Field(default=None, repr=False)
    timeout: float | None = None
    """Seconds for the whole reply."""
    stream_timeout: float | None = 120.0
    """Seconds that may pass without any update."""
    max_retries: int = 2
    history: History = "flat"
    """Whether earlier turns go in the query ("flat") or in the Space's history input ("native")."""
    stop: list[str] | str | None = None
    """The reply ends before the first of these. A stream stops the Space there."""
    streaming: bool = False
    """Whether `invoke` reads the reply as a stream, for callbacks that want each fragment."""
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    inputs: dict[str, Any] | None = None
    """Values for other inputs of the Space, by name."""

    model_config = ConfigDict(extra="forbid")

    @property
    def _llm_type(self) -> str:
        return "qwen-gradio"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        names = ("model", "space", "history", "stop", *GIVEN)
        return {name: getattr(self, name) for name in names}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=self._stops(stop), **kwargs)
        params["ls_provider"] = "qwen_gradio"
        return params

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> NoReturn:
        raise NotImplementedError("ChatQwenGradio cannot call tools: a Space's chat is text only")

    def with_structured_output(self, schema: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(
            "ChatQwenGradio has no structured output: a Space's chat is text only. Ask for JSON in "
            "the prompt, and read it with an output parser"
        )

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        cut = self._cut(stop)
        return self._result(read(self._ask(messages, kwargs)), cut, kwargs)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        cut = self._cut(stop)
        return self._result(await self._ask(messages, kwargs).text(), cut, kwargs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        cut = self._cut(stop)
        with Fragments(self._ask(messages, kwargs)) as fragments:
            for fragment in fragments:
                if text := cut.after(fragment):
                    yield _chunk(text)
                if cut.done:
                    break
        yield self._last_chunk(cut.rest, kwargs)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        cut = self._cut(stop)
        async with self._ask(messages, kwargs) as fragments:
            async for fragment in fragments:
                if text := cut.after(fragment):
                    yield _chunk(text)
                if cut.done:
                    break
        yield self._last_chunk(cut.rest, kwargs)

    def _ask(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> FragmentStream:
        refused = [name for name in REFUSED if kwargs.get(name)]
        if kwargs.get("n") not in (None, 1):
            refused.append("n > 1")
        if refused:
            raise ValueError(f"ChatQwenGradio is a text chat, and cannot do {', '.join(refused)}")
        options = {name: getattr(self, name) for name in ("space", "api_key", "auth", *PASSED)}
        given = {name: getattr(self, name) for name in GIVEN}
        options |= {name: value for name, value in given.items() if value is not None}
        options |= kwargs
        model = options.pop("model", self.model)
        options["api_key"] = _revealed(options["api_key"])
        if options["auth"] is not None:
            options["auth"] = tuple(map(_revealed, options["auth"]))
        return Qwen_Qwen_2_5_Max.create_async_generator(
            model, [_as_openai(message) for message in messages], **options
        )

    def _stops(self, stop: list[str] | None) -> list[str]:
        stops = self.stop if stop is None else stop
        return [stops] if isinstance(stops, str) else list(stops or [])

    def _cut(self, stop: list[str] | None) -> Cut:
        stops = self._stops(stop)
        if not all(isinstance(stop, str) and stop for stop in stops):
            raise ValueError(f"stop: each sequence must be text and not empty, not {stops!r}")
        return Cut(stops)

    def _metadata(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        return {"model_name": kwargs.get("model") or self.model, "model_provider": "qwen_gradio"}

    def _result(self, text: str, cut: Cut, kwargs: dict[str, Any]) -> ChatResult:
        message = AIMessage(cut.after(text) + cut.rest, response_metadata=self._metadata(kwargs))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _last_chunk(self, text: str, kwargs: dict[str, Any]) -> ChatGenerationChunk:
        metadata = self._metadata(kwargs)
        return _chunk(text, response_metadata=metadata, chunk_position="last")


def _chunk(text: str, **fields: Any) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=text, **fields))


def _as_openai(message: BaseMessage) -> dict[str, Any]:
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
            raise ValueError(f"ChatQwenGradio is a text chat, and cannot send {what}")
    content: Any = message.content
    if isinstance(content, list):
        content = [{"type": "text", "text": p} if isinstance(p, str) else p for p in content]
    return {"role": role, "content": content}


def _revealed(secret: SecretStr | str | None) -> str | None:
    return secret.get_secret_value() if isinstance(secret, SecretStr) else secret
