"""Requests and replies of OpenAI's Responses API. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from .. import errors
from .._messages import to_messages
from .._reply import Reasoning
from ._answers import Answer, Written, event, status_of, usage_of
from ._requests import (
    ChatRequest,
    RequestError,
    ask_for_json,
    check_object,
    check_request,
    read_object,
    reject,
)

UNSUPPORTED = ("previous_response_id", "conversation", "background", "prompt")
"""Fields that require state. Nothing is kept between requests."""
TEXT_PARTS = ("input_text", "output_text")

FAILURES = {400: "invalid_prompt", 429: "rate_limit_exceeded"}
"""OpenAI's codes for failed responses, by HTTP status. All others are `server_error`."""


def responses_request(body: bytes | bytearray) -> ChatRequest:
    """Read the body of a request to `/v1/responses`. Unknown fields are ignored."""
    given = read_object(body)
    reject(given, (name for name in UNSUPPORTED if given.get(name) not in (None, False)))
    instructions = given.get("instructions")
    if not isinstance(instructions, (str, type(None))):
        raise RequestError("instructions must be a string", "instructions")
    match given.get("input"):
        case str(question):
            messages = to_messages(question, instructions)
        case [*items] if items:
            listed = [_to_message(number, item) for number, item in enumerate(items)]
            messages = to_messages(listed, instructions)
        case _:
            raise RequestError("input must be a string or a list of items", "input")
    form = check_object(check_object(given, "text"), "format", "text.")
    return ask_for_json(check_request(given, [messages]), form, "text.format")


def _to_message(number: int, item: Any) -> Any:
    """Convert an item of the input to a message. The message is checked later."""
    if not isinstance(item, dict):
        return item
    match item.get("type", "message"):
        case "reasoning":
            return {"role": "assistant", "content": None}  # turns without text are not sent
        case "message":
            content = item.get("content")
            if isinstance(content, list):
                content = [_to_part(part) for part in content]
            return {**item, "content": content}
        case kind:
            raise RequestError(
                f"input[{number}]: items of type {kind!r:.100} are not supported: this is a "
                "text-only chat",
                "input",
                code="unsupported_parameter",
            )


def _to_part(part: Any) -> Any:
    if isinstance(part, dict) and part.get("type") in TEXT_PARTS:
        return {"type": "text", "text": part.get("text")}
    return part


