"""LiteLLM asks a real Space through its functions, its Router and its proxy."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import os
import secrets
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from qwen_gradio import Qwen_Qwen_2_5_Max, errors

from ..support.chat_api import (
    assert_closing_stops,
    assert_it_answers,
    assert_it_streams,
    atexts,
    texts,
    whole,
)
from ..support.samples import DATA_URL
from ..support.servers import (
    NOBODY,
    ScriptedSpace,
    Zoo,
    ZooSpace,
    script,
    stopped,
    tag_of,
    uvicorn_at,
)

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # otherwise the import fetches prices

import litellm

from qwen_gradio._openai import cut, stop_sequences
from qwen_gradio.registries import litellm as registry

pytestmark = [
    pytest.mark.anyio,
    # LiteLLM's own types cause this warning when pydantic first reads them.
    pytest.mark.filterwarnings("ignore:Items? '.*' on TypedDict class:UserWarning"),
]

MODEL = "qwen-gradio/qwen-2-5-max"
STARTING = 120.0
"""Seconds within which the proxy must have started; its imports take long."""


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litellm, "custom_provider_map", [])
    monkeypatch.setattr(litellm, "suppress_debug_info", True)
    registry.register()


@pytest.fixture
def silent_space() -> Iterator[str]:
    """A server that accepts connections and never sends anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def ask(space: ScriptedSpace | ZooSpace, *messages: dict[str, Any], **options: Any) -> Any:
    return litellm.completion(
        **{"model": MODEL, "messages": list(messages), "api_base": space.url, **options}
    )


async def aask(space: ScriptedSpace | ZooSpace, *messages: dict[str, Any], **options: Any) -> Any:
    return await litellm.acompletion(
        **{"model": MODEL, "messages": list(messages), "api_base": space.url, **options}
    )


def test_registering_again_changes_nothing() -> None:
    before = list(litellm.custom_provider_map)
    registry.register()
    assert litellm.custom_provider_map == before
    assert len(before) == 1


def test_registering_leaves_other_providers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    others: list[Any] = [{"provider": "other", "custom_handler": litellm.CustomLLM()}]
    monkeypatch.setattr(litellm, "custom_provider_map", [*others])
    registry.register()
    assert litellm.custom_provider_map[:1] == others


async def test_complete_replies_come_to_sync_and_async_calls(scripted: ScriptedSpace) -> None:
    question = script(text=["Thinking...", "Hello, world"], every=0.1)
    for response in (ask(scripted, question), await aask(scripted, question)):
        assert whole(response) == "Hello, world"
        assert response.choices[0].finish_reason == "stop"


def test_earlier_turns_are_sent_turn_by_turn(scripted: ScriptedSpace) -> None:
    turns = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}]
    asked = [*turns, script(show="inputs")]
    assert len(json.loads(whole(ask(scripted, *asked)))[1]) == 2
    assert whole(ask(scripted, *asked, history="flat")).startswith("User: 1+1?")


def test_reasoning_in_earlier_turns_is_left_out(scripted: ScriptedSpace) -> None:
    turn = {"role": "assistant", "content": [{"type": "reasoning", "summary": []}]}
    response = ask(scripted, turn, {**turn, "content": None}, script(say=["x"]))
    assert whole(response) == "x"


async def test_fragments_come_one_by_one_to_sync_and_async_calls(scripted: ScriptedSpace) -> None:
    question = script(say=["Hello", ", ", "world"], every=0.1)
    assert texts(ask(scripted, question, stream=True)) == ["Hello", ", ", "world"]
    chunks = await aask(scripted, question, stream=True)
    assert await atexts(chunks) == ["Hello", ", ", "world"]


async def test_a_fragment_arrives_while_the_space_is_still_writing(scripted: ScriptedSpace) -> None:
    question = script(say=["first"], finish="hang")
    async for chunk in await aask(scripted, question, stream=True):
        assert chunk.choices[0].delta.content == "first"
        break
    await stopped(scripted, question)


