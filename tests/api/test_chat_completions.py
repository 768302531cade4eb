"""The official clients ask a real Space through the endpoint."""

from __future__ import annotations

import http.client
import json
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import openai
import pytest

from qwen_gradio.api import _completion, app
from qwen_gradio.api._app import MAX_BODY

from ..support.chat_api import (
    assert_closing_stops,
    assert_it_answers,
    assert_it_streams,
    atexts,
    client_of,
    texts,
    whole,
)
from ..support.endpoints import endpoint
from ..support.fronts import Front, answer
from ..support.servers import NOBODY, PATIENCE, ScriptedSpace, ZooSpace, script, stopped, tag_of

MODEL = "qwen-2.5-max"
HI = {"role": "user", "content": "hi"}
SCHEMA_FORM = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}

pytestmark = pytest.mark.anyio


@pytest.fixture
def thoughts(thinking: ZooSpace) -> Iterator[openai.OpenAI]:
    """A client of a Space whose model thinks."""
    with endpoint(thinking.url) as url, client_of(url) as client:
        yield client


def test_earlier_turns_are_sent_turn_by_turn(
    client: openai.OpenAI, scripted: ScriptedSpace
) -> None:
    turns = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}]
    shown = ask(client, *turns, script(show="inputs")).choices[0].message.content
    assert len(json.loads(shown)[1]) == 2
    with endpoint(space=scripted.url, history="flat") as url, client_of(url) as flat:
        shown = ask(flat, *turns, script(show="inputs")).choices[0].message.content
    assert shown.startswith("User: 1+1?")


@pytest.fixture(scope="module")
def one_at_once(server: None) -> Iterator[ScriptedSpace]:
    """A Space that answers one question at a time."""
    space = ScriptedSpace("6", "messages", "--at-once", "1")
    yield space
    space.close()


@pytest.fixture
def busy(one_at_once: ScriptedSpace) -> Iterator[openai.OpenAI]:
    """A client of that Space."""
    with endpoint(space=one_at_once.url) as url, client_of(url) as client:
        yield client


def ask(client: openai.OpenAI, *messages: Any, **options: Any) -> Any:
    return client.chat.completions.create(**{"model": MODEL, "messages": list(messages), **options})


def post(url: str, **body: Any) -> httpx.Response:
    return httpx.post(f"{url}/chat/completions", json=body, timeout=PATIENCE)


def test_reasoning_in_earlier_turns_is_left_out(client: openai.OpenAI) -> None:
    turn = {"role": "assistant", "content": [{"type": "reasoning", "summary": []}]}
    reply = ask(client, turn, {**turn, "content": None}, {"role": "assistant"}, script(say=["x"]))
    assert reply.choices[0].message.content == "x"
    alone = ask(client, script(say=["x"]))
    assert reply.usage.prompt_tokens == alone.usage.prompt_tokens


def test_fragments_arrive_while_the_space_is_writing(client: openai.OpenAI) -> None:
    assert_it_streams(client, model=MODEL)


def test_a_complete_reply_comes_at_once(client: openai.OpenAI) -> None:
    assert_it_answers(client)


async def test_async_clients_are_answered_in_both_ways(url: str) -> None:
    async with openai.AsyncOpenAI(base_url=url, api_key="unused", timeout=PATIENCE) as client:
        messages: Any = [script(say=["Hello", ", ", "world"], every=0.1)]
        completion = await client.chat.completions.create(model=MODEL, messages=messages)
        assert whole(completion) == "Hello, world"
        chunks = await client.chat.completions.create(model=MODEL, messages=messages, stream=True)
        assert await atexts(chunks) == ["Hello", ", ", "world"]


@pytest.mark.parametrize("stream", [False, True])
def test_requests_are_answered_at_once(client: openai.OpenAI, stream: bool) -> None:
    questions = [script(meet=[f"{stream}", 3], say=["x"]) for _ in range(3)]
    with ThreadPoolExecutor() as threads:
        replies = list(threads.map(lambda each: ask(client, each, stream=stream), questions))
    for reply in replies:
        assert (texts(reply) if stream else [whole(reply)]) == ["x"]


