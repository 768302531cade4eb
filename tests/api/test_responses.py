"""The Responses API: OpenAI's own types accept what it sends, and its clients read it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from qwen_gradio.api import _completion

from ..support.chat_api import client_of
from ..support.endpoints import endpoint
from ..support.servers import NOBODY, PATIENCE, ScriptedSpace, ZooSpace, script, stopped, tag_of

MODEL = "qwen-2.5-max"
EVENT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)
SCHEMA = {"type": "json_schema", "name": "a", "schema": {"type": "object"}}

pytestmark = pytest.mark.anyio


def ask(client: openai.OpenAI, question: Any, **options: Any) -> Any:
    return client.responses.create(**{"model": MODEL, "input": question, **options})


def post(url: str, **body: Any) -> httpx.Response:
    return httpx.post(f"{url}/responses", json={"model": MODEL, **body}, timeout=PATIENCE)


def events_of(response: httpx.Response) -> list[Any]:
    """Return the events of a stream, each accepted by OpenAI's own types."""
    events = []
    for block in response.text.split("\n\n"):
        if block.startswith("event: "):
            kind, data = block.split("\n")
            events.append(EVENT.validate_json(data.removeprefix("data: ")))
            assert events[-1].type == kind.removeprefix("event: ")
    assert [each.sequence_number for each in events] == list(range(len(events)))
    return events


def test_a_complete_response_is_read_by_openais_types(url: str, client: openai.OpenAI) -> None:
    question = script(say=["Hello", ", world"])["content"]
    assert ask(client, question).output_text == "Hello, world"
    response = Response.model_validate(post(url, input=question).json())
    assert response.status == "completed"
    assert response.usage is not None
    assert response.usage.output_tokens == 3


TEXT_EVENTS = [
    *("response.created", "response.in_progress"),
    *("response.output_item.added", "response.content_part.added"),
    *("response.output_text.delta", "response.output_text.delta"),
    *("response.output_text.done", "response.content_part.done", "response.output_item.done"),
    "response.completed",
]
THOUGHT_EVENTS = [
    *("response.output_item.added", "response.reasoning_summary_part.added"),
    *("response.reasoning_summary_text.delta", "response.reasoning_summary_text.delta"),
    *("response.reasoning_summary_text.done", "response.reasoning_summary_part.done"),
    "response.output_item.done",
]


def test_a_stream_has_every_event_of_a_text(url: str, client: openai.OpenAI) -> None:
    ask(client, [script(say=["known"])])  # the first reply from a Space begins a fragment later
    question = script(say=["Hello", ", world"], every=0.1)
    events = events_of(post(url, input=[question], stream=True))
    assert [each.type for each in events] == TEXT_EVENTS
    assert events[-1].response.output == [events[-2].item]
    assert events[-1].response.output_text == "Hello, world"
    with ask(client, [question], stream=True) as stream:
        deltas = [each.delta for each in stream if each.type == "response.output_text.delta"]
    assert deltas == ["Hello", ", world"]
    items: Any = [question]
    with client.responses.stream(model=MODEL, input=items) as parsed:
        assert parsed.get_final_response().output_text == "Hello, world"


def test_reasoning_is_an_item_of_its_own(thinking: ZooSpace) -> None:
    with endpoint(thinking.url) as url:
        whole = Response.model_validate(post(url, model=thinking.url, input="hi").json())
        events = events_of(post(url, model=thinking.url, input="hi", stream=True))
    assert [each.type for each in events[2:9]] == THOUGHT_EVENTS
    responses: list[Any] = [whole, events[-1].response]
    for response in responses:
        thought, message = response.output
        assert thought.type == "reasoning"
        assert [part.text for part in thought.summary] == ["Let me think."]
        assert message.type == "message"
        assert json.loads(response.output_text) == {"message": "hi"}
        assert response.usage.output_tokens_details.reasoning_tokens == 4


def test_an_empty_reply_has_a_message(url: str) -> None:
    events = events_of(post(url, input=[script(say=["END"])], stop="END", stream=True))
    (message,) = events[-1].response.output
    assert message.type == "message"
    assert events[-1].response.output_text == ""


def test_a_conversation_in_items_reaches_the_space(client: openai.OpenAI) -> None:
    items: list[Any] = [
        {"role": "developer", "content": "Be brief."},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "1+1?"}]},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "2", "annotations": []}],
        },
        {"role": "user", "content": '{"show": "inputs"}'},
    ]
    told = ask(client, items, instructions="You are kind.", text={"format": SCHEMA}).output_text
    for part in ("You are kind.", "Be brief.", "1+1?", "JSON Schema"):
        assert part in told