HI = {"role": "user", "content": "hi"}


async def test_complete_replies_have_the_reasoning(thinking: ZooSpace) -> None:
    options = {"model": "qwen-gradio/qwen-3-8b", "api_name": "reply"}
    for response in (ask(thinking, HI, **options), await aask(thinking, HI, **options)):
        assert response.choices[0].message.reasoning_content == "Let me think."
        assert json.loads(whole(response)) == {"message": "hi"}


async def test_reasoning_is_streamed_before_the_text(thinking: ZooSpace) -> None:
    chunks = [chunk async for chunk in await aask(thinking, HI, stream=True)]
    for each in (list(ask(thinking, HI, stream=True)), chunks):
        deltas = [chunk.choices[0].delta for chunk in each]
        thoughts = [getattr(delta, "reasoning_content", None) for delta in deltas]
        assert thoughts == ["Let me", " think.", *[None] * (len(deltas) - 2)]
        assert deltas[0].role == "assistant"
        assert json.loads("".join(texts(each))) == {"message": "hi"}
        assert len({chunk.id for chunk in each}) == 1
        assert each[-1].choices[0].finish_reason == "stop"
        message: Any = litellm.stream_chunk_builder(each).choices[0].message  # type: ignore[union-attr]
        assert message.reasoning_content == "Let me think."
        assert json.loads(message.content) == {"message": "hi"}


async def test_reasoning_counts_in_the_usage_of_both_forms(thinking: ZooSpace) -> None:
    usage = (await aask(thinking, HI)).usage
    chunks = await aask(thinking, HI, stream=True, stream_options={"include_usage": True})
    streamed = [chunk.usage async for chunk in chunks if getattr(chunk, "usage", None)]
    for each in (usage, streamed[-1]):
        assert each.completion_tokens == usage.completion_tokens
        assert each.completion_tokens_details.reasoning_tokens == litellm.token_counter(
            model="qwen-2-5-max", text="Let me think.", count_response_tokens=True
        )
        assert each.total_tokens == each.prompt_tokens + each.completion_tokens


def test_an_unknown_api_name_is_an_error(thinking: ZooSpace) -> None:
    with pytest.raises(litellm.NotFoundError, match="nowhere"):
        ask(thinking, HI, api_name="nowhere")


