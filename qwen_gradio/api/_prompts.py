"""Requests and replies of OpenAI's legacy completions API. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._reply import Reasoning
from ._answers import ChatAnswer, Written, event, usage_of
from ._requests import ChatRequest, RequestError, check_request, read_object, reject
from ._shaping import FinishReason

HARMLESS: dict[str, tuple[Any, ...]] = {
    "suffix": ("",),
    "echo": (),
    "best_of": (1,),
    "logprobs": (),
}
"""Options that a chat does not support, each with the values that have no effect."""
MAX_PROMPTS = 2048
"""Maximum prompts in a request, as in OpenAI's API. A body has room for millions."""


def prompt_request(body: bytes | bytearray) -> ChatRequest:
    """Read the body of a request to `/v1/completions`. Each prompt is a chat with one turn."""
    given = read_object(body)
    reject(given, (n for n, none in HARMLESS.items() if given.get(n) not in (None, False, *none)))
    prompt = given.get("prompt")
    prompts = [prompt] if isinstance(prompt, str) else prompt
    match prompts:
        case [_, *_] if len(prompts) <= MAX_PROMPTS and all(isinstance(p, str) for p in prompts):
            return check_request(given, [[{"role": "user", "content": text}] for text in prompts])
    raise RequestError(
        f"prompt must be a string or a list of up to {MAX_PROMPTS} strings, not tokens", "prompt"
    )


class PromptAnswer(ChatAnswer):
    """A completion of each prompt, complete or as the chunks of a stream, without reasoning."""

    def __init__(self, request: ChatRequest, identifier: str, created: int) -> None:
        super().__init__(request, identifier, created)
        self._head |= {"id": f"cmpl-{identifier}", "object": "text_completion"}

    def complete(self, replies: Sequence[Written]) -> dict[str, Any]:
        choices = [
            _choice(reply.text, number, reply.finish_reason) for number, reply in enumerate(replies)
        ]
        usage = usage_of(self._request.questions, replies)
        return {**self._head, "choices": choices, "usage": usage}

    def add(self, piece: str | Reasoning, number: int) -> bytes:
        if isinstance(piece, Reasoning):
            return b""
        return event({**self._head, "choices": [_choice(piece, number, None)]})

    def finish(self, reply: Written, number: int) -> bytes:
        return event({**self._head, "choices": [_choice("", number, reply.finish_reason)]})


def _choice(text: str, number: int, finish_reason: FinishReason | None) -> dict[str, Any]:
    return {"text": text, "index": number, "logprobs": None, "finish_reason": finish_reason}
