"""Replies and errors to OpenAI's format, and to server-sent events. Nothing here does I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .. import errors
from .._messages import to_turn
from .._openai import estimated_tokens

DONE = b"data: [DONE]\n\n"
"""The event that ends a complete stream."""

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

TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
"""OpenAI's types of error; others are `invalid_request_error`, and `server_error` from 500 on."""


def status_of(error: errors.QwenGradioError) -> int:
    """Return the HTTP status of an error."""
    return _described(error)[0]


def error_of(error: errors.QwenGradioError) -> dict[str, Any]:
    """Return an error of ours in OpenAI's format."""
    status, code, param = _described(error)
    return error_object(str(error), status, param, code)


def error_object(
    message: str, status: int, param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    """Return any error in OpenAI's format."""
    kind = TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _described(error: errors.QwenGradioError) -> tuple[int, str, str | None]:
    return next(STATUSES[cls] for cls in type(error).__mro__ if cls in STATUSES)


def event(data: Mapping[str, Any]) -> bytes:
    """Return data as a server-sent event."""
    return f"data: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def comment(text: str) -> bytes:
    """Return a server-sent comment, which readers ignore and which keeps proxies awake."""
    return f": {text}\n\n".encode()


class Answer:
    """A chat completion, complete or as the chunks of a stream.

    :param messages: the question, for its estimated number of tokens.
    """

    def __init__(self, id: str, created: int, model: str, messages: list[Any]) -> None:  # noqa: A002
        self._head = {"id": id, "created": created, "model": model}
        self._messages = messages
        self._has_role = False

    def complete(self, text: str, reasoning: str) -> dict[str, Any]:
        """Return the complete reply."""
        message = {"role": "assistant", "content": text, "refusal": None}
        if reasoning:
            message["reasoning_content"] = reasoning
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        return {
            **self._head,
            "object": "chat.completion",
            "choices": [choice],
            "usage": self.usage(text, reasoning),
        }

    def chunk(self, **delta: str) -> dict[str, Any]:
        """Return a chunk with new text, as `content`, or reasoning, as `reasoning_content`."""
        if not self._has_role:
            self._has_role = True
            delta = {"role": "assistant", **delta}
        return self._chunk(delta, None)

    def last_chunk(self) -> dict[str, Any]:
        """Return the chunk that says that the reply is complete."""
        return self._chunk({}, "stop")

    def usage_chunk(self, text: str, reasoning: str) -> dict[str, Any]:
        """Return the chunk after it, with the usage."""
        usage = self.usage(text, reasoning)
        return {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": usage}

    def _chunk(self, delta: dict[str, str], finish_reason: str | None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return {**self._head, "object": "chat.completion.chunk", "choices": [choice]}

    def usage(self, text: str, reasoning: str) -> dict[str, Any]:
        """Return the usage, which is estimated: Spaces do not report it."""
        prompt = sum(estimated_tokens(to_turn(message)[1]) for message in self._messages)
        thought = estimated_tokens(reasoning)
        completion = thought + estimated_tokens(text)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "completion_tokens_details": {"reasoning_tokens": thought},
        }
