"""Apps of every shape, on real Gradio servers: each is asked as its own page would ask it."""

from __future__ import annotations

import json
import threading
from typing import Any

import anyio
import pytest

import qwen_gradio._gradio.reply
from qwen_gradio import Chat, GenerationError, SpaceInterfaceError, StreamStatus, StreamTimeoutError

from ..support.asking import ask
from ..support.fronts import CANCEL, EVENTS, FULL, JOIN, Forward, Front, Request, answer
from ..support.servers import PATIENCE, Zoo

pytestmark = pytest.mark.anyio

QUERY = "What is 2+2?"
ASKED = [["user", QUERY]]
SYSTEM = {"role": "system", "content": "Be brief."}
EARLIER = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}]
QUESTION = {"role": "user", "content": QUERY}
FLAT = f"User: 1+1?\nAssistant: 2\nUser: {QUERY}\nAssistant:"

CHAINS: dict[str, dict[str, Any]] = {
    **{
        kind: {"history": ASKED}
        for kind in (
            *("bot", "success", "tidy", "javascript", "placeholder"),
            *("private", "undocumented", "remembered"),
        )
    },
    "load": {"history": ASKED, "settings": {"seed": 7}, "name": "Qwen"},
    "greeting": {"history": [["assistant", "Welcome!"], *ASKED]},
    "retrieval": {"history": ASKED, "found": ["Paris is in France."]},
    "turns": {"history": ASKED, "turn": 1},
    "stateful": {"message": QUERY, "history": []},
}
PAGES: dict[str, dict[str, Any]] = {
    "respond": {"message": QUERY, "history": []},
    "remember": {"seen": []},
    "qwen-2.5": {"query": QUERY, "system": "default", "radio": "72B"},
    "qwen-2": {"query": QUERY, "system": "default"},
    "updates": {"message": QUERY, "history": []},
    "components": {"message": QUERY, "history": []},
    "chatbot-last": {"message": QUERY, "history": [], "system": "default"},
    "markdown": {"question": QUERY},
    "form": {"message": QUERY, "history": [], "settings": {"model": "large", "budget": 8}},
    "two-chats": {"name": "first", "message": QUERY},
    "function": {"message": QUERY},
}
INTERFACES: dict[str, dict[str, Any]] = {
    "interface": {"message": QUERY},
    "history": {"message": QUERY, "history": []},
    "multimodal": {"message": QUERY},
    "more": {"message": QUERY, "system": "You are kind.", "tokens": 512, "temperature": 0.7},
    "at-once": {"message": QUERY},
}


async def given(space: str, *messages: dict[str, Any], **options: Any) -> Any:
    """What the app's model was given, which is its reply."""
    return json.loads(await ask(space, *(messages or [QUESTION]), **options).text())


@pytest.mark.parametrize("kind", [*CHAINS, *PAGES, *INTERFACES])
async def test_an_app_gives_the_answer_of_its_page(zoo: Zoo, kind: str) -> None:
    space = await anyio.to_thread.run_sync(zoo.url_of, kind)
    assert await given(space) == {**CHAINS, **PAGES, **INTERFACES}[kind]


@pytest.mark.parametrize("kind", ["bot", "respond", "interface", "markdown"])
async def test_a_reply_streams_from_the_step_that_writes_it(zoo: Zoo, kind: str) -> None:
    space = await anyio.to_thread.run_sync(zoo.url_of, kind)
    fragments = [fragment async for fragment in ask(space, QUESTION)]
    assert len(fragments) == 3
    json.loads("".join(fragments))


async def test_a_later_step_may_go_on_with_the_reply(zoo: Zoo) -> None:
    space = await anyio.to_thread.run_sync(zoo.url_of, "postscript")
    assert await ask(space, QUESTION).text() == json.dumps({"history": ASKED}) + " (checked)"


@pytest.mark.parametrize(
    ("kind", "turns"),
    [
        ("bot", [["user", "1+1?"], ["assistant", "2"], *ASKED]),
        ("respond", [["user", "1+1?"], ["assistant", "2"]]),
        ("greeting", [["assistant", "Welcome!"], ["user", "1+1?"], ["assistant", "2"], *ASKED]),
    ],
)
async def test_native_history_goes_into_the_chatbot(zoo: Zoo, kind: str, turns: Any) -> None:
    space = await anyio.to_thread.run_sync(zoo.url_of, kind)
    found = await given(space, *EARLIER, QUESTION, history="native")
    assert found["history"] == turns


