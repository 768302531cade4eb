"""LangChain calls a Space like any chat model, and passes LangChain's own standard tests."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    trim_messages,
)
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from qwen_gradio import GenerationError, ModelNotFoundError, SpaceInterfaceError, StreamTimeoutError
from qwen_gradio._openai import cut
from qwen_gradio.registries.langchain import ChatQwenGradio

from ..support import servers
from ..support.samples import DATA_URL, PNG
from ..support.servers import NOBODY, ScriptedSpace, Zoo, ZooSpace, script, tag_of

pytestmark = pytest.mark.anyio


class TextOnly:
    """The features that LangChain's tests must not expect of a text chat."""

    has_tool_calling = False
    has_tool_choice = False
    has_structured_output = False
    model_override_value = "qwen-2.5-max"
    chat_model_class = ChatQwenGradio


class TestUnit(TextOnly, ChatModelUnitTests):
    chat_model_params = {"model": "qwen-2-5-max"}  # noqa: RUF012
    init_from_env_params = (
        {"QWEN_GRADIO_SPACE": "owner/name", "HF_TOKEN": "never taken unasked"},
        {},
        {"space": "owner/name", "api_key": None},
    )


class TestIntegration(TextOnly, ChatModelIntegrationTests):
    """LangChain's tests, against a Space that repeats the question."""

    chat_model_params: dict[str, Any] = {}  # noqa: RUF012

    @pytest.fixture(autouse=True)
    def space(self, scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("QWEN_GRADIO_SPACE", scripted.url)


class Seeing(TextOnly, ChatModelIntegrationTests):
    __test__ = False  # all others are in TestIntegration
    supports_image_inputs = True


def test_langchains_test_of_images_passes(seeing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = httpx.Response(200, content=PNG)  # in place of one on the network
    monkeypatch.setattr(
        "langchain_tests.integration_tests.chat_models.httpx.get", lambda *_, **__: picture
    )
    Seeing().test_image_inputs(ChatQwenGradio(space=seeing))


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "base64": DATA_URL.partition(",")[2], "mime_type": "image/png"},
        {"type": "image", "url": DATA_URL},
        {"type": "image_url", "image_url": {"url": DATA_URL}},
        {
            "type": "image",
            "source_type": "base64",
            "data": DATA_URL.partition(",")[2],
            "mime_type": "image/png",
        },
    ],
    ids=["base64", "url", "image_url", "LangChain 0"],
)
async def test_a_picture_arrives(seeing: str, block: dict[str, Any]) -> None:
    question = HumanMessage(["what", block])
    assert (await ChatQwenGradio(space=seeing).ainvoke([question])).text == "what image 3x2"


async def test_a_reply_ends_with_links_to_its_files(drawing: Zoo) -> None:
    model = ChatQwenGradio(space=drawing.url_of("pictures-mixed"))
    complete = await model.ainvoke("?")
    assert complete.text.startswith("Here it is.\n\nDone.\n\n![qwen-gradio-red.png](http")
    async for chunks in both(model, "?"):
        assert "".join(chunks) == complete.text
    assert model.invoke("?", stop=["Done"]).text == "Here it is.\n\n"


def test_tokens_are_counted_without_transformers(seeing: str) -> None:
    model = ChatQwenGradio()
    assert model.get_num_tokens("12345678") == 2
    long: list[BaseMessage] = [HumanMessage("x" * 4000), AIMessage("y"), HumanMessage("z")]
    short = trim_messages(long, max_tokens=100, token_counter=model, start_on="human")
    assert short == long[2:]
    picture = HumanMessage([{"type": "image", "url": DATA_URL * 100}])
    assert model.get_num_tokens_from_messages([picture]) < 200
    counting = ChatQwenGradio(custom_get_token_ids=lambda text: [1] * len(text))
    assert counting.get_num_tokens("12345678") == 8
    assert counting.get_num_tokens_from_messages([HumanMessage("1")]) == len("Human: 1")


@pytest.fixture
def model(scripted: ScriptedSpace) -> ChatQwenGradio:
    return ChatQwenGradio(space=scripted.url)


def asking(**what: Any) -> HumanMessage:
    return HumanMessage(script(**what)["content"])


async def stopped(space: ScriptedSpace, question: HumanMessage) -> None:
    await servers.stopped(space, {"content": question.content})


