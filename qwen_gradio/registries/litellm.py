"""LiteLLM: call `register()`, then ask for `qwen-gradio/qwen-2-5-max` or any other model.

Usage is an estimate by LiteLLM's `token_counter`: Spaces report none. LiteLLM's proxy serves the
model through OpenAI's API with this configuration, and your own key in `LITELLM_MASTER_KEY`:

    model_list:
      - model_name: qwen-2-5-max
        litellm_params:
          model: qwen-gradio/qwen-2-5-max  # api_base selects another Space
    litellm_settings:
      custom_provider_map:
        - provider: qwen-gradio
          custom_handler: qwen_gradio.registries.litellm.handler
    general_settings:
      master_key: os.environ/LITELLM_MASTER_KEY
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import aclosing, closing, contextmanager
from typing import Any, TypeAlias
from uuid import uuid4

from .. import errors
from .._extras import require_extra
from .._messages import to_turn
from .._models import provider_of, providers
from .._openai import UNSUPPORTED, complete_text, cut, cut_async, stop_sequences, unsupported
from .._options import QuestionOptions, Sampling
from .._page.history import as_messages
from .._reply import Reasoning
from ..sync import pieces, read

with require_extra("litellm"):
    import httpx
    import litellm
    from litellm import exceptions
    from litellm.llms.custom_llm import CustomLLM
    from litellm.types.utils import (
        Delta,
        GenericStreamingChunk,
        ModelResponse,
        ModelResponseStream,
        StreamingChoices,
        Usage,
    )

PROVIDER = "qwen-gradio"
Chunk: TypeAlias = GenericStreamingChunk | ModelResponseStream

ERRORS: dict[type[errors.QwenGradioError], Callable[..., Exception]] = {
    errors.InvalidMessagesError: exceptions.BadRequestError,
    errors.ModelNotFoundError: exceptions.NotFoundError,
    errors.SpaceInterfaceError: exceptions.NotFoundError,
    errors.AuthenticationError: exceptions.AuthenticationError,
    errors.RateLimitError: exceptions.RateLimitError,
    errors.QueueFullError: exceptions.ServiceUnavailableError,
    errors.SpaceUnavailableError: exceptions.ServiceUnavailableError,
    errors.GenerationError: exceptions.InternalServerError,
    errors.StreamInterruptedError: exceptions.APIConnectionError,
    errors.StreamTimeoutError: exceptions.Timeout,
}

FOR_CALLERS = {
    *("api_key", "timeout", "stream_timeout", "max_retries"),
    *("history", "inputs", "api_name", "reasoning_tags", *Sampling.__annotations__),
}
"""Options that callers may set. Clients of LiteLLM's proxy can send any parameter, but must not
send the proxy's token to another Space, or change the route to it."""

FORBIDDEN = QuestionOptions.__annotations__.keys() - FOR_CALLERS

HANDLED = ("stream", "stream_options", "stop", "timeout", "stream_timeout")
"""Options handled here or by LiteLLM. All others are passed to the provider."""


MODEL_INFO = {
    "litellm_provider": PROVIDER,
    "mode": "chat",
    "max_input_tokens": 32768,
    "max_output_tokens": 8192,
    "input_cost_per_token": 0.0,
    "output_cost_per_token": 0.0,
    "cache_creation_input_token_cost": 0.0,  # without these two, LiteLLM warns
    "cache_read_input_token_cost": 0.0,
    "supports_system_messages": True,
    "supports_vision": True,
}
"""LiteLLM's information about every model. Tools plan with these limits; Spaces report none. A
Space that takes no images raises an error."""


def register() -> None:
    """Register the models `qwen-gradio/...` with LiteLLM. A second call changes nothing."""
    if not any(entry["provider"] == PROVIDER for entry in litellm.custom_provider_map):
        # Assign a new list: other modules may have imported the old one.
        entry: Any = {"provider": PROVIDER, "custom_handler": handler}
        litellm.custom_provider_map = [*litellm.custom_provider_map, entry]
    litellm.utils.custom_llm_setup()  # type: ignore[no-untyped-call]
    names = [name for each in providers().values() for name in (*each.models, *each.model_aliases)]
    litellm.register_model({f"{PROVIDER}/{name}": MODEL_INFO for name in names})


class Handler(CustomLLM):
    """The handler that LiteLLM calls, with a method for each kind of call."""

    def completion(self, *args: Any, **call: Any) -> ModelResponse:
        reply = Call(call)
        with reply.litellm_errors():
            read(reply.stream)
            return reply.response()

    async def acompletion(self, *args: Any, **call: Any) -> ModelResponse:
        reply = Call(call)
        with reply.litellm_errors():
            async with reply.stream:
                await reply.stream.text()
                return reply.response()

    def streaming(  # type: ignore[override]  # LiteLLM also accepts chunks in OpenAI's format
        self, *args: Any, **call: Any
    ) -> Iterator[Chunk]:
        chunks = Call(call).chunks()
        # Raises an error before the first fragment here: LiteLLM can then fall back.
        first = next(chunks)
        return _chain(first, chunks)

    def astreaming(  # type: ignore[override]  # LiteLLM iterates the result without awaiting it
        self, *args: Any, **call: Any
    ) -> AsyncIterator[Chunk]:
        return Call(call).achunks()


