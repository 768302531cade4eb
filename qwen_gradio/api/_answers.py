"""Format replies and errors for OpenAI's clients. Nothing here does I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .. import errors
from .._messages import to_turn
from .._openai import estimate_tokens
from .._reply import Reasoning
from ._requests import ChatRequest
from ._shaping import FinishReason

DONE = b"data: [DONE]\n\n"
"""The event that ends a complete stream."""
COMMENT = b": waiting\n\n"
"""A comment in the event stream. Clients ignore it; it keeps proxies awake."""

STATUSES: dict[type[errors.QwenGradioError], tuple[int, str, str | None]] = {
    errors.InvalidMessagesError: (400, "invalid_messages", "messages"),
    errors.ModelNotFoundError: (404, "model_not_found", "model"),
    errors.AuthenticationError: (401, "space_denied_access", None),
    errors.RateLimitError: (429, "rate_limit_exceeded", None),
    errors.QueueFullError: (503, "queue_full", None),
    errors.SpaceUnavailableError: (503, "space_unavailable", None),
    errors.SpaceInterfaceError: (502, "space_has_no_chat", None),
    errors.GenerationError: (502, "generation_failed", None),
    errors.StreamInterruptedError: (502, "reply_interrupted", None),
    errors.StreamTimeoutError: (504, "timeout", None),
}
"""The HTTP status, code and parameter of each error."""

TOO_LONG = re.compile(
    r"context.{0,20}(length|size|window)|(prompt|input|question|message).{0,30} too long"
    r"|input length",
    re.IGNORECASE,
)
"""Matches apps' errors for a question that is too long for the model."""

TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
"""OpenAI's error types. Other statuses are `invalid_request_error` or, from 500, `server_error`."""


def status_of(error: errors.QwenGradioError) -> int:
    """Return the HTTP status of an error."""
    return _describe(error)[0]


def error_of(error: errors.QwenGradioError) -> dict[str, Any]:
    """Return one of our errors in OpenAI's format."""
    status, code, param = _describe(error)
    return error_object(str(error), status, param, code)


def error_object(
    message: str, status: int, param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    """Return any error in OpenAI's format."""
    kind = TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _describe(error: errors.QwenGradioError) -> tuple[int, str, str | None]:
    if isinstance(error, errors.SpaceInterfaceError) and error.is_about_files:
        return 400, "unsupported_file", "messages"
    if isinstance(error, errors.GenerationError) and TOO_LONG.search(str(error)):
        return 400, "context_length_exceeded", "messages"
    return next(STATUSES[cls] for cls in type(error).__mro__ if cls in STATUSES)


def event(data: Mapping[str, Any], kind: str | None = None) -> bytes:
    """Return data as a server-sent event, with the event type `kind` if the format has types."""
    head = "" if kind is None else f"event: {kind}\n"
    return f"{head}data: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


@dataclass(frozen=True)
class Written:
    """A finished reply, and why it ended."""

    text: str
    reasoning: str
    finish_reason: FinishReason


class Answer(Protocol):
    """A format of replies, complete or as events of a stream.

    A request may have several questions, numbered from 0.

    :param identifier: the unique part of the reply's id.
    :param created: the time, in seconds since 1970.
    """

    def __init__(self, request: ChatRequest, identifier: str, created: int) -> None: ...

    def complete(self, replies: Sequence[Written]) -> dict[str, Any]:
        """Return the body of a complete response, with the replies to all questions."""

    def add(self, piece: str | Reasoning, number: int) -> bytes:
        """Return the events for new text or reasoning."""

    def finish(self, reply: Written, number: int) -> bytes:
        """Return the events for the end of a reply."""

    def end(self, replies: Sequence[Written]) -> bytes:
        """Return the events that end the stream after all replies."""

    def fail(self, error: errors.QwenGradioError) -> bytes:
        """Return the events that end the stream with an error."""


class ChatAnswer(Answer):
    """A chat completion, complete or as the chunks of a stream."""

    def __init__(self, request: ChatRequest, identifier: str, created: int) -> None:
        self._head = {
            "id": f"chatcmpl-{identifier}",
            "object": "chat.completion.chunk",
            "created": created,
            "model": request.model,
        }
        self._request = request
        self._has_role = False

    def complete(self, replies: Sequence[Written]) -> dict[str, Any]:
        (reply,) = replies
        message = {"role": "assistant", "content": reply.text, "refusal": None}
        if reply.reasoning:
            message |= _reasoning_fields(reply.reasoning)
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": reply.finish_reason,
        }
        return {
            **self._head,
            "object": "chat.completion",
            "choices": [choice],
            "usage": usage_of(self._request.questions, replies),
        }

    def add(self, piece: str | Reasoning, number: int) -> bytes:
        if isinstance(piece, Reasoning):
            return self._chunk(_reasoning_fields(piece.text))
        return self._chunk({"content": piece})

    def finish(self, reply: Written, number: int) -> bytes:
        # Without a role, some clients reject a reply that has no text.
        return self._chunk({} if self._has_role else {"content": ""}, reply.finish_reason)

    def end(self, replies: Sequence[Written]) -> bytes:
        if not self._request.includes_usage:
            return DONE
        usage = usage_of(self._request.questions, replies)
        return event({**self._head, "choices": [], "usage": usage}) + DONE

    def fail(self, error: errors.QwenGradioError) -> bytes:
        return event(error_of(error))

    def _chunk(self, delta: dict[str, str], finish_reason: FinishReason | None = None) -> bytes:
        if not self._has_role:
            self._has_role = True
            delta = {"role": "assistant", **delta}
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return event({**self._head, "choices": [choice]})


def _reasoning_fields(text: str) -> dict[str, str]:
    """Return reasoning under both of its usual names: DeepSeek's, and vLLM's and OpenRouter's."""
    return {"reasoning_content": text, "reasoning": text}


def usage_of(questions: Sequence[list[Any]], replies: Sequence[Written]) -> dict[str, Any]:
    """Estimate the usage, because Spaces do not report it.

    :param questions: the messages of each question.
    """
    asked = [to_turn(message)[1] for messages in questions for message in messages]
    prompt = sum(map(estimate_tokens, asked))
    thought = sum(estimate_tokens(reply.reasoning) for reply in replies)
    completion = thought + sum(estimate_tokens(reply.text) for reply in replies)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "completion_tokens_details": {"reasoning_tokens": thought},
    }
