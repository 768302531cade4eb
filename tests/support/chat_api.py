"""Checks for HTTP APIs in OpenAI's format, and readers of their replies."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import openai

from .servers import PATIENCE, ScriptedSpace, script, tag_of

PIECES = ["Hello", ", ", "world"]


def whole(completion: Any) -> str:
    """Return the text of a complete reply."""
    return str(completion.choices[0].message.content)


def texts(chunks: Any) -> list[str]:
    """Return the fragments of a streamed reply."""
    return [text for chunk in chunks if (text := chunk.choices[0].delta.content)]


async def atexts(chunks: AsyncIterator[Any]) -> list[str]:
    """Return the fragments of a streamed reply, asynchronously."""
    return texts([chunk async for chunk in chunks])


def client_of(url: str, key: str = "unused", **options: Any) -> openai.OpenAI:
    """Return a client that does not retry."""
    return openai.OpenAI(
        base_url=url, api_key=key, **{"max_retries": 0, "timeout": PATIENCE, **options}
    )


def assert_it_streams(client: openai.OpenAI, **wanted: Any) -> None:
    """Check that fragments arrive while the Space is still writing."""
    messages: Any = [script(say=PIECES, every=0.2)]
    arrived: list[float] = []
    fragments: list[str] = []
    with client.chat.completions.create(messages=messages, stream=True, **wanted) as chunks:
        for chunk in chunks:
            if text := chunk.choices[0].delta.content:
                fragments.append(text)
                arrived.append(time.monotonic())
    # The first reply from a Space begins one fragment later.
    assert fragments in (PIECES, ["Hello, ", "world"])
    assert arrived[-1] - arrived[0] > 0.1


def assert_it_answers(client: openai.OpenAI) -> None:
    """Check that a reply can also be complete instead of streamed."""
    messages: Any = [script(say=PIECES)]
    completion = client.chat.completions.create(model="qwen-2-5-max", messages=messages)
    assert whole(completion) == "Hello, world"


def assert_closing_stops(client: openai.OpenAI, space: ScriptedSpace) -> None:
    """Check that closing a stream early stops the Space."""
    question: Any = script(say=["x"], finish="hang")
    with client.chat.completions.create(
        model="qwen-2-5-max", messages=[question], stream=True
    ) as chunks:
        assert next(iter(chunks)).choices[0].delta.content == "x"
    space.wait_for("stopped", tag_of(question))
