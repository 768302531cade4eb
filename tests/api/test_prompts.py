"""OpenAI's first API: completions of prompts."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from ..support.chat_api import client_of
from ..support.endpoints import endpoint
from ..support.servers import ScriptedSpace, ZooSpace, script, stopped, tag_of

MODEL = "qwen-2.5-max"

pytestmark = pytest.mark.anyio


def prompt(**script_: Any) -> str:
    return str(script(**script_)["content"])


def complete(client: openai.OpenAI, prompt: Any, **options: Any) -> Any:
    return client.completions.create(**{"model": MODEL, "prompt": prompt, **options})


def test_a_prompt_is_a_users_turn(client: openai.OpenAI) -> None:
    reply = complete(client, prompt(say=["Hello", ", world"]), max_tokens=16)
    assert [choice.text for choice in reply.choices] == ["Hello, world"]
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.completion_tokens == 3
    assert reply.object == "text_completion"


def test_several_prompts_are_several_choices(client: openai.OpenAI) -> None:
    prompts = [prompt(say=["a", "b"]), prompt(say=["cdefgh", "i"])]
    reply = complete(client, prompts, max_tokens=1)
    found = [(choice.index, choice.text, choice.finish_reason) for choice in reply.choices]
    assert found == [(0, "ab", "stop"), (1, "cdef", "length")]
    usage = {"include_usage": True}
    *chunks, last = complete(client, prompts, max_tokens=1, stream=True, stream_options=usage)
    texts = ["".join(c.choices[0].text for c in chunks if c.choices[0].index == n) for n in (0, 1)]
    assert texts == ["ab", "cdef"]
    assert [reason for c in chunks if (reason := c.choices[0].finish_reason)] == ["stop", "length"]
    assert last.usage == reply.usage


def test_reasoning_is_no_text(thinking: ZooSpace) -> None:
    with endpoint(thinking.url) as url, client_of(url) as client:
        for stream in (False, True):
            reply = complete(client, "hi", model=thinking.url, stream=stream)
            chunks = list(reply) if stream else [reply]
            text = "".join(chunk.choices[0].text for chunk in chunks)
            assert json.loads(text) == {"message": "hi"}


async def test_a_stop_sequence_stops_the_space(
    client: openai.OpenAI, scripted: ScriptedSpace
) -> None:
    for stream in (False, True):
        asked = script(say=["one E", "ND two"], finish="hang")
        reply = complete(client, asked["content"], stop="END", stream=stream)
        text = "".join(chunk.choices[0].text for chunk in (reply if stream else [reply]))
        assert text == "one "
        await stopped(scripted, asked)


def test_closing_a_stream_stops_the_space(client: openai.OpenAI, scripted: ScriptedSpace) -> None:
    asked = script(say=["x"], finish="hang")
    with complete(client, [asked["content"], prompt()], stream=True) as chunks:
        assert next(iter(chunks)).choices[0].text == "x"
    scripted.wait_for("stopped", tag_of(asked))


def test_a_prompt_that_fails_fails_all(client: openai.OpenAI) -> None:
    prompts = [prompt(say=["a"]), prompt(finish="fail")]
    with pytest.raises(openai.InternalServerError, match="out of words"):
        complete(client, prompts)
    with pytest.raises(openai.APIError, match="out of words"):
        list(complete(client, prompts, stream=True))


REJECTED: dict[str, Any] = {
    "prompt": [],
    "prompt ": [1, 2, 3],
    "prompt  ": {"text": "x"},
    "prompt   ": ["x"] * 2049,
    "suffix": "x",
    "echo": True,
    "best_of": 2,
    "logprobs": 1,
    "n": 2,
    "max_tokens": "many",
}


@pytest.mark.parametrize("param", REJECTED)
def test_what_cannot_be_done_is_rejected_with_its_name(client: openai.OpenAI, param: str) -> None:
    field = param.strip()
    with pytest.raises(openai.BadRequestError, match=field) as caught:
        complete(client, **{"prompt": "x", field: REJECTED[param]})
    assert caught.value.param == field
