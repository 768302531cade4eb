"""Anthropic's Messages API: its own client reads what comes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from ..support.endpoints import endpoint
from ..support.samples import DATA_URL
from ..support.servers import PATIENCE, ScriptedSpace, Zoo, ZooSpace, script, stopped, tag_of

MODEL = "qwen-2.5-max"

pytestmark = pytest.mark.anyio


def client_of(url: str, key: str = "unused") -> anthropic.Anthropic:
    address = url.removesuffix("/v1")
    return anthropic.Anthropic(base_url=address, api_key=key, max_retries=0, timeout=PATIENCE)


@pytest.fixture
def client(scripted: ScriptedSpace) -> Iterator[anthropic.Anthropic]:
    with endpoint(space=scripted.url, server_key="sesame") as url:
        with client_of(url, "sesame") as client:
            yield client


def ask(client: anthropic.Anthropic, *messages: Any, **options: Any) -> Any:
    given = {"model": MODEL, "max_tokens": 1000, "messages": list(messages), **options}
    return client.messages.create(**given)


def test_a_complete_message_is_read(client: anthropic.Anthropic) -> None:
    message = ask(client, script(say=["Hello", ", world"]))
    assert [block.text for block in message.content] == ["Hello, world"]
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens == 3


def test_reasoning_is_a_block_of_its_own_in_both_forms(thinking: ZooSpace) -> None:
    messages: Any = [{"role": "user", "content": "hi"}]
    options: Any = {"model": thinking.url, "max_tokens": 1000, "messages": messages}
    with endpoint(thinking.url) as url, client_of(url) as client:
        whole = client.messages.create(**options)
        with client.messages.stream(**options) as stream:
            kinds = [each.type for each in stream if each.type.startswith("content_block_st")]
        streamed = stream.get_final_message()
    assert kinds == ["content_block_start", "content_block_stop"] * 2
    received: list[Any] = [whole, streamed]
    for message in received:
        thought, text = message.content
        assert (thought.type, text.type) == ("thinking", "text")
        assert thought.thinking == "Let me think."
        assert json.loads(text.text) == {"message": "hi"}
        assert message.stop_reason == "end_turn"


def test_a_conversation_reaches_the_space(client: anthropic.Anthropic) -> None:
    turns = [
        {"role": "user", "content": [{"type": "text", "text": "1+1?"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": ""},
                {"type": "text", "text": "2"},
            ],
        },
        {"role": "user", "content": '{"show": "inputs"}'},
    ]
    system = [{"type": "text", "text": "Be brief."}]
    told = ask(client, *turns, system=system, tool_choice={"type": "auto"}).content[0].text
    assert "Be brief." in told
    assert "1+1?" in told
    assert "Hm." not in told


async def test_limits_and_stop_sequences_stop_the_space(
    client: anthropic.Anthropic, scripted: ScriptedSpace
) -> None:
    question = script(say=["12345", "6789"], finish="hang")
    message = ask(client, question, max_tokens=2)
    assert (message.content[0].text, message.stop_reason) == ("12345678", "max_tokens")
    await stopped(scripted, question)
    question = script(say=["one E", "ND two"], finish="hang")
    assert ask(client, question, stop_sequences=["END"]).content[0].text == "one "
    await stopped(scripted, question)


def test_an_empty_reply_has_a_block(client: anthropic.Anthropic) -> None:
    kinds = [
        each.type for each in ask(client, script(say=["x"]), stop_sequences=["x"], stream=True)
    ]
    assert kinds == [
        *("message_start", "content_block_start", "content_block_stop"),
        *("message_delta", "message_stop"),
    ]


def test_errors_have_a_status_or_are_an_event(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.InternalServerError, match="out of words"):
        ask(client, script(finish="fail"), stream=True)
    with pytest.raises(anthropic.APIStatusError, match="out of words"):
        list(ask(client, script(say=["a", "b"], finish="fail", every=0.1), stream=True))
    with client.with_options(api_key="wrong") as stranger:
        with pytest.raises(anthropic.AuthenticationError):
            ask(stranger, script())


def test_closing_a_stream_stops_the_space(
    client: anthropic.Anthropic, scripted: ScriptedSpace
) -> None:
    question = script(say=["x"], finish="hang")
    with ask(client, question, stream=True) as stream:
        assert any(each.type == "content_block_delta" for each in stream)
    scripted.wait_for("stopped", tag_of(question))


REJECTED: dict[str, Any] = {
    "tool_choice": {"type": "any"},
    "system": [7],
    "messages": [],
    "stop_sequences": 7,
}


@pytest.mark.parametrize("param", REJECTED)
def test_what_cannot_be_done_is_rejected_with_its_name(
    client: anthropic.Anthropic, param: str
) -> None:
    with pytest.raises(anthropic.BadRequestError, match=param):
        ask(client, script(), extra_body={param: REJECTED[param]})


def test_a_picture_arrives_and_those_of_a_reply_are_linked(seeing: str, drawing: Zoo) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": DATA_URL.partition(",")[2]}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "what"}]
    with endpoint(space=seeing) as url, client_of(url) as client:
        assert ask(client, {"role": "user", "content": content}).content[0].text == (
            "what image 3x2"
        )
    question: Any = {"role": "user", "content": "?"}
    with endpoint(space=drawing.url_of("pictures-mixed")) as url, client_of(url) as client:
        complete = ask(client, question).content[0].text
        with client.messages.stream(model=MODEL, max_tokens=99, messages=[question]) as stream:
            streamed = "".join(stream.text_stream)
    assert complete == streamed
    assert complete.startswith("Here it is.\n\nDone.\n\n![qwen-gradio-red.png](http")
