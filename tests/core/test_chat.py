"""A conversation remembers completed turns, and only those."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qwen_gradio import Chat, GenerationError, InvalidMessagesError

from ..support.servers import ScriptedSpace, query

pytestmark = pytest.mark.anyio


async def test_each_question_is_asked_with_the_turns_before_it(any_gradio: ScriptedSpace) -> None:
    chat = Chat(system="Be brief.", space=any_gradio.url)
    assert await chat.ask("one") == "one"
    assert [fragment async for fragment in chat.stream(query(say=["tw", "o"], every=0.1))] == [
        "tw",
        "o",
    ]
    question = query(show="inputs")
    asked, history, system = json.loads(await chat.ask(question))
    assert (asked, system) == (question, "Be brief.")
    turns = chat.messages
    assert [turn["role"] for turn in turns] == ["system", *["user", "assistant"] * 3]
    assert [turn["content"] for turn in turns][1:3] == ["one", "one"]
    assert turns[4]["content"] == "two"
    assert json.dumps(history).count("one") == 2


async def test_a_turn_that_fails_or_is_closed_early_is_not_remembered(
    scripted: ScriptedSpace,
) -> None:
    chat = Chat(space=scripted.url)
    await chat.ask("kept")
    before = chat.messages
    with pytest.raises(GenerationError):
        await chat.ask(query(say=["so far"], finish="fail"))
    async for _ in chat.stream(query(say=["so far"], finish="hang")):
        break
    with pytest.raises(InvalidMessagesError):
        chat.stream(7)  # type: ignore[arg-type]
    assert chat.messages == before


async def test_a_turn_is_remembered_before_its_own_callback_is_called(
    scripted: ScriptedSpace,
) -> None:
    chat = Chat(space=scripted.url)
    heard: list[tuple[str, int]] = []
    stream = chat.stream("one")
    stream.on_complete = lambda reply: heard.append((reply, len(chat.messages)))
    await stream.text()
    assert heard == [("one", 2)]


@pytest.mark.parametrize("question", [7, None, b"?", [{"role": "user", "content": "?"}], {}])
async def test_a_question_that_is_not_text_is_rejected(question: Any) -> None:
    with pytest.raises(InvalidMessagesError, match=r"^question must be text, not "):
        await Chat().ask(question)


@pytest.mark.parametrize("files", [7, {"a": b"x"}, [7], [None], True])
def test_files_that_are_not_files_are_rejected(files: Any) -> None:
    with pytest.raises(TypeError, match="files must be a path, a URL, bytes"):
        Chat().stream("?", files=files)


async def test_a_system_prompt_that_is_not_text_is_rejected() -> None:
    chat = Chat("Be brief.")
    chat.system = 7  # type: ignore[assignment]
    with pytest.raises(TypeError, match="system must be text, not int"):
        await chat.ask("?")


async def test_a_reset_keeps_the_system_prompt_and_forgets_a_running_turn(
    scripted: ScriptedSpace,
) -> None:
    chat = Chat("Be brief.", scripted.url)
    await chat.ask("forgotten")
    late = chat.stream("late")
    chat.reset()
    assert await late.text() == "late"
    assert chat.messages == [{"role": "system", "content": "Be brief."}]


async def test_changing_the_returned_messages_does_not_change_the_conversation(
    scripted: ScriptedSpace,
) -> None:
    chat = Chat(space=scripted.url)
    await chat.ask("said")
    chat.messages.append({"role": "user", "content": "never said"})
    chat.messages[0]["content"] = "never said"
    assert [turn["content"] for turn in chat.messages] == ["said", "said"]


async def test_a_conversation_goes_on_with_and_without_await(any_gradio: ScriptedSpace) -> None:
    """Here an event loop runs, as in a notebook."""
    chat = Chat(space=any_gradio.url)
    assert chat.ask_sync("one") == "one"
    assert list(chat.stream_sync(query(say=["tw", "o"], every=0.1))) == ["tw", "o"]
    _, history, _ = json.loads(await chat.ask(query(show="inputs")))
    assert [json.dumps(history).count(said) for said in ('"one"', '"two"')] == [2, 1]
    with chat.stream_sync(query(say=["so far"], finish="hang")) as stream:
        assert next(stream) == "so far"
    assert len(chat.messages) == 6
