"""LiteLLM: `register()`, then ask for the model `qwen-gradio/qwen-2-5-max`.

Its proxy serves that model by the OpenAI API, with this configuration and a key of your own in
`LITELLM_MASTER_KEY`:

    model_list:
      - model_name: qwen-2-5-max
        litellm_params:
          model: qwen-gradio/qwen-2-5-max  # its api_base would be another Space
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
from contextlib import contextmanager
from typing import Any

import httpx
import litellm
from litellm import exceptions
from litellm.llms.custom_llm import CustomLLM
from litellm.types.utils import GenericStreamingChunk, ModelResponse, Usage

from .. import errors
from ..provider import Provider, Qwen_Qwen_2_5_Max
from ..sync import Fragments, read
from ._stops import Cut

PROVIDER = "qwen-gradio"

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

HARMLESS: dict[str, tuple[Any, ...]] = {
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "n": (1,),
    "logprobs": (),
    "top_logprobs": (),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "audio": (),
    "web_search_options": (),
}
"""What a text chat cannot do, and the values that ask for nothing of it."""

NOT_FOR_CALLERS = ("space", "auth", "proxy", "on_status")
"""A proxy's callers can send any parameter: none may lead its token to another Space."""

USED = ("stream", "stream_options", "stop", "timeout", "stream_timeout")
"""What is seen to here or by LiteLLM itself; the rest goes on, to be used or logged."""


def register() -> None:
    """Make `qwen-gradio/...` models known to LiteLLM. Doing it again changes nothing."""
    if not any(entry["provider"] == PROVIDER for entry in litellm.custom_provider_map):
        # A new list, as LiteLLM shares the first one with whoever has imported it.
        entry: Any = {"provider": PROVIDER, "custom_handler": handler}
        litellm.custom_provider_map = [*litellm.custom_provider_map, entry]
    litellm.utils.custom_llm_setup()  # type: ignore[no-untyped-call]


class Handler(CustomLLM):
    """What LiteLLM calls, each way of asking by a method of its own."""

    def __init__(self, provider: type[Provider] = Qwen_Qwen_2_5_Max) -> None:
        super().__init__()
        self.provider = provider

    def completion(self, *args: Any, **call: Any) -> ModelResponse:
        reply = Call(self.provider, call)
        with reply.errors_as_litellm_has_them():
            return reply.whole(read(reply.stream))

    async def acompletion(self, *args: Any, **call: Any) -> ModelResponse:
        reply = Call(self.provider, call)
        with reply.errors_as_litellm_has_them():
            async with reply.stream:
                return reply.whole(await reply.stream.text())

    def streaming(self, *args: Any, **call: Any) -> Iterator[GenericStreamingChunk]:
        chunks = Call(self.provider, call).chunks()
        # What fails before the first fragment fails in the call, where LiteLLM can ask another.
        first = next(chunks)
        return _chain(first, chunks)

    def astreaming(  # type: ignore[override]  # LiteLLM iterates what it returns, and never awaits
        self, *args: Any, **call: Any
    ) -> AsyncIterator[GenericStreamingChunk]:
        return Call(self.provider, call).achunks()


