"""Apps whose chat is one of several, has no page, or is shown or kept in unusual components."""

from __future__ import annotations

import json
import logging
from typing import Any

import anyio
import pytest

import qwen_gradio
from qwen_gradio import SpaceInterfaceError

from ..support.asking import ask
from ..support.servers import Zoo
from .test_spaces import EARLIER, FLAT, QUERY, QUESTION, SYSTEM, given

pytestmark = pytest.mark.anyio
NATIVE: dict[str, Any] = {"history": "native"}


async def serve(zoo: Zoo, kind: str) -> str:
    return await anyio.to_thread.run_sync(zoo.url_of, kind)


async def show_plan(space: str) -> str:
    """Return what `qwen-gradio inspect` prints of how the Space is asked."""
    return str(await anyio.to_thread.run_sync(qwen_gradio.inspect, space))


@pytest.mark.parametrize(
    ("kind", "reply"),
    [
        ("chat-tabs", {"name": "Chat", "message": QUERY, "seen": {"count": 0}}),
        ("tools", {"asked": QUERY}),
        ("arena", {"side": "left", "history": [["user", QUERY]]}),
        ("arena-at-once", {"side": "left", "message": QUERY}),
        ("json-memory", {"turns": [QUERY]}),
        ("data-and-text", {"question": QUERY}),
        ("one-box", {"message": QUERY}),
        ("system", {"message": QUERY, "system": ""}),
    ],
)
async def test_an_app_gives_the_answer_of_its_page(zoo: Zoo, kind: str, reply: Any) -> None:
    assert await given(await serve(zoo, kind)) == reply


@pytest.mark.parametrize(
    ("kind", "reply"),
    [
        ("browser-memory", {"turns": ["earlier", QUERY]}),
        ("missing-output", {"message": QUERY, "history": []}),
    ],
)
async def test_a_recent_app_gives_the_answer_of_its_page(
    recent: Zoo, kind: str, reply: Any
) -> None:
    assert await given(await serve(recent, kind)) == reply


async def test_a_chat_is_drawn_when_the_page_opens(zoo: Zoo) -> None:
    space = await serve(zoo, "drawn")
    asked = {"message": QUERY, "history": [], "at": 0.5}
    assert await given(space) == asked
    assert await given(space, temperature=7) == {**asked, "at": 2}
    assert await given(space, api_name="/respond", inputs={"Temperature": 1}) == {**asked, "at": 1}
    found = await given(space, *EARLIER, QUESTION, **NATIVE)
    assert found["history"] == [["user", "1+1?"], ["assistant", "2"]]
    with pytest.raises(SpaceInterfaceError, match="does not accept 3 as Temperature"):
        await ask(space, QUESTION, inputs={"Temperature": 3}).text()
    assert "these steps draw the page, which is then asked as it is" in await show_plan(space)


async def test_a_page_that_draws_no_chat_says_what_it_has(zoo: Zoo) -> None:
    space = await serve(zoo, "drawn-image")
    with pytest.raises(SpaceInterfaceError, match=r"no chat that can be used. Found: /keep"):
        await ask(space, QUESTION).text()


async def test_other_chats_are_named_by_their_tabs_and_can_be_chosen(recent: Zoo) -> None:
    space = await serve(recent, "chat-tabs")
    assert "/chat_1 (tab 'Code')" in await show_plan(space)
    assert (await given(space, api_name="/chat_1"))["name"] == "Code"


async def test_tools_can_be_chosen(newest: Zoo) -> None:
    space = await serve(newest, "tools")
    assert await given(space, api_name="/search") == {"searched": QUERY}
    assert "/search (tab 'Search')" in await show_plan(space)