async def test_without_api_base_the_space_comes_from_the_environment(
    scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWEN_GRADIO_SPACE", scripted.url)
    response = await litellm.acompletion(model=MODEL, messages=[script(say=["here"])])
    assert whole(response) == "here"


def test_api_key_is_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def look(model: str, messages: Any, **options: Any) -> None:
        seen.update(options)
        raise errors.QueueFullError("that is all")

    monkeypatch.setattr(Qwen_Qwen_2_5_Max, "create_async_generator", look)
    with pytest.raises(litellm.ServiceUnavailableError):
        litellm.completion(
            model=MODEL, messages=[script()], api_base="a/b", api_key="hf_x", timeout=7
        )
    assert (seen["space"], seen["api_key"], seen["timeout"]) == ("a/b", "hf_x", 7)


@pytest.mark.parametrize("end", ["break", "close"])
async def test_closing_a_stream_early_stops_the_space(scripted: ScriptedSpace, end: str) -> None:
    question = script(say=["x"], finish="hang")
    chunks = ask(scripted, question, stream=True)
    assert next(chunks).choices[0].delta.content == "x"
    del chunks
    await stopped(scripted, question)
    question = script(say=["x"], finish="hang")
    stream = await aask(scripted, question, stream=True)
    async for _ in stream:
        break
    if end == "close":
        await stream.aclose()
    else:
        del stream
    await stopped(scripted, question)


async def test_cancelling_stops_the_space(scripted: ScriptedSpace) -> None:
    question = script(say=["x"], finish="hang")
    asking = asyncio.create_task(aask(scripted, question))
    await asyncio.to_thread(scripted.wait_for, "started", tag_of(question))
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await stopped(scripted, question)


async def test_blocking_calls_work_inside_a_running_loop_and_leave_no_thread(
    scripted: ScriptedSpace,
) -> None:
    ask(scripted, script(say=["warm"]))
    assert texts(ask(scripted, script(say=["a", "b"], every=0.1), stream=True)) == ["a", "b"]
    names = [thread.name for thread in threading.enumerate()]
    assert "qwen_gradio loop" not in names


async def test_usage_is_counted_and_the_same_in_both_forms(scripted: ScriptedSpace) -> None:
    question = script(say=["The capital ", "of France ", "is Paris."], every=0.1)
    usage = (await aask(scripted, question)).usage
    assert usage.completion_tokens == litellm.token_counter(
        model="qwen-2-5-max", text="The capital of France is Paris.", count_response_tokens=True
    )
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0
    chunks = await aask(scripted, question, stream=True, stream_options={"include_usage": True})
    streamed = [chunk.usage async for chunk in chunks if getattr(chunk, "usage", None)]
    assert streamed[-1].completion_tokens == usage.completion_tokens


async def test_a_reply_ends_before_a_stop_sequence_and_the_space_is_stopped(
    scripted: ScriptedSpace,
) -> None:
    question = script(say=["one, t", "wo, ", "END of it", " more"], finish="hang")
    chunks = await aask(scripted, question, stream=True, stop=["END", "never"])
    assert "".join(await atexts(chunks)) == "one, two, "
    await stopped(scripted, question)
    response = await aask(scripted, script(say=["one ", "E", "ND two"]), stop="END")
    assert whole(response) == "one "


def test_a_stop_sequence_in_pieces_is_found_and_its_beginning_alone_is_not() -> None:
    fragments = iter(["a<", "en", "d b<e", "nd>c", "never read"])
    assert list(cut(fragments, ["<end>"])) == ["a", "", "<end b", ""]
    assert list(fragments) == ["never read"]
    assert list(cut(["a\n"], stop_sequences("\n\n"))) == ["a", "\n"]
    for nothing in ("", None, [""]):
        assert list(cut(["a"], stop_sequences(nothing))) == ["a", ""]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.InvalidMessagesError, litellm.BadRequestError),
        (errors.ModelNotFoundError, litellm.NotFoundError),
        (errors.SpaceUnavailableError, litellm.ServiceUnavailableError),
        (errors.SpaceInterfaceError, litellm.NotFoundError),
        (errors.AuthenticationError, litellm.AuthenticationError),
        (errors.QueueFullError, litellm.ServiceUnavailableError),
        (errors.RateLimitError, litellm.RateLimitError),
        (errors.GenerationError, litellm.InternalServerError),
        (errors.StreamInterruptedError, litellm.APIConnectionError),
        (errors.StreamTimeoutError, litellm.Timeout),
    ],
)
async def test_each_error_is_one_of_litellms(
    error: type[errors.QwenGradioError], expected: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise error("what happened")

    monkeypatch.setattr(Qwen_Qwen_2_5_Max, "create_async_generator", fail)
    for stream in (False, True):
        with pytest.raises(expected, match="what happened") as caught:
            litellm.completion(model=MODEL, messages=[script()], stream=stream)
        assert isinstance(caught.value.__cause__, error)
        with pytest.raises(expected, match="what happened"):
            await litellm.acompletion(model=MODEL, messages=[script()], stream=stream)


def test_every_error_has_a_counterpart_in_litellm() -> None:
    of_batches = {errors.InvalidItemsError, errors.OutputError}
    ours = set(errors.QwenGradioError.__subclasses__()) - of_batches
    assert ours <= set(registry.ERRORS)


async def test_errors_of_a_real_space_are_raised_as_litellms(scripted: ScriptedSpace) -> None:
    with pytest.raises(litellm.InternalServerError, match="out of words"):
        await aask(scripted, script(say=["a"], finish="fail"))
    with pytest.raises(litellm.ServiceUnavailableError, match="cannot be reached"):
        await aask(scripted, script(say=["a"]), api_base=NOBODY)
    with pytest.raises(litellm.ServiceUnavailableError, match="cannot be reached"):
        ask(scripted, script(say=["a"]), api_base=NOBODY, stream=True)
    with pytest.raises(litellm.NotFoundError, match="no model 'nope'"):
        await aask(scripted, script(say=["a"]), model="qwen-gradio/nope")


async def test_retry_after_is_passed_to_litellm(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **options: Any) -> None:
        error = errors.RateLimitError("slowly")
        error.retry_after = 7.0
        raise error

    monkeypatch.setattr(Qwen_Qwen_2_5_Max, "create_async_generator", fail)
    with pytest.raises(litellm.RateLimitError) as caught:
        await litellm.acompletion(model=MODEL, messages=[script()])
    assert caught.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("stream", [pytest.param(False, marks=pytest.mark.slow), True])
async def test_timeout_is_honoured(scripted: ScriptedSpace, stream: bool) -> None:
    await aask(scripted, script(say=["warm"]))  # otherwise the Space may not begin in time
    question = script(say=["x"], finish="hang")

    async def read() -> None:
        reply = await aask(scripted, question, timeout=2, stream=stream)
        await atexts(reply)

    with pytest.raises(litellm.Timeout):
        await read()
    await stopped(scripted, question)
    with pytest.raises(litellm.Timeout):
        list(ask(scripted, script(say=["x"], finish="hang"), timeout=0.5, stream=stream))


@pytest.mark.slow
async def test_a_long_stream_may_take_longer_than_timeout(scripted: ScriptedSpace) -> None:
    question = script(say=list("abcdefgh"), every=0.5)
    chunks = await aask(scripted, question, timeout=3, stream=True)
    assert "".join(await atexts(chunks)) == "abcdefgh"


@pytest.mark.parametrize(
    "option",
    [
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
        {"functions": [{"name": "f", "parameters": {}}]},
        {"n": 2},
        {"response_format": {"type": "json_object"}},
        {"logprobs": True},
        {"logit_bias": {"50256": -100}},
        {"modalities": ["text", "audio"]},
        {"space": NOBODY},
        {"proxy": NOBODY},
        {"oauth_token": "hf_x"},
        {"files": ["/etc/hostname"]},
        {"on_reasoning": print},
    ],
    ids=lambda option: next(iter(option)),
)
async def test_options_that_a_text_chat_does_not_support_are_rejected(
    option: dict[str, Any],
) -> None:
    for stream in (False, True):
        with pytest.raises(litellm.UnsupportedParamsError, match=next(iter(option))):
            litellm.completion(
                model=MODEL, messages=[script()], api_base=NOBODY, stream=stream, **option
            )
        with pytest.raises(litellm.UnsupportedParamsError, match=next(iter(option))):
            await litellm.acompletion(
                model=MODEL, messages=[script()], api_base=NOBODY, stream=stream, **option
            )


@pytest.mark.parametrize("option", [{"temperature": "hot"}, {"max_retries": -1}, {"inputs": [1]}])
async def test_a_wrong_type_is_the_callers_error(option: dict[str, Any]) -> None:
    with pytest.raises(litellm.BadRequestError, match=next(iter(option))):
        await litellm.acompletion(model=MODEL, messages=[script()], api_base=NOBODY, **option)


async def test_images_and_tool_results_are_rejected() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    for message in (
        {"role": "user", "content": [image]},
        {"role": "tool", "tool_call_id": "1", "content": "4"},
    ):
        with pytest.raises(litellm.BadRequestError):
            await litellm.acompletion(model=MODEL, messages=[message], api_base=NOBODY)


@pytest.mark.parametrize("url", ["/etc/hostname", "file:///etc/hostname", "http://127.0.0.1/x"])
async def test_callers_cannot_name_files_of_this_computer(url: str) -> None:
    image = {"type": "image_url", "image_url": {"url": url}}
    with pytest.raises(litellm.BadRequestError, match="must be a data: or an https: URL"):
        await litellm.acompletion(
            model=MODEL, messages=[{"role": "user", "content": [image]}], api_base=NOBODY
        )
    for form in ("media", "images"):
        with pytest.raises(litellm.BadRequestError, match=rf"{form}\[0\] must be a data: or"):
            await litellm.acompletion(
                model=MODEL, messages=[HI], api_base=NOBODY, **{form: [[url, "x.png"]]}
            )


async def test_a_picture_arrives(seeing: str) -> None:
    image = {"type": "image_url", "image_url": {"url": DATA_URL}}
    content: list[Any] = [{"type": "text", "text": "what"}, image]
    response = await litellm.acompletion(
        model=MODEL, messages=[{"role": "user", "content": content}], api_base=seeing
    )
    assert whole(response) == "what image 3x2"
    assert litellm.supports_vision(MODEL)


async def test_a_reply_ends_with_links_to_its_files(drawing: Zoo) -> None:
    asked: Any = {"model": MODEL, "messages": [HI], "api_base": drawing.url_of("pictures-mixed")}
    text = whole(await litellm.acompletion(**asked))
    assert text.startswith("Here it is.\n\nDone.\n\n![qwen-gradio-red.png](http")
    assert "".join(texts(litellm.completion(**asked, stream=True))) == text
    assert "".join(await atexts(await litellm.acompletion(**asked, stream=True))) == text
    assert whole(await litellm.acompletion(**asked, stop="Done")) == "Here it is.\n\n"


@pytest.mark.parametrize("model", ["qwen-2-5-max", "qwen-2.5-max", "qwen-3-32b", "qwen3-32b"])
def test_litellm_knows_what_models_take_and_that_they_cost_nothing(
    model: str, caplog: pytest.LogCaptureFixture
) -> None:
    del litellm.model_cost[f"qwen-gradio/{model}"]  # it warns of new models only
    registry.register()
    info = litellm.get_model_info(f"qwen-gradio/{model}")
    assert (info["max_input_tokens"], info["max_output_tokens"]) == (32768, 8192)
    assert info["supports_system_messages"]
    assert litellm.cost_per_token(f"qwen-gradio/{model}", 1000, 1000) == (0, 0)
    assert not caplog.records


async def test_unsupported_options_that_request_nothing_are_accepted(
    scripted: ScriptedSpace,
) -> None:
    response = await aask(
        scripted, script(say=["x"]), n=1, tools=[], response_format={"type": "text"}, logprobs=False
    )
    assert whole(response) == "x"


async def test_drop_params_leaves_out_unsupported_options(scripted: ScriptedSpace) -> None:
    response = await aask(scripted, script(say=["x"]), n=2, drop_params=True)
    assert whole(response) == "x"


async def test_unused_sampling_options_are_logged_in_one_debug_line(
    scripted: ScriptedSpace, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "qwen_gradio"):
        await aask(scripted, script(say=["x"]), seed=1, presence_penalty=0.5)
    lines = [r.getMessage() for r in caplog.records if r.name == "qwen_gradio"]
    assert len([line for line in lines if "seed, presence_penalty" in line]) == 1


def router(space: ScriptedSpace, broken: str, **options: Any) -> litellm.Router:
    """Return a router with two deployments, of which the first is broken."""
    return litellm.Router(
        model_list=[
            {
                "model_name": "first",
                "litellm_params": {"model": MODEL, "api_base": broken, **options},
            },
            {"model_name": "second", "litellm_params": {"model": MODEL, "api_base": space.url}},
        ],
        fallbacks=[{"first": ["second"]}],
        num_retries=0,
        disable_cooldowns=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True])
