"""The body of a request, in OpenAI's format, to what is asked. Nothing here does I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from .._openai import stop_sequences, unsupported

MAX_NUMBER = 2**31 - 1
NUMBERS = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "max_tokens": (1, MAX_NUMBER),
    "max_completion_tokens": (1, MAX_NUMBER),
    "thinking_budget": (1, MAX_NUMBER),
}
"""Options that are given to a Space that has such inputs, each with its limits and their type."""


class RequestError(Exception):
    """A request that is rejected: its HTTP status, and the parameter that is wrong, if one is."""

    def __init__(
        self, message: str, param: str | None = None, status: int = 400, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.param = param
        self.status = status
        self.code = code


@dataclass(frozen=True)
class ChatRequest:
    """A request for a chat completion, of which everything but the messages was checked.

    :ivar options: numbers for the Space's inputs, as far as it has them, and `reasoning_tags`.
    :ivar is_streamed: whether the reply is sent as it is written.
    :ivar includes_usage: whether a stream ends with its usage.
    """

    model: str
    messages: list[Any]
    options: dict[str, Any]
    stops: list[str]
    is_streamed: bool
    includes_usage: bool


def chat_request(body: bytes) -> ChatRequest:
    """Read the body of a request for a chat completion. Fields that are not known are ignored.

    :raises RequestError: if it is not one, or requests what a text chat does not support.
    """
    given = _object(body)
    if not isinstance(given.get("model"), str):
        raise RequestError("model must be the name of a model; /v1/models lists them", "model")
    messages = given.get("messages")
    if not isinstance(messages, list):
        raise RequestError("messages must be a list of messages", "messages")
    for name in unsupported(given):
        raise RequestError(
            f"This is a chat of text only, which does not support {name}={given[name]!r:.100}",
            name,
            code="unsupported_parameter",
        )
    stream_options = given.get("stream_options")
    if stream_options is None:
        stream_options = {}
    if not isinstance(stream_options, dict):
        raise RequestError("stream_options must be an object", "stream_options")
    options = _numbers(given)
    if given.get("reasoning_tags") is not None:
        options["reasoning_tags"] = _flag(given, "reasoning_tags")
    return ChatRequest(
        model=given["model"],
        messages=messages,
        options=options,
        stops=_stops(given.get("stop")),
        is_streamed=_flag(given, "stream"),
        includes_usage=_flag(stream_options, "include_usage"),
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body, parse_constant=_reject_constant)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"The body is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise RequestError("The body must be a JSON object")
    return given


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _numbers(given: Mapping[str, Any]) -> dict[str, Any]:
    numbers: dict[str, Any] = {}
    for name, (low, high) in NUMBERS.items():
        value = given.get(name)
        if value is None:
            continue
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        kind = type(low)
        if not is_number or not low <= value <= high or kind(value) != value:
            number = "whole number" if kind is int else "number"
            raise RequestError(f"{name} must be a {number} from {low} to {high}", name)
        numbers["max_tokens" if name == "max_completion_tokens" else name] = kind(value)
    return numbers


def _stops(stop: Any) -> list[str]:
    listed = [stop] if isinstance(stop, str) else [] if stop is None else stop
    if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed):
        raise RequestError("stop must be a string or a list of strings", "stop")
    return stop_sequences(listed)


def _flag(given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name)
    if value is not None and not isinstance(value, bool):
        raise RequestError(f"{name} must be true or false", name)
    return bool(value)
