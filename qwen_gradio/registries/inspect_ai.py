"""Inspect: `inspect eval task.py --model qwen-gradio/qwen-2.5-max`, with `-M space=owner/name`.

`-M` also sets other options of the provider, such as `-M history=flat`. Usage is an estimate of one
token per four bytes: Spaces report none.
"""

from __future__ import annotations

import os
from typing import Any

from tenacity import RetryCallState, wait_exponential_jitter
from tenacity.wait import WaitBaseT

from .. import errors
from .._extras import require_extra
from .._models import provider_of
from .._openai import (
    UNSUPPORTED,
    complete_text,
    estimate_usage,
    stop_sequences,
    unsupported,
)
from ..provider import require_known

with require_extra("inspect"):
    from inspect_ai._util.error import PrerequisiteError  # Inspect reports it in one line
    from inspect_ai.model import (
        ChatCompletionChoice,
        ChatMessage,
        ChatMessageAssistant,
        Content,
        ContentAudio,
        ContentDocument,
        ContentImage,
        ContentReasoning,
        ContentText,
        ContentVideo,
        GenerateConfig,
        ModelAPI,
        ModelOutput,
        ModelUsage,
        RetryDecision,
        modelapi,
    )
    from inspect_ai.tool import ToolChoice, ToolInfo

TRANSIENT = (errors.StreamInterruptedError, errors.StreamTimeoutError)
"""Errors that are worth a retry, in addition to `transient` ones."""


@modelapi("qwen-gradio")
class QwenGradio(ModelAPI):
    """A provider's model. Inspect itself retries, and limits concurrent questions.

    :param base_url: the Space; `space` in `model_args` takes precedence.
    :param api_key: Hugging Face token; by default `$QWEN_GRADIO_API_KEY`.
    :param model_args: options of the provider.
    """

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig = GenerateConfig(),  # noqa: B008  # as in ModelAPI
        **model_args: Any,
    ) -> None:
        super().__init__(model_name, base_url, api_key, ["QWEN_GRADIO_API_KEY"], config)
        try:
            self._provider = provider_of(model_name)
        except errors.ModelNotFoundError as error:
            raise PrerequisiteError(str(error)) from error
        require_known(self._provider, model_args)
        self._options = {"space": base_url, "max_retries": 0, "history": "native", **model_args}

    async def generate(
        self,
        input: list[ChatMessage],  # noqa: A002
        tools: list[ToolInfo],
        tool_choice: ToolChoice,
        config: GenerateConfig,
    ) -> ModelOutput:
        """Ask, and return the complete reply.

        :raises QwenGradioError: if the reply fails; see `should_retry`.
        """
        requested = {
            **config.model_dump(include=set(UNSUPPORTED)),
            "n": config.num_choices,
            "response_format": config.response_schema,
            "tools": tools,
        }
        if rejected := unsupported(requested):
            raise errors.InvalidMessagesError(f"A text chat does not support {', '.join(rejected)}")
        messages = [{"role": each.role, "content": _parts(each.content)} for each in input]
        sampling = {name: getattr(config, name) for name in ("temperature", "top_p", "max_tokens")}
        given = {name: value for name, value in sampling.items() if value is not None}
        async with self._provider.create_async_generator(
            self.model_name,
            messages,
            api_key=self.api_key or os.environ.get("QWEN_GRADIO_API_KEY"),
            **{**self._options, **given},
        ) as stream:
            await stream.text()
            text = complete_text(stream, stop_sequences(config.stop_seqs))
            return self._output(messages, text, stream.reasoning)

    def _output(self, asked: list[dict[str, Any]], text: str, reasoning: str) -> ModelOutput:
        prompt, written, thought = estimate_usage(asked, text, reasoning)
        content: str | list[Content] = text
        if reasoning:
            content = [ContentReasoning(reasoning=reasoning), ContentText(text=text)]
        message = ChatMessageAssistant(content=content, model=self.model_name, source="generate")
        return ModelOutput(
            model=self.model_name,
            choices=[ChatCompletionChoice(message=message, stop_reason="stop")],
            usage=ModelUsage(
                input_tokens=prompt,
                output_tokens=written,
                total_tokens=prompt + written,
                reasoning_tokens=thought or None,
            ),
        )

    def should_retry(self, ex: Exception) -> RetryDecision:
        """Retry if the Space may accept or complete the request later."""
        if isinstance(ex, (errors.RateLimitError, errors.QueueFullError)):
            return RetryDecision.rate_limit(ex.retry_after)
        if isinstance(ex, errors.QwenGradioError) and (ex.transient or isinstance(ex, TRANSIENT)):
            return RetryDecision.transient(ex.retry_after)
        return RetryDecision.no()

    def retry_wait(self) -> WaitBaseT:
        """Wait as long as the Space says; if it does not say, longer each time."""
        return _wait

    def is_auth_failure(self, ex: Exception) -> bool:
        """Return whether the Space requires a token, or rejected it."""
        return isinstance(ex, errors.AuthenticationError)

    def connection_key(self) -> str:
        """Return a key by which models on one Space share Inspect's connection limit."""
        return f"{self._options['space']} {self._provider.url} {self.initial_api_key}"


_backoff = wait_exponential_jitter(initial=1, max=60)


def _wait(attempt: RetryCallState) -> float:
    error = attempt.outcome.exception() if attempt.outcome else None
    return getattr(error, "retry_after", None) or _backoff(attempt)


def _parts(content: str | list[Content]) -> str | list[dict[str, Any]]:
    """Convert content to parts. Their files are `data:` or https URLs."""
    return content if isinstance(content, str) else list(map(_part, content))


def _part(part: Content) -> dict[str, Any]:
    match part:
        case ContentImage(image=url) | ContentAudio(audio=url) | ContentVideo(video=url):
            return {"type": part.type, "url": url}
        case ContentDocument(document=url, filename=name):
            return {"type": "input_file", "file_data": url, "filename": name}
    return {"type": part.type, "text": getattr(part, "text", None)}