class Tokens(BaseCallbackHandler):
    """A callback that records what LangChain reports."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.errors: list[BaseException] = []

    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        self.tokens.append(token)

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        self.errors.append(error)


PIECES = ["One", " by", " one", "."]


async def both(model: ChatQwenGradio, messages: Any, **kwargs: Any) -> AsyncIterator[list[str]]:
    """Yield the chunks of `stream`, then those of `astream`."""
    yield [chunk.text for chunk in model.stream(messages, **kwargs)]
    yield [chunk.text async for chunk in model.astream(messages, **kwargs)]


async def test_fragments_arrive_one_by_one(model: ChatQwenGradio) -> None:
    async for chunks in both(model, [asking(say=PIECES, every=0.2)]):
        assert chunks == [*PIECES, ""]


async def test_callbacks_and_events_receive_each_fragment(model: ChatQwenGradio) -> None:
    question = [asking(say=PIECES, every=0.2)]
    seen = Tokens()
    list(model.stream(question, config={"callbacks": [seen]}))
    assert seen.tokens == [*PIECES, ""]
    events = [
        event["data"]["chunk"].text
        async for event in model.astream_events(question)
        if event["event"] == "on_chat_model_stream"
    ]
    assert events == [*PIECES, ""]


async def test_with_streaming_invoke_reports_each_fragment(scripted: ScriptedSpace) -> None:
    seen = Tokens()
    model = ChatQwenGradio(space=scripted.url, streaming=True, callbacks=[seen])
    assert model.invoke([asking(say=PIECES, every=0.2)]).text == "One by one."
    assert seen.tokens == [*PIECES, ""]


async def test_a_chain_streams_through(model: ChatQwenGradio) -> None:
    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "{question}")])
    chain = prompt | model | StrOutputParser()
    question = asking(say=PIECES, every=0.2).content
    assert [text async for text in chain.astream({"question": question}) if text] == PIECES


async def test_breaking_out_stops_the_space(model: ChatQwenGradio, scripted: ScriptedSpace) -> None:
    question = asking(say=["x"], finish="hang")
    for _ in model.stream([question]):
        break
    await stopped(scripted, question)
    question = asking(say=["x"], finish="hang")
    async for _ in model.astream([question]):
        break
    await stopped(scripted, question)


async def test_cancelling_ainvoke_stops_the_space(
    model: ChatQwenGradio, scripted: ScriptedSpace
) -> None:
    question = asking(say=["x"], finish="hang")
    tag = tag_of({"content": question.content})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(model.ainvoke, [question])
        await anyio.to_thread.run_sync(scripted.wait_for, "started", tag)
        tasks.cancel_scope.cancel()
    await stopped(scripted, question)


async def test_the_sync_methods_work_where_an_event_loop_runs(model: ChatQwenGradio) -> None:
    assert model.invoke("here").text == "here"
    assert [chunk.text for chunk in model.stream("here")] == ["here", ""]
    assert [reply.text for reply in model.batch(["a", "b"])] == ["a", "b"]
    assert not [t for t in threading.enumerate() if t.name == "qwen_gradio loop"]


async def test_every_kind_of_message_is_sent(model: ChatQwenGradio) -> None:
    messages: list[BaseMessage] = [
        SystemMessage("Be brief."),
        HumanMessage(["1", "+", {"type": "text", "text": "1?"}]),
        AIMessageChunk(content="2"),
        ChatMessage(role="user", content="sure?"),
    ]
    assert (await model.ainvoke(messages, history="flat")).text == (
        "User: 1+1?\nAssistant: 2\nUser: sure?\nAssistant:"
    )
    assert (await model.ainvoke(messages)).text == "sure?"
    shown = model.invoke([*messages[:3], asking(show="inputs")]).text
    query, history, system = json.loads(shown)
    assert (json.loads(query)["show"], system) == ("inputs", "Be brief.")
    assert "1+1?" in json.dumps(history[0])


async def test_invoke_returns_the_final_text_and_the_models_name(model: ChatQwenGradio) -> None:
    reply = await model.ainvoke([asking(text=["Thinking...", "The answer"], every=0.1)])
    assert reply.text == "The answer"
    assert reply.response_metadata["model_name"] == "qwen-2-5-max"


async def test_an_empty_reply_is_an_error(model: ChatQwenGradio) -> None:
    with pytest.raises(GenerationError, match="The reply is empty"):
        await model.ainvoke([asking(say=[""])])


async def test_a_reply_ends_before_a_stop_sequence(
    model: ChatQwenGradio, scripted: ScriptedSpace
) -> None:
    question = asking(say=["one", " <", "en", "d> two"], every=0.1)
    assert model.invoke([question], stop=["<end>"]).text == "one "
    assert (await model.ainvoke([question], stop=["<end>"])).text == "one "
    async for chunks in both(model, [question], stop=["<end>"]):
        assert "".join(chunks) == "one "
    assert model.bind(stop=["<never>"]).invoke([question]).text == "one <end> two"


async def test_a_stop_sequence_stops_the_space(scripted: ScriptedSpace) -> None:
    model = ChatQwenGradio(space=scripted.url, stop="!")
    question = asking(say=["so", " far", "! no"], every=0.1, finish="hang")
    assert "".join(chunk.text for chunk in model.stream([question])) == "so far"
    await stopped(scripted, question)


@given(st.data(), st.text("ab", min_size=1), st.lists(st.text("ab", min_size=1, max_size=4)))
def test_stop_sequences_are_found_however_a_text_is_divided_into_fragments(
    data: st.DataObject, text: str, stops: list[str]
) -> None:
    splits = sorted(data.draw(st.sets(st.integers(0, len(text)))) | {0, len(text)})
    fragments = [text[start:end] for start, end in pairwise(splits)]
    expected = "".join(map(str, cut([text], stops)))
    assert "".join(map(str, cut(fragments, stops))) == expected
    assert text.startswith(expected)
    assert (expected == text) == (not any(stop in text for stop in stops))


async def test_reasoning_is_a_content_block_before_the_text(thinking: ZooSpace) -> None:
    model = ChatQwenGradio(model="qwen-3-8b", space=thinking.url, api_name="reply")
    for reply in (model.invoke("hi"), await model.ainvoke("hi")):
        thought, text = reply.content_blocks
        assert thought == {"type": "reasoning", "reasoning": "Let me think."}
        assert json.loads(reply.text) == {"message": "hi"}
        assert text["type"] == "text"


async def test_reasoning_is_streamed_before_the_text(thinking: ZooSpace) -> None:
    model = ChatQwenGradio(space=thinking.url)
    for chunks in (list(model.stream("hi")), [chunk async for chunk in model.astream("hi")]):
        thoughts = [chunk.content_blocks for chunk in chunks[:2]]
        assert thoughts == [
            [{"type": "reasoning", "reasoning": "Let me"}],
            [{"type": "reasoning", "reasoning": " think."}],
        ]
        assert json.loads("".join(chunk.text for chunk in chunks[2:])) == {"message": "hi"}


def test_api_name_chooses_the_endpoint(thinking: ZooSpace) -> None:
    with pytest.raises(SpaceInterfaceError, match="nowhere"):
        ChatQwenGradio(space=thinking.url, api_name="nowhere").invoke("hi")


UNSUPPORTED: dict[str, dict[str, Any]] = {
    "tools": {"tools": [{"type": "function", "function": {"name": "f"}}]},
    "response_format": {"response_format": {"type": "json_object"}},
    "support n": {"n": 2},
    "logprobs": {"logprobs": True},
}


@pytest.mark.parametrize("complaint", UNSUPPORTED)
async def test_options_that_a_text_chat_does_not_support_are_rejected(complaint: str) -> None:
    model = ChatQwenGradio(space=NOBODY)
    seen = Tokens()
    with pytest.raises(ValueError, match=complaint):
        model.invoke("hi", config={"callbacks": [seen]}, **UNSUPPORTED[complaint])
    assert len(seen.errors) == 1
    with pytest.raises(ValueError, match=complaint):
        await anext(model.astream("hi", **UNSUPPORTED[complaint]))


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (HumanMessage([{"type": "image_url", "image_url": {"url": "data:,"}}]), "a data: URL must"),
        (HumanMessage([{"type": "image", "base64": "", "mime_type": "image/png"}]), "is empty"),
        (ToolMessage("4", tool_call_id="1"), "what a tool returned"),
        (AIMessage("", tool_calls=[{"name": "f", "args": {}, "id": "1"}]), "not tool_calls"),
        (ChatMessage(role="judge", content="?"), "unknown role 'judge'"),
    ],
    ids=["image URL", "image", "tool message", "tool calls", "unknown role"],
)
async def test_messages_that_are_not_text_are_rejected(
    message: BaseMessage, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        ChatQwenGradio(space=NOBODY).invoke([HumanMessage("look"), message])


def test_binding_tools_or_structured_output_is_rejected() -> None:
    model = ChatQwenGradio()
    with pytest.raises(NotImplementedError, match="does not support tools"):
        model.bind_tools([])
    with pytest.raises(NotImplementedError, match="does not support tools or structured output"):
        model.with_structured_output({"title": "Person"}, method="json_mode")


def test_unknown_fields_and_models_are_rejected() -> None:
    with pytest.raises(ValueError, match="stream_timout"):
        ChatQwenGradio(stream_timout=3)  # type: ignore[call-arg]
    with pytest.raises(ModelNotFoundError, match="qwen-2-5-max"):
        ChatQwenGradio(model="gpt-4").invoke("hi")


async def test_usage_is_estimated_and_the_same_in_both_forms(thinking: ZooSpace) -> None:
    model = ChatQwenGradio(model="qwen-3-8b", space=thinking.url, api_name="reply")
    counter = UsageMetadataCallbackHandler()
    complete = model.invoke("hi", config={"callbacks": [counter]})
    usage = complete.usage_metadata
    assert usage is not None
    assert usage["input_tokens"] == count_tokens_approximately([HumanMessage("hi")])
    thought = usage["output_token_details"]["reasoning"]
    assert thought == count_tokens_approximately([AIMessage("Let me think.")])
    assert usage["output_tokens"] == thought + count_tokens_approximately(
        [AIMessage(complete.text)]
    )
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert counter.usage_metadata == {"qwen-3-8b": usage}
    chunks: list[Any] = [list(model.stream("hi")), [chunk async for chunk in model.astream("hi")]]
    for streamed in chunks:
        assert sum(streamed[1:], streamed[0]).usage_metadata == usage
        assert [chunk.usage_metadata for chunk in streamed[:-1]] == [None] * (len(streamed) - 1)


async def test_usage_counts_a_reply_up_to_its_stop_sequence(model: ChatQwenGradio) -> None:
    question = asking(say=["one", " END two"], every=0.1)
    complete = model.invoke([question], stop=["END"]).usage_metadata
    *_, last = model.stream([question], stop=["END"])
    assert last.usage_metadata == complete
    assert complete is not None
    assert complete["output_tokens"] == count_tokens_approximately([AIMessage("one ")])


async def test_callbacks_and_secrets_are_fields_too(thinking: ZooSpace) -> None:
    thoughts: list[str] = []
    model = ChatQwenGradio(
        model="Qwen/Qwen3-8B",
        space=thinking.url,
        api_name="reply",
        headers={"X-Key": "secret"},
        oauth_token="hf_secret",  # type: ignore[arg-type]
        on_reasoning=thoughts.append,
    )
    assert json.loads(model.invoke("hi").text) == {"message": "hi"}
    assert thoughts == ["Let me", " think."]
    assert "secret" not in repr(model)


async def test_errors_reach_the_caller_and_the_callbacks(model: ChatQwenGradio) -> None:
    seen = Tokens()
    question = [asking(say=["so far"], every=0.1, finish="fail")]
    with pytest.raises(GenerationError, match="out of words") as caught:
        list(model.stream(question, config={"callbacks": [seen]}))
    assert caught.value.partial == "so far"
    assert (seen.tokens, seen.errors) == (["so far"], [caught.value])
    with pytest.raises(GenerationError, match="out of words"):
        await model.ainvoke(question)


async def test_options_can_be_given_for_one_call(
    model: ChatQwenGradio, scripted: ScriptedSpace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "qwen_gradio")
    question = asking(say=["x"], finish="hang")
    with pytest.raises(StreamTimeoutError, match="timeout=2"):
        await model.ainvoke([question], timeout=2, seed=1)
    await stopped(scripted, question)
    assert "has no inputs for seed" in caplog.text


@pytest.mark.parametrize("auth", [("user", "secret"), "user:secret"])
def test_secrets_are_not_shown(auth: Any) -> None:
    model = ChatQwenGradio(
        api_key="hf_secret",  # type: ignore[arg-type]
        auth=auth,
        proxy="http://user:secret@proxy",
    )
    for shown in (repr(model), str(model.to_json()), str(model._get_invocation_params())):
        assert "secret" not in shown