@pytest.mark.parametrize("kind", ["arena", "arena-at-once"])
async def test_a_second_chatbot_is_noted(
    newest: Zoo, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    space = await serve(newest, kind)
    note = "2 chatbots answer side by side: 'Model A' is read, and not 'Model B'"
    assert f"Note: {note}" in await show_plan(space)
    with caplog.at_level(logging.INFO, "qwen_gradio"):
        await given(space)
    assert [record.getMessage() for record in caplog.records] == [f"{space}: {note}"]


@pytest.mark.parametrize("kind", ["json-memory", "browser-memory"])
async def test_what_an_app_keeps_unseen_is_its_memory(recent: Zoo, kind: str) -> None:
    space = await serve(recent, kind)
    assert (await given(space, *EARLIER, QUESTION, **NATIVE))["turns"][-1] == FLAT


async def test_a_component_that_is_missing_is_named(recent: Zoo) -> None:
    space = await serve(recent, "missing-input")
    with pytest.raises(SpaceInterfaceError, match=r" cannot be called.*component \d+, is "):
        await ask(space, QUESTION).text()


async def test_an_empty_system_box_stays_empty(zoo: Zoo) -> None:
    space = await serve(zoo, "system")
    assert (await given(space, SYSTEM, QUESTION))["system"] == "Be brief."
    assert (await given(space))["system"] == ""


async def test_handlers_take_the_properties_of_components(newest: Zoo) -> None:
    space = await serve(newest, "props")
    found = await given(space, temperature=1.5)
    assert found == {"message": QUERY, "label": "Message", "most": 2, "at": 1.5}


SETTINGS = [512, 0.7, 0.95, "s", 1]


async def test_options_stay_within_bounds(zoo: Zoo, caplog: pytest.LogCaptureFixture) -> None:
    space = await serve(zoo, "bounds")
    with caplog.at_level(logging.INFO, "qwen_gradio"):
        found = await given(space, temperature=0, max_tokens=32000, top_p=0)
    assert found["settings"] == [2048, 0.1, 0.1, *SETTINGS[3:]]
    assert [record.getMessage() for record in caplog.records] == [
        f"{space}: temperature=0 was changed to 0.1",
        f"{space}: max_tokens=32000 was changed to 2048",
        f"{space}: top_p=0 was changed to 0.1",
    ]


@pytest.mark.parametrize(
    ("inputs", "changed"),
    [
        ({"Speed": "Fast"}, {3: "f"}),
        ({"Speed": "f"}, {3: "f"}),
        ({"Mode": 2.5}, {4: 2.5}),
        ({"Mode": "2.5"}, {4: 2.5}),
        ({"Temperature": 4}, {1: 4}),
    ],
)
async def test_a_choice_is_given_by_name_or_value(
    zoo: Zoo, inputs: dict[str, Any], changed: dict[int, Any]
) -> None:
    found = await given(await serve(zoo, "bounds"), inputs=inputs)
    assert dict(enumerate(found["settings"])) == dict(enumerate(SETTINGS)) | changed


@pytest.mark.parametrize(
    ("inputs", "allowed"),
    [
        ({"Temperature": 9}, "9 as Temperature: it takes a number from 0.1 to 4.0"),
        ({"Top-p (nucleus sampling)": "high"}, "a number from 0.1 to 1.0"),
        ({"Speed": "Medium"}, r"one of 'Fast' \('f'\), 'Slow' \('s'\)"),
        ({"Mode": 2}, "one of 1, 2.5"),
    ],
)
async def test_inputs_out_of_bounds_are_an_error(
    newest: Zoo, inputs: dict[str, Any], allowed: str
) -> None:
    space = await serve(newest, "bounds")
    with pytest.raises(SpaceInterfaceError, match=allowed):
        await ask(space, QUESTION, inputs=inputs).text()


@pytest.mark.parametrize(
    ("kind", "reasoning"),
    [("api-json", "let me see"), ("api-pieces", ""), ("api-snapshots", ""), ("api-optional", "")],
)
async def test_a_function_without_a_page_replies_with_text_or_an_object(
    recent: Zoo, kind: str, reasoning: str
) -> None:
    stream = ask(await serve(recent, kind), QUESTION)
    assert "".join([fragment async for fragment in stream]) == "Hello there"
    assert (await stream.text(), stream.reasoning) == ("Hello there", reasoning)


async def test_an_object_has_the_complete_reply(recent: Zoo) -> None:
    stream = ask(await serve(recent, "api-footers"), QUESTION)
    assert await stream.text() == "Hello there (11 characters)"
    assert stream.reasoning == "let me see"


async def test_an_object_is_read_as_it_grows(recent: Zoo) -> None:
    thoughts: list[str] = []
    space = await serve(recent, "api-objects")
    stream = ask(space, SYSTEM, QUESTION, temperature=0.1, on_reasoning=thoughts.append)
    fragments = [fragment async for fragment in stream]
    assert len(fragments) > 1
    assert json.loads("".join(fragments)) == {
        "text": QUERY,
        "history": [],
        "system": "Be brief.",
        "at": 0.1,
    }
    assert "".join(thoughts) == stream.reasoning == "let me see"


@pytest.mark.parametrize(
    ("kind", "history"),
    [("api-objects", EARLIER), ("api-history", EARLIER), ("api-pairs", [["1+1?", "2"]])],
)
async def test_a_history_takes_earlier_turns(recent: Zoo, kind: str, history: Any) -> None:
    space = await serve(recent, kind)
    assert (await given(space, *EARLIER, QUESTION, **NATIVE))["history"] == history
    assert (await given(space, *EARLIER, QUESTION))["history"] == []


@pytest.mark.parametrize("options", [{}, NATIVE])
async def test_messages_take_the_whole_chat(recent: Zoo, options: dict[str, Any]) -> None:
    space = await serve(recent, "api-messages")
    chat = [SYSTEM, *EARLIER, QUESTION]
    assert (await given(space, *chat, **options))["messages"] == chat


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("api-undeclared", r"/chat\(message\) declares no return type, without which Gradio"),
        ("api-numbers", "an object has none of content, .*, but score, label"),
        ("api-text-history", "its input 'history' is required and takes no list, but string"),
    ],
)
async def test_a_function_that_is_no_chat_says_why(recent: Zoo, kind: str, why: str) -> None:
    space = await serve(recent, kind)
    with pytest.raises(SpaceInterfaceError, match=why):
        await ask(space, QUESTION).text()