class ResponseAnswer(Answer):
    """A response, complete or as the events of a stream."""

    def __init__(self, request: ChatRequest, identifier: str, created: int) -> None:
        self._request = request
        self._identifier = identifier
        self._created = created
        self._sequence_number = 0
        self._output: list[dict[str, Any]] = []
        self._is_thought = False
        self._text: list[str] | None = None
        """The fragments of the open item; None if no item is open."""

    def complete(self, replies: Sequence[Written]) -> dict[str, Any]:
        (reply,) = replies
        if reply.reasoning:
            self._output.append(self._item(0, True, reply.reasoning))
        message = self._item(len(self._output), False, reply.text, _status_of(reply))
        self._output.append(message)
        return self._response(_status_of(reply), replies)

    def add(self, piece: str | Reasoning, number: int) -> bytes:
        is_thought = isinstance(piece, Reasoning)
        text = piece.text if isinstance(piece, Reasoning) else piece
        events = b""
        if self._text is None or is_thought is not self._is_thought:
            events = self._close("completed") + self._open(is_thought)
        assert self._text is not None  # an item is open
        self._text.append(text)
        if is_thought:
            return events + self._part_event("reasoning_summary_text.delta", delta=text)
        return events + self._part_event("output_text.delta", delta=text, logprobs=[])

    def finish(self, reply: Written, number: int) -> bytes:
        events = b""
        if self._text is None or self._is_thought:  # clients expect a message, even an empty one
            events = self._close("completed") + self._open(is_thought=False)
        return events + self._close(_status_of(reply))

    def end(self, replies: Sequence[Written]) -> bytes:
        status = _status_of(replies[0])
        return self._event(status, response=self._response(status, replies))

    def fail(self, error: errors.QwenGradioError) -> bytes:
        events = self._start() + self._close("incomplete")
        code = FAILURES.get(status_of(error), "server_error")
        response = self._response("failed") | {"error": {"code": code, "message": str(error)}}
        return events + self._event("failed", response=response)

    def _start(self) -> bytes:
        """Return the events that begin a stream, unless it has begun."""
        if self._sequence_number:
            return b""
        response = self._response("in_progress")
        return self._event("created", response=response) + self._event(
            "in_progress", response=response
        )

    def _open(self, is_thought: bool) -> bytes:
        """Open an item, and return the events for it."""
        events = self._start()
        self._is_thought, self._text = is_thought, []
        number = len(self._output)
        self._output.append(self._item(number, is_thought, None, "in_progress"))
        events += self._event("output_item.added", item=self._output[-1], output_index=number)
        if is_thought:
            return events + self._part_event("reasoning_summary_part.added", part=_summary(""))
        return events + self._part_event("content_part.added", part=_content(""))

    def _close(self, status: Literal["completed", "incomplete"]) -> bytes:
        """Close the open item, if any, and return the events for it."""
        if self._text is None:
            return b""
        text, self._text = "".join(self._text), None
        if self._is_thought:
            events = self._part_event("reasoning_summary_text.done", text=text)
            events += self._part_event("reasoning_summary_part.done", part=_summary(text))
        else:
            events = self._part_event("output_text.done", text=text, logprobs=[])
            events += self._part_event("content_part.done", part=_content(text))
        number = len(self._output) - 1
        self._output[-1] = self._item(number, self._is_thought, text, status)
        return events + self._event("output_item.done", item=self._output[-1], output_index=number)

    def _item(
        self, number: int, is_thought: bool, text: str | None, status: str = "completed"
    ) -> dict[str, Any]:
        """Return an item of the output. `text` is None while it has no parts."""
        kind = "rs" if is_thought else "msg"
        item = {"id": f"{kind}_{self._identifier}_{number}", "status": status}
        if is_thought:
            return {**item, "type": "reasoning", "summary": [_summary(text)] if text else []}
        content = [] if text is None else [_content(text)]
        return {**item, "type": "message", "role": "assistant", "content": content}

    def _part_event(self, kind: str, **fields: Any) -> bytes:
        """Return an event about the only part of the last item."""
        index = "summary_index" if self._is_thought else "content_index"
        place = {"item_id": self._output[-1]["id"], "output_index": len(self._output) - 1}
        return self._event(kind, **place, **{index: 0}, **fields)

    def _event(self, kind: str, **fields: Any) -> bytes:
        kind = f"response.{kind}"
        data = {"type": kind, "sequence_number": self._sequence_number, **fields}
        self._sequence_number += 1
        return event(data, kind)

    def _response(self, status: str, replies: Sequence[Written] = ()) -> dict[str, Any]:
        is_cut = status == "incomplete"
        return {
            "id": f"resp_{self._identifier}",
            "object": "response",
            "created_at": self._created,
            "status": status,
            "model": self._request.model,
            "output": list(self._output),
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
            "usage": self._usage(replies) if replies else None,
            "instructions": None,
            "max_output_tokens": self._request.max_tokens,
            "temperature": self._request.options.get("temperature"),
            "top_p": self._request.options.get("top_p"),
            "tools": [],
            "tool_choice": "none",
            "parallel_tool_calls": False,
            "previous_response_id": None,
            "store": False,
            "metadata": {},
        }

    def _usage(self, replies: Sequence[Written]) -> dict[str, Any]:
        usage = usage_of(self._request.questions, replies)
        return {
            "input_tokens": usage["prompt_tokens"],
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": usage["completion_tokens"],
            "output_tokens_details": usage["completion_tokens_details"],
            "total_tokens": usage["total_tokens"],
        }


def _status_of(reply: Written) -> Literal["completed", "incomplete"]:
    return "incomplete" if reply.finish_reason == "length" else "completed"


def _summary(text: str) -> dict[str, Any]:
    return {"type": "summary_text", "text": text}


def _content(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