async def test_a_router_falls_back_from_a_space_that_is_gone(
    scripted: ScriptedSpace, stream: bool
) -> None:
    messages: list[Any] = [script(say=["a", "b"], every=0.1)]
    reply: Any = await router(scripted, NOBODY).acompletion("first", messages, stream=stream)
    assert (await atexts(reply) if stream else whole(reply)) in (["a", "b"], "ab")
    reply = router(scripted, NOBODY).completion("first", messages, stream=stream)
    assert (texts(reply) if stream else whole(reply)) in (["a", "b"], "ab")


@pytest.mark.parametrize("option", ["timeout", "stream_timeout"])
async def test_a_router_falls_back_from_a_space_that_hangs(
    scripted: ScriptedSpace, silent_space: str, option: str
) -> None:
    messages: list[Any] = [script(say=["a", "b"], every=0.1)]
    chunks = await router(scripted, silent_space, **{option: 0.5}).acompletion(
        "first", messages, stream=True
    )
    assert await atexts(chunks) == ["a", "b"]


async def test_a_router_asks_again(
    scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Qwen_Qwen_2_5_Max.create_async_generator
    failed: list[str] = []

    def full_at_first(*args: Any, **options: Any) -> Any:
        if not failed:
            failed.append("once")
            raise errors.QueueFullError("full")
        return real(*args, **options)

    monkeypatch.setattr(Qwen_Qwen_2_5_Max, "create_async_generator", full_at_first)
    asking = litellm.Router(
        model_list=[
            {"model_name": "it", "litellm_params": {"model": MODEL, "api_base": scripted.url}}
        ],
        num_retries=1,
        disable_cooldowns=True,
    )
    messages: list[Any] = [script(say=["a", "b"])]
    reply = await asking.acompletion("it", messages)
    assert whole(reply) == "ab"
    assert failed == ["once"]


@pytest.fixture(scope="module")
def proxy(
    scripted: ScriptedSpace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[openai.OpenAI]:
    """The real proxy, with the configuration from the registry's docstring."""
    assert registry.__doc__ is not None
    text = inspect.cleandoc(registry.__doc__).split("`LITELLM_MASTER_KEY`:")[1]
    config = tmp_path_factory.mktemp("proxy") / "config.yaml"
    config.write_text(inspect.cleandoc(text))
    key = f"sk-{secrets.token_hex(32)}"
    options = ["--host", "127.0.0.1", "--port", "0", "--telemetry", "False"]
    litellm_command = str(Path(sys.executable).with_name("litellm"))
    command = [litellm_command, "--config", str(config), *options]
    environment = {"QWEN_GRADIO_SPACE": scripted.url, "LITELLM_MASTER_KEY": key}
    with (
        uvicorn_at(command, environment, config.parent, patience=STARTING) as url,
        openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client,
    ):
        yield client


@pytest.mark.slow
def test_the_proxy_streams_to_the_openai_client(proxy: openai.OpenAI) -> None:
    assert_it_streams(proxy, model="qwen-2-5-max")


@pytest.mark.slow
def test_the_proxy_also_gives_complete_replies(proxy: openai.OpenAI) -> None:
    assert [model.id for model in proxy.models.list()] == ["qwen-2-5-max"]
    assert_it_answers(proxy)


@pytest.mark.slow
def test_closing_the_proxys_stream_early_stops_the_space(
    proxy: openai.OpenAI, scripted: ScriptedSpace
) -> None:
    assert_closing_stops(proxy, scripted)


@pytest.mark.slow
def test_the_proxy_rejects_options_that_a_text_chat_does_not_support(proxy: openai.OpenAI) -> None:
    messages: Any = [script(say=["x"])]
    with pytest.raises(openai.BadRequestError, match="does not support n"):
        proxy.chat.completions.create(model="qwen-2-5-max", messages=messages, n=2)