@pytest.mark.parametrize("kind", ["history", "remembered", "turns"])
async def test_native_history_goes_into_the_query_of_an_app_that_keeps_turns(
    zoo: Zoo, kind: str
) -> None:
    if kind == "history" and not zoo.gradio.startswith("4"):
        return  # the next test's
    space = await anyio.to_thread.run_sync(zoo.url_of, kind)
    found = await given(space, *EARLIER, QUESTION, history="native")
    assert FLAT in [found.get("message"), *(text for _, text in found["history"])]


async def test_a_chat_interface_takes_earlier_turns_as_its_history(zoo: Zoo) -> None:
    if zoo.gradio.startswith("4"):
        return  # its page has no function for that
    space = await anyio.to_thread.run_sync(zoo.url_of, "history")
    found = await given(space, *EARLIER, QUESTION, history="native")
    assert found == {"message": QUERY, "history": [["user", "1+1?"], ["assistant", "2"]]}
    assert await given(space, QUESTION, history="native") == {"message": QUERY, "history": []}


async def test_a_conversation_goes_on_in_the_session_of_a_space_that_keeps_it(zoo: Zoo) -> None:
    space = await anyio.to_thread.run_sync(zoo.url_of, "remember")
    chat = Chat(space=space)
    for asked in ([], ["one"], ["one", "two"]):
        question = ("one", "two", "three")[len(asked)]
        assert json.loads(await chat.ask(question)) == {"seen": asked}
    async with chat.stream("closed early") as stream:
        await stream.__anext__()
    assert json.loads(await chat.ask("four")) == {"seen": []}  # a new session
    (seen,) = json.loads(await chat.ask("five"))["seen"]
    assert seen.startswith('User: one\nAssistant: {"seen": []}')
    assert seen.endswith("User: four\nAssistant:")


async def test_a_conversation_goes_on_by_the_turns_that_a_chat_interface_takes(zoo: Zoo) -> None:
    space = await anyio.to_thread.run_sync(zoo.url_of, "history")
    chat = Chat(space=space)
    answer = await chat.ask("one")
    found = json.loads(await chat.ask("two"))
    if zoo.gradio.startswith("4"):
        flat = f"User: one\nAssistant: {answer}\nUser: two\nAssistant:"
        assert found == {"message": flat, "history": []}
    else:
        turns = [["user", "one"], ["assistant", answer]]
        assert found == {"message": "two", "history": turns}


async def test_a_system_prompt_goes_into_its_box_or_the_query(zoo: Zoo) -> None:
    boxed = await anyio.to_thread.run_sync(zoo.url_of, "more")
    assert (await given(boxed, SYSTEM, QUESTION))["system"] == "Be brief."
    without = await anyio.to_thread.run_sync(zoo.url_of, "interface")
    query = f"System: Be brief.\nUser: {QUERY}\nAssistant:"
    assert await given(without, SYSTEM, QUESTION) == {"message": query}


async def test_inputs_are_given_by_name_or_label(zoo: Zoo) -> None:
    space = await anyio.to_thread.run_sync(zoo.url_of, "more")
    found = await given(space, inputs={"Max new tokens": 7}, temperature=0.2)
    assert (found["tokens"], found["temperature"]) == (7, 0.2)
    with pytest.raises(SpaceInterfaceError, match=r"has no input 'colour'; it has .*temperature"):
        await given(space, inputs={"colour": "red"})


async def test_fields_of_a_form_are_inputs(newest: Zoo) -> None:
    space = await anyio.to_thread.run_sync(newest.url_of, "form")
    found = await given(space, inputs={"model": "small"})
    assert found["settings"] == {"model": "small", "budget": 8}
    with pytest.raises(SpaceInterfaceError, match=r"has no input 'colour'; it has .*budget"):
        await given(space, inputs={"colour": "red"})


async def test_sessions_do_not_see_each_other(zoo: Zoo) -> None:
    space = await anyio.to_thread.run_sync(zoo.url_of, "remember")
    found: list[Any] = []

    async def look() -> None:
        found.append(await given(space))

    await look()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(look)
        tasks.start_soon(look)
    assert found == [{"seen": []}] * 3


async def test_a_step_that_fails_ends_the_reply_with_its_name(zoo: Zoo) -> None:
    space = await anyio.to_thread.run_sync(zoo.url_of, "fails")
    with pytest.raises(GenerationError, match=r"/look_up failed: .*the retriever is down"):
        await ask(space, QUESTION).text()


async def test_a_reply_without_an_answer_is_an_error(zoo: Zoo) -> None:
    space = await anyio.to_thread.run_sync(zoo.url_of, "silent")
    with pytest.raises(SpaceInterfaceError, match=r"replied to /user with .*What is 2\+2\?"):
        await ask(space, QUESTION).text()