def test_json_comes_without_a_fence(client: openai.OpenAI) -> None:
    question = script(say=["```json\n", "{}\n```"])
    assert ask(client, [question], text={"format": {"type": "json_object"}}).output_text == "{}"


async def test_a_limit_makes_a_response_incomplete(url: str, scripted: ScriptedSpace) -> None:
    for stream in (False, True):
        question = script(say=["12345", "6789"], finish="hang")
        answer = post(url, input=[question], max_output_tokens=2, stream=stream)
        response = (
            events_of(answer)[-1].response if stream else Response.model_validate(answer.json())
        )
        assert response.status == "incomplete"
        assert response.incomplete_details is not None
        assert response.incomplete_details.reason == "max_output_tokens"
        assert response.output_text == "12345678"
        await stopped(scripted, question)


def test_what_tools_send_and_is_not_needed_is_ignored(client: openai.OpenAI) -> None:
    ignored: dict[str, Any] = {
        "store": False,
        "metadata": {"a": "b"},
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "low"},
        "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": True}],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "service_tier": "auto",
        "truncation": "auto",
        "prompt_cache_key": "k",
        "background": False,
    }
    assert ask(client, [script(say=["x"])], **ignored).output_text == "x"


def test_thinking_is_switched_off_by_an_effort_of_none(client: openai.OpenAI) -> None:
    reply = ask(client, "3+4?", model="qwen3-8b", reasoning={"effort": "none"})
    assert reply.output_text == "3+4? /no_think"


IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,"}
REJECTED: dict[str, Any] = {
    "previous_response_id": "resp_1",
    "conversation": "conv_1",
    "background": True,
    "prompt": {"id": "pmpt_1"},
    "tool_choice": {"type": "function", "name": "f"},
    "instructions": [],
    "max_output_tokens": 1.5,
    "text": "json",
    "text.format": {"format": {"type": "json_schema"}},
    "input": [{"type": "function_call_output", "call_id": "1", "output": "4"}],
    "input ": [{"role": "user", "content": [IMAGE]}],
    "input  ": [],
    "input   ": {"role": "user"},
    "input    ": [7],
}


@pytest.mark.parametrize("param", REJECTED)
def test_what_cannot_be_done_is_rejected_with_its_name(url: str, param: str) -> None:
    field = param.strip()
    name = field.partition(".")[0]
    response = post(url, **{"input": "hi", name: REJECTED[param]})
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["param"] == field
    assert field in error["message"]


def test_an_error_before_the_first_text_has_a_status(client: openai.OpenAI) -> None:
    for stream in (False, True):
        with pytest.raises(openai.InternalServerError, match="out of words") as caught:
            ask(client, [script(finish="fail")], stream=stream)
        assert caught.value.status_code == 502
    with endpoint(NOBODY) as url, client_of(url) as nobody:
        with pytest.raises(openai.InternalServerError):
            ask(nobody, "hi", model=NOBODY, stream=True)


def test_an_error_after_it_is_a_failed_response(url: str) -> None:
    question = script(say=["a", "b"], finish="fail", every=0.1)
    *events, last = events_of(post(url, input=[question], stream=True))
    assert last.type == "response.failed"
    assert "out of words" in last.response.error.message
    assert last.response.output_text == "ab"
    assert events[-1].item.status == "incomplete"


def test_an_error_after_comments_is_a_failed_response(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_completion, "ERROR_STATUS_TIME", 0)
    question = script(say=[" "], finish="fail", every=1)
    kinds = [each.type for each in events_of(post(url, input=[question], stream=True))]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.failed"


def test_closing_a_stream_stops_the_space(client: openai.OpenAI, scripted: ScriptedSpace) -> None:
    question = script(say=["x"], finish="hang")
    with ask(client, [question], stream=True) as stream:
        assert any(each.type == "response.output_text.delta" for each in stream)
    scripted.wait_for("stopped", tag_of(question))


async def test_the_agents_sdk_runs_an_agent(url: str) -> None:
    agents: Any = pytest.importorskip("agents")
    agents.set_tracing_disabled(True)
    async with openai.AsyncOpenAI(base_url=url, api_key="unused") as client:
        model = agents.OpenAIResponsesModel(MODEL, client)

        def never_called() -> str:
            """Do nothing."""
            return ""

        tools = [agents.function_tool(never_called)]
        agent = agents.Agent("Echo", model=model, instructions="Be kind.", tools=tools)
        question: Any = [script(say=["Hello", ", world"])]
        assert (await agents.Runner.run(agent, question)).final_output == "Hello, world"
        run = agents.Runner.run_streamed(agent, question)
        async for _ in run.stream_events():
            pass
        assert run.final_output == "Hello, world"
        turns = run.to_input_list()
        again = await agents.Runner.run(agent, [*turns, script(say=["Again"])])
        assert again.final_output == "Again"