def test_the_final_text_of_a_complete_reply_counts(client: openai.OpenAI) -> None:
    assert whole(ask(client, script(text=["Thinking...", "The answer is 4"]))) == "The answer is 4"


def test_reasoning_comes_apart_from_the_text(thoughts: openai.OpenAI, thinking: ZooSpace) -> None:
    message = ask(thoughts, HI, model=thinking.url).choices[0].message
    assert message.reasoning_content == "Let me think."
    assert json.loads(message.content) == {"message": "hi"}
    deltas = [
        chunk.choices[0].delta for chunk in ask(thoughts, HI, model=thinking.url, stream=True)
    ]
    reasoning = [getattr(delta, "reasoning_content", None) for delta in deltas]
    assert reasoning == ["Let me", " think.", *[None] * (len(deltas) - 2)]
    assert [getattr(delta, "reasoning", None) for delta in deltas] == reasoning
    assert message.reasoning == message.reasoning_content
    assert deltas[0].role == "assistant"


def test_a_stream_without_text_has_a_role(client: openai.OpenAI) -> None:
    (chunk,) = ask(client, script(say=["END"]), stop="END", stream=True)
    assert chunk.choices[0].delta.role == "assistant"
    assert chunk.choices[0].finish_reason == "stop"


def test_usage_is_the_same_in_both_forms(thoughts: openai.OpenAI, thinking: ZooSpace) -> None:
    usage = ask(thoughts, HI, model=thinking.url).usage
    options = {"stream": True, "stream_options": {"include_usage": True}}
    *chunks, last = ask(thoughts, HI, model=thinking.url, **options)
    assert last.usage == usage
    assert last.choices == []
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert usage.completion_tokens_details.reasoning_tokens == math.ceil(len("Let me think.") / 4)
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert all(chunk.usage is None for chunk in chunks)


async def test_a_stop_sequence_ends_both_forms(
    client: openai.OpenAI, scripted: ScriptedSpace
) -> None:
    assert whole(ask(client, script(say=["one E", "ND two"]), stop="END")) == "one "
    question = script(say=["one E", "ND two"], finish="hang")
    assert "".join(texts(ask(client, question, stop=["END"], stream=True))) == "one "
    await stopped(scripted, question)


def test_sampling_is_given_to_a_space_that_has_such_inputs(thinking: ZooSpace) -> None:
    with endpoint(space=thinking.url_of("more")) as url, client_of(url) as client:
        reply = whole(ask(client, HI, temperature=0.25, top_p=0.5, max_completion_tokens=7))
    assert json.loads(reply)["temperature"] == 0.25


def test_models_are_those_of_all_providers_and_the_operators_spaces(
    scripted: ScriptedSpace,
) -> None:
    with endpoint(scripted.url, "owner/name") as url, client_of(url) as client:
        listed = [model.id for model in client.models.list()]
        assert {"qwen-2.5-max", "qwen3-8b", "qwen-2.5-72b", "qwen-2-72b"} < set(listed)
        assert listed[-2:] == [scripted.url, "owner/name"]
        assert whole(ask(client, script(say=["there"]), model=scripted.url)) == "there"
        assert [each for each in listed if "max" in each] == ["qwen-2.5-max"]
        for name in ("qwen-2-5-max", "owner/name", "qwen-2.5-72b", "Qwen/Qwen2.5-72B-Instruct"):
            assert client.models.retrieve(name).id == name
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("gpt-4")


