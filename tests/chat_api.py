"""What must hold of each HTTP API that serves a provider as OpenAI's does."""

from __future__ import annotations

import time
from typing import Any

import openai

from .servers import ScriptedSpace, script, tag_of

PIECES = ["Hello", ", ", "world"]


def assert_it_streams(client: openai.OpenAI, **wanted: Any) -> None:
    """Fragments come while the Space still writes."""
    messages: Any = [script(say=PIECES, every=0.2)]
    arrived: list[float] = []
    fragments: list[str] = []
    with client.chat.completions.create(messages=messages, stream=True, **wanted) as chunks:
        for chunk in chunks:
            if text := chunk.choices[0].delta.content:
                fragments.append(text)
                arrived.append(time.monotonic())
    assert fragments == PIECES
    assert arrived[-1] - arrived[0] > 0.2


def assert_it_answers(client: openai.OpenAI) -> None:
    """A reply comes as a whole, too."""
    messages: Any = [script(say=PIECES)]
    completion = client.chat.completions.create(model="qwen-2-5-max", messages=messages)
    assert completion.choices[0].message.content == "Hello, world"


def assert_leaving_stops(client: openai.OpenAI, space: ScriptedSpace) -> None:
    """Who leaves a stream stops the Space's work on it."""
    question: Any = script(say=["x"], finish="hang")
    with client.chat.completions.create(
        model="qwen-2-5-max", messages=[question], stream=True
    ) as chunks:
        assert next(iter(chunks)).choices[0].delta.content == "x"
    space.wait_for("stopped", tag_of(question))
