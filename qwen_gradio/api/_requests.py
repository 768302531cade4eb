"""Read and check the bodies of requests. Invalid ones raise a `RequestError`.

Nothing here does I/O.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from .._openai import stop_sequences, unsupported

MAX_NUMBER = 2**31 - 1
NUMBERS = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "top_k": (-1, MAX_NUMBER),
    "min_p": (0.0, 1.0),
    "presence_penalty": (-2.0, 2.0),
    "frequency_penalty": (-2.0, 2.0),
    "seed": (-(2**63), 2**63 - 1),
    "max_tokens": (-1, MAX_NUMBER),
    "max_completion_tokens": (-1, MAX_NUMBER),
    "max_output_tokens": (-1, MAX_NUMBER),
    "thinking_budget": (1, MAX_NUMBER),
}
"""Options for inputs that a Space may have, with their bounds, in the option's type."""
LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
"""Names of the limit for a reply. As in other servers, values below 1 set no limit."""

THINKING = (
    *(("chat_template_kwargs", "enable_thinking"), ("reasoning", "enabled")),
    *(("reasoning", "effort"), ("thinking", "type")),
)
"""Nested fields that turn thinking on or off."""
OPTIONAL = ("tools", "functions")
"""Tools, which are optional unless `tool_choice` requires them. The answer is text."""

JSON_ONLY = "Answer only with JSON: no other text, no explanation and no code fence. It must be {}."


class RequestError(Exception):
    """A rejected request, with the HTTP status and, if one is wrong, the parameter."""

    def __init__(
        self, message: str, param: str | None = None, status: int = 400, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.param = param
        self.status = status
        self.code = code


@dataclass(frozen=True)
class ChatRequest:
    """A request for replies. All of it is checked except the messages.

    :ivar questions: the messages of each question; only completions have several.
    :ivar options: values for inputs that the Space may have, and `reasoning_tags`.
    :ivar includes_usage: whether a stream ends with its usage.
    :ivar is_json: whether the reply should be JSON, without a code fence.
    """

    model: str
    questions: list[list[Any]]
    options: dict[str, Any]
    stops: list[str]
    is_streamed: bool
    includes_usage: bool
    is_json: bool = False

    @property
    def max_tokens(self) -> int | None:
        return self.options.get("max_tokens")


def chat_request(body: bytes | bytearray) -> ChatRequest:
    """Read the body of a request to `/v1/chat/completions`. Unknown fields are ignored."""
    given = read_object(body)
    if not isinstance(given.get("messages"), list):
        raise RequestError("messages must be a list of messages", "messages")
    request = check_request(given, [given["messages"]])
    form = check_object(given, "response_format")
    if form.get("type") != "json_schema":
        return ask_for_json(request, form, "response_format")
    schema = check_object(form, "json_schema", "response_format.").get("schema")
    return ask_for_json(request, {**form, "schema": schema}, "response_format")


def check_request(given: Mapping[str, Any], questions: list[list[Any]]) -> ChatRequest:
    """Check the fields that all formats share, and return the request."""
    if not isinstance(given.get("model"), str):
        raise RequestError("model must be the name of a model; /v1/models lists them", "model")
    handled = (*OPTIONAL, "response_format")
    reject(given, (name for name in unsupported(given) if name not in handled))
    options = _numbers(given)
    if given.get("reasoning_tags") is not None:
        options["reasoning_tags"] = check_flag(given, "reasoning_tags")
    if (thinks := _thinks(given)) is not None:
        options["enable_thinking"] = thinks
    return ChatRequest(
        model=given["model"],
        questions=questions,
        options=options,
        stops=[*_stops(given, "stop"), *_stops(given, "stop_sequences")],
        is_streamed=check_flag(given, "stream"),
        includes_usage=check_flag(check_object(given, "stream_options"), "include_usage"),
    )


def ask_for_json(request: ChatRequest, form: Mapping[str, Any], name: str) -> ChatRequest:
    """Add an instruction to answer in a format. Nothing enforces it.

    :param form: OpenAI's format object: its `type` and, for "json_schema", the `schema`.
    :param name: the request's field for it, for errors.
    """
    match form.get("type", "text"):
        case "text":
            return request
        case "json_object":
            wanted = "an object"
        case "json_schema" if isinstance(schema := form.get("schema"), Mapping):
            wanted = f"valid against this JSON Schema: {json.dumps(schema, ensure_ascii=False)}"
        case "json_schema":
            raise RequestError(f"{name} must have a schema that is an object", name)
        case kind:
            raise RequestError(
                f"{name} must be of type text, json_object or json_schema, not {kind!r:.100}", name
            )
    # At the end, because errors name messages by number. System messages are joined anyway.
    instruction = {"role": "system", "content": JSON_ONLY.format(wanted)}
    questions = [[*messages, instruction] for messages in request.questions]
    return replace(request, questions=questions, is_json=True)


def read_object(body: bytes | bytearray) -> dict[str, Any]:
    """Parse a body that must be a JSON object."""
    try:
        given = json.loads(body, parse_constant=_reject_constant)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"The body is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise RequestError("The body must be a JSON object")
    return given


def reject(given: Mapping[str, Any], names: Iterable[str]) -> None:
    """Reject a request because of unsupported fields. The error names the first."""
    for name in names:
        raise RequestError(
            f"{name}={given[name]!r:.100} is not supported: this is a text-only chat",
            name,
            code="unsupported_parameter",
        )


def check_object(given: Mapping[str, Any], name: str, prefix: str = "") -> Mapping[str, Any]:
    """Return a field that must be an object; an empty one if it is missing."""
    value = given.get(name)
    if value is not None and not isinstance(value, dict):
        raise RequestError(f"{prefix}{name} must be an object", f"{prefix}{name}")
    return value or {}


def check_flag(given: Mapping[str, Any], name: str) -> bool:
    """Return a field that must be true or false; False if it is missing."""
    value = given.get(name)
    if value is not None and not isinstance(value, bool):
        raise RequestError(f"{name} must be true or false", name)
    return bool(value)


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
        if name not in LIMITS:
            numbers[name] = kind(value)
        elif value > 0:
            numbers["max_tokens"] = int(value)
    return numbers


def _thinks(given: Mapping[str, Any]) -> bool | None:
    """Return whether the model should think; None if unset. Spaces have no levels of effort."""
    check_flag(given, "enable_thinking")
    found = [given.get(name) for name in ("enable_thinking", "think", "reasoning_effort")]
    for form, name in THINKING:
        if isinstance(fields := given.get(form), dict):
            found.append(fields.get(name))
    if any(value is False or value in ("none", "disabled") for value in found):
        return False
    return True if any(value is True or value == "enabled" for value in found) else None


def _stops(given: Mapping[str, Any], name: str) -> list[str]:
    stop = given.get(name)
    listed = [stop] if isinstance(stop, str) else [] if stop is None else stop
    if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed):
        raise RequestError(f"{name} must be a string or a list of strings", name)
    return stop_sequences(listed)