def test_a_space_is_offered_by_another_name_with_endpoint_and_inputs(
    thinking: ZooSpace, scripted: ScriptedSpace
) -> None:
    more = f"{thinking.url_of('more')}?api_name=/reply&inputs.temperature=0.25"
    with endpoint(f"warm={more}", f"{MODEL}={scripted.url}") as url, client_of(url) as client:
        listed = [model.id for model in client.models.list()]
        assert listed.count("warm") == listed.count(MODEL) == 1
        assert json.loads(whole(ask(client, HI, model="warm")))["temperature"] == 0.25
        # The operator's Space takes the place of the model whose name it has.
        assert whole(ask(client, script(say=["mine"]))) == "mine"
    with endpoint(f"a={scripted.url}?api_name=/no") as url, client_of(url) as client:
        with pytest.raises(openai.InternalServerError, match="no chat '/no'"):
            ask(client, HI, model="a")


@pytest.mark.parametrize(
    ("spaces", "why"),
    [(["a/b?apiname=/x"], "not 'apiname'"), (["x=a/b", "x=c/d"], "Two Spaces are offered as 'x'")],
)
def test_spaces_that_cannot_be_offered_are_rejected(spaces: list[str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        app(spaces)


def test_other_addresses_are_no_models(client: openai.OpenAI, scripted: ScriptedSpace) -> None:
    with Front(lambda request: answer("200 OK")) as front:
        for model in (front.url, "owner/name"):
            with pytest.raises(openai.NotFoundError) as caught:
                ask(client, HI, model=model)
            assert caught.value.code == "model_not_found"
            assert caught.value.param == "model"
        elsewhere = {"space": front.url, "proxy": front.url, "headers": {"Host": "x"}}
        assert whole(ask(client, script(say=["here"]), extra_body=elsewhere)) == "here"
        assert not front.requests


def test_the_environment_chooses_the_space(
    scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWEN_GRADIO_SPACE", scripted.url)
    with endpoint() as url, client_of(url) as client:
        assert whole(ask(client, script(say=["here"]), model="qwen3-8b")) == "here"


def test_messages_with_text_parts_and_a_developer_are_accepted(client: openai.OpenAI) -> None:
    developer = {"role": "developer", "content": "Be brief."}
    question = {"role": "user", "content": [{"type": "text", "text": '{"show": "inputs"}'}]}
    assert "Be brief." in whole(ask(client, developer, question))


TOOL = {"type": "function", "function": {"name": "f"}}
REJECTED = {
    "tool_choice": "required",
    "function_call": {"name": "f"},
    "n": 2,
    "response_format": {"type": "grammar"},
    "logprobs": True,
    "modalities": ["text", "audio"],
    "temperature": 3,
    "max_tokens": -2,
    "seed": 0.5,
    "enable_thinking": "no",
    "thinking_budget": 0,
    "stop": [1],
    "stream_options": [],
}


@pytest.mark.parametrize("param", REJECTED)
def test_what_cannot_be_done_is_rejected_with_its_name(url: str, param: str) -> None:
    response = post(url, model=MODEL, messages=[HI], **{param: REJECTED[param]})
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["param"] == param
    assert param in error["message"]
    assert error["type"] == "invalid_request_error"


def test_an_empty_image_is_rejected(client: openai.OpenAI) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}
    with pytest.raises(openai.BadRequestError, match=r"messages\[0\], part 0 is empty") as caught:
        ask(client, {"role": "user", "content": [image]})
    assert caught.value.param == "messages"


def test_values_that_request_nothing_and_unknown_fields_are_ignored(client: openai.OpenAI) -> None:
    nothing: dict[str, Any] = {
        "n": 1,
        "max_tokens": -1,
        "logprobs": False,
        "response_format": {"type": "text"},
        "extra_body": {"tool_choice": "auto", "whatever": {"a": 1}},
        "seed": 1,
        "user": "me",
    }
    assert whole(ask(client, script(say=["fine"]), **nothing)) == "fine"


@pytest.mark.parametrize("choice", ["auto", "none", openai.NOT_GIVEN])
def test_optional_tools_are_answered_in_text(client: openai.OpenAI, choice: Any) -> None:
    reply = ask(client, script(say=["text"]), tools=[TOOL], tool_choice=choice)
    assert whole(reply) == "text"
    assert reply.choices[0].message.tool_calls is None


FENCED = ["```js", "on\n{", '"a": 1}', "\n``", "`\n", "That is all."]


@pytest.mark.parametrize("form", [{"type": "json_object"}, SCHEMA_FORM])
def test_json_is_asked_for_and_comes_without_a_fence(client: openai.OpenAI, form: Any) -> None:
    assert whole(ask(client, script(say=FENCED), response_format=form)) == '{"a": 1}'
    chunks = ask(client, script(say=FENCED), response_format=form, stream=True)
    assert "".join(texts(chunks)) == '{"a": 1}'
    question = {"role": "user", "content": '{"show": "inputs"}'}
    told = whole(ask(client, question, response_format=form))
    assert "Answer only with JSON" in told
    assert ("JSON Schema" in told) == ("json_schema" in form)


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
async def test_the_limit_stops_a_space_without_such_an_input(
    client: openai.OpenAI, scripted: ScriptedSpace, limit: str
) -> None:
    for stream in (False, True):
        question = script(say=["12345", "6789", "more"], finish="hang")
        reply = ask(client, question, stream=stream, **{limit: 2})
        if stream:
            *chunks, last = reply
            assert "".join(texts(chunks)) == "12345678"
            assert last.choices[0].finish_reason == "length"
        else:
            assert whole(reply) == "12345678"
            assert reply.choices[0].finish_reason == "length"
            assert reply.usage.completion_tokens == 2
        await stopped(scripted, question)


def test_the_operators_limit_holds_where_a_request_has_none(scripted: ScriptedSpace) -> None:
    with endpoint(space=scripted.url, max_tokens=2) as url, client_of(url) as client:
        for given, text in ({}, "12345678"), ({"max_tokens": 3}, "123456789"):
            reply = ask(client, script(say=["12345", "6789"]), **given)
            assert whole(reply) == text
            assert reply.choices[0].finish_reason == ("stop" if given else "length")


def test_a_space_with_such_an_input_keeps_the_limit(thinking: ZooSpace) -> None:
    with endpoint(space=thinking.url_of("more")) as url, client_of(url) as client:
        reply = ask(client, HI, max_tokens=2)
    assert json.loads(whole(reply))["tokens"] == 2
    assert reply.choices[0].finish_reason == "stop"


OFF: list[dict[str, Any]] = [
    {"enable_thinking": False},
    {"chat_template_kwargs": {"enable_thinking": False}},
    {"reasoning_effort": "none"},
    {"think": False},
]


@pytest.mark.parametrize("field", OFF)
def test_thinking_is_switched_off_by_any_known_field(client: openai.OpenAI, field: Any) -> None:
    question = {"role": "user", "content": "3+4?"}
    for model, said in (("qwen3-8b", "3+4? /no_think"), (MODEL, "3+4?")):
        assert whole(ask(client, question, model=model, extra_body=field)) == said


def test_a_question_that_is_too_long_is_a_bad_request(client: openai.OpenAI) -> None:
    for said in ("Context length exceeded (32768)", "Your prompt is 9 tokens too long"):
        with pytest.raises(openai.BadRequestError, match=said.split("(")[0]) as caught:
            ask(client, script(finish="fail", error=[said, "Error"]))
        assert caught.value.code == "context_length_exceeded"


SPACES_ERRORS = [
    ("401 Unauthorized", 401, openai.AuthenticationError),
    ("429 Too Many Requests", 429, openai.RateLimitError),
    ("500 Internal Server Error", 503, openai.InternalServerError),
]


@pytest.mark.parametrize(("answered", "status", "kind"), SPACES_ERRORS)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_of_a_space_have_openais_statuses(
    answered: str, status: int, kind: type[openai.APIStatusError], stream: bool
) -> None:
    response = answer(answered, Retry_After="9999")
    with Front(lambda request: response) as front, endpoint(front.url) as url:
        with client_of(url) as client, pytest.raises(kind) as caught:
            ask(client, HI, model=front.url, stream=stream)
    assert caught.value.status_code == status
    if status == 429:
        assert caught.value.response.headers["retry-after"] == "9999"
        assert caught.value.type == "rate_limit_error"


def test_a_space_that_cannot_be_reached_is_unavailable() -> None:
    with endpoint(NOBODY) as url, client_of(url) as client:
        with pytest.raises(openai.InternalServerError) as caught:
            ask(client, HI, model=NOBODY)
    assert caught.value.status_code == 503
    assert caught.value.code == "space_unavailable"


def test_a_failing_space_is_a_bad_gateway(client: openai.OpenAI) -> None:
    question = script(finish="fail", error=["out of words", "Error"])
    with pytest.raises(openai.InternalServerError, match="out of words") as caught:
        ask(client, question)
    assert caught.value.status_code == 502
    assert caught.value.response.headers["x-should-retry"] == "false"
    with pytest.raises(openai.InternalServerError, match="out of words"):
        ask(client, question, stream=True)


def test_an_error_during_a_stream_is_an_event(client: openai.OpenAI) -> None:
    fragments: list[str] = []
    chunks = ask(client, script(say=["a", "b"], finish="fail", every=0.1), stream=True)
    with pytest.raises(openai.APIError, match="out of words") as caught:
        fragments.extend(text for chunk in chunks for text in texts([chunk]))
    assert fragments == ["a", "b"]
    assert caught.value.code == "generation_failed"


def test_closing_a_stream_stops_the_space(client: openai.OpenAI, scripted: ScriptedSpace) -> None:
    assert_closing_stops(client, scripted)


@pytest.mark.parametrize("stream", [False, True])
async def test_cancelling_a_request_stops_the_space(
    url: str, scripted: ScriptedSpace, stream: bool
) -> None:
    question: Any = script(say=[], finish="hang")
    async with (
        openai.AsyncOpenAI(base_url=url, api_key="unused") as client,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(
            lambda: client.chat.completions.create(model=MODEL, messages=[question], stream=stream)
        )
        await anyio.to_thread.run_sync(scripted.wait_for, "started", tag_of(question))
        tasks.cancel_scope.cancel()
    await stopped(scripted, question)


async def test_a_client_that_loses_patience_stops_the_space(
    client: openai.OpenAI, scripted: ScriptedSpace
) -> None:
    question = script(say=["x"], finish="hang")
    with pytest.raises(openai.APITimeoutError):
        ask(client, question, timeout=2)
    await stopped(scripted, question)


async def test_a_client_that_disconnects_leaves_the_spaces_queue(
    busy: openai.OpenAI, one_at_once: ScriptedSpace
) -> None:
    first, second = (script(say=["x"], finish="hang") for _ in range(2))
    with ask(busy, first, stream=True) as chunks:
        next(iter(chunks))
        with pytest.raises(openai.APITimeoutError):
            ask(busy, second, timeout=2)
    await stopped(one_at_once, first)
    # The second would take the only place, and never give it back.
    assert whole(ask(busy, script(say=["y"]))) == "y"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comments come sooner than they do."""
    monkeypatch.setattr(_completion, "ERROR_STATUS_TIME", 0.2)
    monkeypatch.setattr(_completion, "KEEP_AWAKE_INTERVAL", 0.2)


def leave_at(url: str, question: Any, comment: str) -> None:
    """Ask for a stream, and disconnect at a comment in it."""
    body = {"model": MODEL, "messages": [question], "stream": True}
    with httpx.stream("POST", f"{url}/chat/completions", json=body, timeout=PATIENCE) as response:
        assert comment in response.iter_lines()


@pytest.mark.usefixtures("impatient")
def test_a_silent_space_keeps_proxies_awake_by_comments(url: str, scripted: ScriptedSpace) -> None:
    question = script(say=["x"], finish="hang")
    leave_at(url, question, ": waiting")
    scripted.wait_for("stopped", tag_of(question))


def test_a_concurrency_of_nothing_is_rejected() -> None:
    with pytest.raises(ValueError, match="max_concurrency must be 1 or more"):
        app(max_concurrency=0)


@pytest.mark.usefixtures("impatient")
def test_requests_beyond_the_concurrency_wait_and_can_leave(scripted: ScriptedSpace) -> None:
    with endpoint(space=scripted.url, max_concurrency=1) as url, client_of(url) as client:
        first, second = script(say=["x"], finish="hang"), script(say=["y"])
        with ask(client, first, stream=True) as chunks:
            next(iter(chunks))
            leave_at(url, second, ": waiting")
            with ThreadPoolExecutor() as threads:
                third = threads.submit(ask, client, second)
                leave_at(url, second, ": waiting")
                assert not third.done()
                chunks.close()
                assert whole(third.result(PATIENCE)) == "y"


def test_a_slow_reader_holds_up_nobody_and_loses_nothing(url: str, client: openai.OpenAI) -> None:
    pieces = [f"{number:04} {'x' * 1000}" for number in range(400)]
    body = {"model": MODEL, "messages": [script(say=pieces)], "stream": True}
    with httpx.stream("POST", f"{url}/chat/completions", json=body, timeout=PATIENCE) as response:
        lines = response.iter_lines()
        first = next(lines)
        assert whole(ask(client, script(say=["not held up"]))) == "not held up"
        read = [first, *lines]
    events = [json.loads(line[6:]) for line in read if line.startswith("data: {")]
    deltas = [event["choices"][0]["delta"].get("content", "") for event in events]
    assert "".join(deltas) == "".join(pieces)
    assert read[-2] == "data: [DONE]"


def test_another_sites_page_cannot_ask(url: str) -> None:
    body = {"model": MODEL, "messages": [HI]}
    rebound = httpx.post(f"{url}/chat/completions", json=body, headers={"Host": "evil.example"})
    assert rebound.status_code == 403
    form = httpx.post(
        f"{url}/chat/completions", content=json.dumps(body), headers={"Content-Type": "text/plain"}
    )
    assert form.status_code == 415
    evil = {"Origin": "http://evil.example"}
    preflight = httpx.options(f"{url}/chat/completions", headers=evil)
    assert "access-control-allow-origin" not in preflight.headers
    for response in (
        httpx.post(f"{url}/chat/completions", json=body, headers=evil),
        httpx.get(f"{url}/models", headers=evil),
    ):
        assert response.status_code == 403
        assert "--allow-origin http://evil.example" in response.json()["error"]["message"]


def test_the_key_is_required_where_there_is_one(scripted: ScriptedSpace) -> None:
    with endpoint(space=scripted.url, server_key="sésame") as url:
        assert httpx.get(url.replace("/v1", "/health")).json() == {"status": "ok"}
        wrong: list[dict[str, str]] = [
            {},
            {"Authorization": "Bearer no"},
            {"Authorization": "Basic sésame"},
        ]
        for headers in wrong:
            encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
            response = httpx.get(f"{url}/models", headers=encoded)
            assert response.status_code == 401
            assert response.json()["error"]["code"] == "invalid_api_key"
        right = [(b"Authorization", "Bearer sésame".encode()), (b"Host", b"gateway.example")]
        assert httpx.get(f"{url}/models", headers=right).status_code == 200


@pytest.mark.parametrize("is_declared", [True, False])
def test_a_body_that_is_too_large_is_rejected(url: str, is_declared: bool) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)
    with closing(connection):
        connection.putrequest("POST", "/v1/chat/completions")
        connection.putheader("Content-Type", "application/json")
        if is_declared:
            connection.putheader("Content-Length", str(MAX_BODY + 1))
            connection.endheaders()  # it is rejected before any of it is sent
        else:
            connection.putheader("Transfer-Encoding", "chunked")
            connection.endheaders([b" " * MAX_BODY, b" "], encode_chunked=True)
        response = connection.getresponse()
        assert response.status == 413
        assert json.load(response)["error"]["type"] == "invalid_request_error"