@pytest.mark.parametrize("kind", ["image", "classifier"])
async def test_an_app_without_a_chat_is_rejected_with_what_it_has(zoo: Zoo, kind: str) -> None:
    space = await anyio.to_thread.run_sync(zoo.url_of, kind)
    with pytest.raises(SpaceInterfaceError, match=r"no chat that can be used\. Found: /\w+\("):
        await ask(space, QUESTION).text()


async def test_one_of_several_chats_is_chosen_by_name(newest: Zoo) -> None:
    space = await anyio.to_thread.run_sync(newest.url_of, "two-texts")
    with pytest.raises(SpaceInterfaceError, match="api_name: /summarize, /translate"):
        await ask(space, QUESTION).text()
    assert (await given(space, api_name="/translate"))["name"] == "translate"
    with pytest.raises(SpaceInterfaceError, match=r"no chat '/sing'.*/summarize.*/translate"):
        await ask(space, QUESTION, api_name="/sing").text()
    chats = await anyio.to_thread.run_sync(newest.url_of, "two-chats")
    assert (await given(chats, api_name="second"))["name"] == "second"


@pytest.mark.parametrize(
    ("kind", "reply", "reasoning"),
    [
        ("message", json.dumps({"message": QUERY}), ""),
        ("list", "First.\n\n" + json.dumps({"message": QUERY}), ""),
        ("changing", json.dumps({"message": QUERY}), ""),
        ("thoughts", json.dumps({"message": QUERY}), "Let me think."),
    ],
)
async def test_every_form_of_a_chat_interfaces_reply_is_read(
    newest: Zoo, kind: str, reply: str, reasoning: str
) -> None:
    space = await anyio.to_thread.run_sync(newest.url_of, kind)
    thoughts: list[str] = []
    stream = ask(space, QUESTION, on_reasoning=thoughts.append)
    assert "".join([fragment async for fragment in stream]) == reply
    assert "".join(thoughts) == stream.reasoning == reasoning


async def test_the_next_step_waits_for_the_end_of_the_last_ones_events(newest: Zoo) -> None:
    """Gradio forgets a session whose event stream is closed between completion and end."""
    space = await anyio.to_thread.run_sync(newest.url_of, "turns")

    def behave(request: Request) -> Forward:
        return Forward(gap=0.5 if request.path == EVENTS else 0)

    with Front(behave, space) as front, anyio.fail_after(PATIENCE):
        assert await given(front.url) == CHAINS["turns"]
        assert [request.path for request in front.requests].count(EVENTS) == 2


async def test_the_next_step_does_not_wait_long_for_that_end(
    newest: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qwen_gradio._gradio.reply, "DRAIN_TIMEOUT", 0.2)
    space = await anyio.to_thread.run_sync(newest.url_of, "bot")

    def behave(request: Request) -> Forward:
        return Forward(gap=4 * PATIENCE if request.path == EVENTS else 0)

    with Front(behave, space) as front, anyio.fail_after(PATIENCE):
        assert await given(front.url) == CHAINS["bot"]


async def test_a_full_queue_between_steps_is_retried_in_the_same_session(newest: Zoo) -> None:
    space = await anyio.to_thread.run_sync(newest.url_of, "turns")

    def behave(request: Request) -> bytes | Forward:
        is_second_join = request.path == JOIN and request.seen == 1
        return answer("503 Full", FULL, Retry_After="0.1") if is_second_join else Forward()

    reported: list[StreamStatus] = []
    with Front(behave, space) as front:
        stream = ask(front.url, QUESTION, max_retries=2, on_status=reported.append)
        assert json.loads(await stream.text()) == CHAINS["turns"]  # and so not asked twice
        assert [request.path for request in front.requests].count(JOIN) == 3
    assert [status.retry_in for status in reported if status.state == "retrying"] == [0.1]


async def test_leaving_a_chain_stops_the_step_that_runs(newest: Zoo) -> None:
    space = await anyio.to_thread.run_sync(newest.url_of, "endless")
    with Front(lambda request: Forward(), space) as front:
        async with ask(front.url, QUESTION) as stream:
            async for fragment in stream:
                assert fragment == "."
                break
        for thread in threading.enumerate():
            if thread.name == "qwen_gradio":
                await anyio.to_thread.run_sync(thread.join, PATIENCE)
    paths = [request.path for request in front.requests]
    assert paths[-5:] == [JOIN, EVENTS, JOIN, EVENTS, CANCEL]


async def test_a_time_out_ends_a_chain_with_the_partial_text(newest: Zoo) -> None:
    space = await anyio.to_thread.run_sync(newest.url_of, "endless")
    with pytest.raises(StreamTimeoutError, match=r"timeout=1\.5 seconds") as caught:
        await ask(space, QUESTION, timeout=1.5).text()
    assert set(caught.value.partial) <= {"."}