class Call:
    """The reply to one call, in LiteLLM's types.

    :raises litellm.BadRequestError: at once, if the call requires more than a text chat.
    """

    def __init__(self, call: dict[str, Any]) -> None:
        self.call = call
        self.model: str = call["model"]
        self.id = f"chatcmpl-{uuid4()}"
        options: dict[str, Any] = call["optional_params"]
        self.stops = stop_sequences(options.get("stop"))
        self.seconds = _seconds(call.get("timeout"))
        self._deadline = float("inf")
        is_streamed = bool(options.get("stream"))
        try:
            with self.litellm_errors():
                self.stream = provider_of(self.model).create_async_generator(
                    self.model,
                    call["messages"],
                    space=call.get("api_base"),
                    api_key=call.get("api_key"),
                    # LiteLLM's timeout is for each fragment of a stream, or for a complete reply.
                    timeout=None if is_streamed else self.seconds,
                    stream_timeout=self.seconds,
                    on_status=self._check_deadline,
                    **{"history": "native", **self._passed_on(options)},
                )
        except (TypeError, ValueError) as error:  # a parameter is wrong
            raise self._error(exceptions.BadRequestError, str(error)) from error

    def _passed_on(self, options: dict[str, Any]) -> dict[str, Any]:
        rejected = unsupported(options)
        drops = litellm.drop_params or self.call["litellm_params"].get("drop_params")
        if rejected and not drops:
            raise self._error(
                exceptions.UnsupportedParamsError,
                f"{PROVIDER} does not support {', '.join(rejected)}. "
                "To drop unsupported options, set `drop_params=True`",
            )
        if forbidden := sorted(options.keys() & FORBIDDEN):
            raise self._error(
                exceptions.UnsupportedParamsError,
                f"{', '.join(forbidden)} cannot be set here: use `api_base` for the Space, "
                "`api_key` for the token, and the environment for the proxy",
            )
        handled = (*UNSUPPORTED, *HANDLED)
        return {name: value for name, value in options.items() if name not in handled}

    def response(self) -> ModelResponse:
        response: ModelResponse = self.call["model_response"]
        text, reasoning = complete_text(self.stream, self.stops), self.stream.reasoning
        response.model = self.model
        response.choices[0].message.content = text
        if reasoning:
            response.choices[0].message.reasoning_content = reasoning
        asked = as_messages([to_turn(message) for message in self.call["messages"]])
        prompt = litellm.token_counter(model=self.model, messages=asked)
        thought, said = map(self._tokens, (reasoning, text))
        usage = Usage(
            prompt_tokens=prompt,
            completion_tokens=thought + said,
            total_tokens=prompt + thought + said,
            reasoning_tokens=thought or None,
        )
        response.usage = usage  # type: ignore[attr-defined]
        return response

    def _tokens(self, text: str) -> int:
        return litellm.token_counter(model=self.model, text=text, count_response_tokens=True)

    def chunks(self) -> Generator[Chunk, None, None]:
        with self.litellm_errors():
            self._restart_deadline()
            with closing(pieces(self.stream)) as arriving:
                for piece in cut(arriving, self.stops, self.stream):
                    if piece:
                        yield self._chunk(piece)
                    self._restart_deadline()
            yield self._chunk("", is_last=True)

    async def achunks(self) -> AsyncIterator[Chunk]:
        with self.litellm_errors():
            async with self.stream, aclosing(cut_async(self.stream, self.stops)) as arriving:
                self._restart_deadline()
                async for piece in arriving:
                    if piece:
                        yield self._chunk(piece)
                    self._restart_deadline()
            yield self._chunk("", is_last=True)

    def _chunk(self, piece: str | Reasoning, is_last: bool = False) -> Chunk:
        if isinstance(piece, Reasoning):
            # LiteLLM drops reasoning from chunks of its own type.
            delta = Delta(role="assistant", content=None, reasoning_content=piece.text)
            choice = StreamingChoices(delta=delta)
            return ModelResponseStream(id=self.id, model=self.model, choices=[choice])
        return GenericStreamingChunk(
            text=piece,
            is_finished=is_last,
            finish_reason="stop" if is_last else "",
            usage=None,
            index=0,
            tool_use=None,
        )

    def _restart_deadline(self) -> None:
        self._deadline = time.monotonic() + (self.seconds or float("inf"))

    def _check_deadline(self, status: object) -> None:
        """Raise if no fragment came in time. Status updates do not restart the deadline."""
        if time.monotonic() > self._deadline:
            raise errors.StreamTimeoutError(
                f"{self.stream.space} sent no fragment for {self.seconds} seconds"
            )

    @contextmanager
    def litellm_errors(self) -> Iterator[None]:
        """Translate our errors to LiteLLM's."""
        try:
            yield
        except errors.QwenGradioError as error:
            kind = next(ERRORS[cls] for cls in type(error).__mro__ if cls in ERRORS)
            details: dict[str, Any] = {}
            if kind in (exceptions.RateLimitError, exceptions.ServiceUnavailableError):
                seconds = error.retry_after
                after = {} if seconds is None else {"retry-after": f"{seconds:.0f}"}
                status = 429 if kind is exceptions.RateLimitError else 503
                request = httpx.Request("POST", error.space or "")
                details["response"] = httpx.Response(status, headers=after, request=request)
            metadata = self.call["litellm_params"].get("metadata") or {}
            if kind is exceptions.Timeout and "model_group" in metadata:  # a router called
                # During a stream, a router treats the usual 408 as the caller's fault, and does not
                # fall back to another deployment.
                details["exception_status_code"] = 504
            raise self._error(kind, str(error), **details) from error

    def _error(self, kind: Callable[..., Exception], message: str, **details: Any) -> Exception:
        return kind(message=message, model=self.model, llm_provider=PROVIDER, **details)


def _chain(first: Chunk, chunks: Generator[Chunk, None, None]) -> Iterator[Chunk]:
    yield first
    yield from chunks


def _seconds(timeout: float | httpx.Timeout | None) -> float | None:
    return timeout.read if isinstance(timeout, httpx.Timeout) else timeout


handler = Handler()
"""The `custom_handler` for the configuration of LiteLLM's proxy."""