class Call:
    """The reply to one call of LiteLLM's, in LiteLLM's forms.

    :raises litellm.BadRequestError: at once, if the call asks for what a text chat cannot do.
    """

    def __init__(self, provider: type[Provider], call: dict[str, Any]) -> None:
        self.call = call
        self.model: str = call["model"]
        options: dict[str, Any] = call["optional_params"]
        self.cut = Cut(_stops(options.get("stop")))
        self.seconds = _seconds(call.get("timeout"))
        self._deadline = float("inf")
        streamed = bool(options.get("stream"))
        with self.errors_as_litellm_has_them():
            self.stream = provider.create_async_generator(
                self.model,
                call["messages"],
                space=call.get("api_base"),
                api_key=call.get("api_key"),
                # For LiteLLM, a stream has that long for each fragment and any other reply in all.
                timeout=None if streamed else self.seconds,
                stream_timeout=self.seconds,
                on_status=self._be_on_time,
                **self._passed_on(options),
            )

    def _passed_on(self, options: dict[str, Any]) -> dict[str, Any]:
        refused = [
            name
            for name, harmless in HARMLESS.items()
            if options.get(name) not in (None, False, *harmless)
        ]
        drops = litellm.drop_params or self.call["litellm_params"].get("drop_params")
        if refused and not drops:
            raise self._error(
                exceptions.UnsupportedParamsError,
                f"{PROVIDER} is a text chat without {', '.join(refused)}. "
                "To leave them out, set `drop_params=True`",
            )
        if theirs := [name for name in NOT_FOR_CALLERS if name in options]:
            raise self._error(
                exceptions.UnsupportedParamsError,
                f"{', '.join(theirs)} cannot be set here: the Space is `api_base`, the token "
                "`api_key`, and the proxy that of the environment",
            )
        return {name: value for name, value in options.items() if name not in (*HARMLESS, *USED)}

    def whole(self, text: str) -> ModelResponse:
        response: ModelResponse = self.call["model_response"]
        text = self.cut.after(text) + self.cut.rest
        response.model = self.model
        response.choices[0].message.content = text
        prompt = litellm.token_counter(model=self.model, messages=self.call["messages"])
        reply = litellm.token_counter(model=self.model, text=text, count_response_tokens=True)
        usage = Usage(prompt_tokens=prompt, completion_tokens=reply, total_tokens=prompt + reply)
        response.usage = usage  # type: ignore[attr-defined]
        return response

    def chunks(self) -> Generator[GenericStreamingChunk, None, None]:
        with self.errors_as_litellm_has_them():
            self._wait()
            with Fragments(self.stream) as fragments:
                for fragment in fragments:
                    if text := self.cut.after(fragment):
                        yield _chunk(text)
                    if self.cut.done:
                        break
                    self._wait()
            yield _chunk(self.cut.rest, last=True)

    async def achunks(self) -> AsyncIterator[GenericStreamingChunk]:
        with self.errors_as_litellm_has_them():
            async with self.stream:
                self._wait()
                async for fragment in self.stream:
                    if text := self.cut.after(fragment):
                        yield _chunk(text)
                    if self.cut.done:
                        break
                    self._wait()
            yield _chunk(self.cut.rest, last=True)

    def _wait(self) -> None:
        self._deadline = time.monotonic() + (self.seconds or float("inf"))

    def _be_on_time(self, status: object) -> None:
        """News of a queue are no fragment, however often they come."""
        if time.monotonic() > self._deadline:
            raise errors.StreamTimeoutError(f"sent no fragment for {self.seconds} seconds")

    @contextmanager
    def errors_as_litellm_has_them(self) -> Iterator[None]:
        try:
            yield
        except errors.QwenGradioError as error:
            kind = next(ERRORS[cls] for cls in type(error).__mro__ if cls in ERRORS)
            details: dict[str, Any] = {}
            if kind in (exceptions.RateLimitError, exceptions.ServiceUnavailableError):
                after = (
                    {} if error.retry_after is None else {"retry-after": f"{error.retry_after:.0f}"}
                )
                status = 429 if kind is exceptions.RateLimitError else 503
                request = httpx.Request("POST", error.space or "")
                details["response"] = httpx.Response(status, headers=after, request=request)
            if kind is exceptions.Timeout and self._asked_by_router():
                # A router that reads a stream takes 408, the usual one, for the caller's fault, and
                # asks no other deployment.
                details["exception_status_code"] = 504
            raise self._error(kind, str(error), **details) from error

    def _asked_by_router(self) -> bool:
        return "model_group" in (self.call["litellm_params"].get("metadata") or {})

    def _error(self, kind: Callable[..., Exception], message: str, **details: Any) -> Exception:
        return kind(message=message, model=self.model, llm_provider=PROVIDER, **details)


def _chunk(text: str, last: bool = False) -> GenericStreamingChunk:
    return GenericStreamingChunk(
        text=text,
        is_finished=last,
        finish_reason="stop" if last else "",
        usage=None,
        index=0,
        tool_use=None,
    )


def _chain(
    first: GenericStreamingChunk, chunks: Generator[GenericStreamingChunk, None, None]
) -> Iterator[GenericStreamingChunk]:
    yield first
    yield from chunks


def _stops(stop: str | list[str] | None) -> list[str]:
    return [text for text in ([stop] if isinstance(stop, str) else stop or []) if text]


def _seconds(timeout: float | httpx.Timeout | None) -> float | None:
    return timeout.read if isinstance(timeout, httpx.Timeout) else timeout


handler = Handler()
"""For the configuration of LiteLLM's proxy."""
