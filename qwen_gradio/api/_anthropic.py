"""Requests and replies of Anthropic's Messages API. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import errors
from .._messages import to_messages
from .._reply import Reasoning
from ._answers import Answer, Written, event, usage_of
from ._requests import ChatRequest, RequestError, check_object, check_request, read_object

STOP_REASONS = {"stop": "end_turn", "length": "max_tokens"}


def anthropic_request(body: bytes | bytearray) -> ChatRequest:
    """Read the body of a request to `/v1/messages`. Unknown fields are ignored."""
    given = read_object(body)
    messages = given.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RequestError("messages must be a list of messages", "messages")
    given["tool_choice"] = check_object(given, "tool_choice").get("type")
    return check_request(given, [to_messages(messages, _system_prompt(given.get("system")))])


def _system_prompt(system: Any) -> str | None:
    match system:
        case None | str():
            return system
        case [*blocks]:
            texts: list[Any] = [b.get("text") if isinstance(b, dict) else None for b in blocks]
            if all(isinstance(text, str) for text in texts):
                return "\n".join(texts)
    raise RequestError("system must be a string or a list of text blocks", "system")


class AnthropicAnswer(Answer):
    """A message, complete or as the events of a stream."""

    def __init__(self, request: ChatRequest, identifier: str, created: int) -> None:
        self._request = request
        self._identifier = identifier
        self._blocks = 0
        self._is_thought: bool | None = None
        """Whether the open block is reasoning; None if no block is open."""

    def complete(self, replies: Sequence[Written]) -> dict[str, Any]:
        (reply,) = replies
        content = [_block(True, reply.reasoning)] if reply.reasoning else []
        content.append(_block(False, reply.text))
        return self._message(replies) | {"content": content}

    def add(self, piece: str | Reasoning, number: int) -> bytes:
        is_thought = isinstance(piece, Reasoning)
        text = piece.text if isinstance(piece, Reasoning) else piece
        events = b""
        if is_thought is not self._is_thought:
            events = self._close() + self._open(is_thought)
        name = "thinking" if is_thought else "text"
        return events + self._block_event("delta", delta={"type": f"{name}_delta", name: text})

    def finish(self, reply: Written, number: int) -> bytes:
        events = b""
        if self._is_thought is not False:  # clients expect a text block, even an empty one
            events = self._close() + self._open(is_thought=False)
        return events + self._close()

    def end(self, replies: Sequence[Written]) -> bytes:
        message = self._message(replies)
        delta = {name: message[name] for name in ("stop_reason", "stop_sequence")}
        return _event("message_delta", delta=delta, usage=message["usage"]) + _event("message_stop")

    def fail(self, error: errors.QwenGradioError) -> bytes:
        return _event("error", error={"type": "api_error", "message": str(error)})

    def _open(self, is_thought: bool) -> bytes:
        """Open a block, and return the events for it."""
        self._is_thought = is_thought
        events = b"" if self._blocks else _event("message_start", message=self._message(()))
        self._blocks += 1
        return events + self._block_event("start", content_block=_block(is_thought, ""))

    def _close(self) -> bytes:
        """Close the open block, if any, and return the event for it."""
        was_open, self._is_thought = self._is_thought is not None, None
        return self._block_event("stop") if was_open else b""

    def _block_event(self, kind: str, **fields: Any) -> bytes:
        return _event(f"content_block_{kind}", index=self._blocks - 1, **fields)

    def _message(self, replies: Sequence[Written]) -> dict[str, Any]:
        usage = usage_of(self._request.questions, replies)
        return {
            "id": f"msg_{self._identifier}",
            "type": "message",
            "role": "assistant",
            "model": self._request.model,
            "content": [],
            "stop_reason": STOP_REASONS[replies[0].finish_reason] if replies else None,
            "stop_sequence": None,
            "usage": {
                "input_tokens": usage["prompt_tokens"],
                "output_tokens": usage["completion_tokens"],
            },
        }


def _block(is_thought: bool, text: str) -> dict[str, Any]:
    if is_thought:
        return {"type": "thinking", "thinking": text, "signature": ""}
    return {"type": "text", "text": text}


def _event(kind: str, **fields: Any) -> bytes:
    return event({"type": kind, **fields}, kind)
