"""The providers ask stand-ins for the Qwen Spaces, which are made of the Spaces' own components."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from qwen_gradio import (
    Chat,
    ModelNotFoundError,
    Provider,
    Qwen_Qwen_2_5,
    Qwen_Qwen_3,
    Qwen_Qwen_3_VL,
    SpaceInterfaceError,
    ask,
    stream,
)
from qwen_gradio._models import provider_of

from ..support.samples import PNG, png
from ..support.servers import Zoo

pytestmark = pytest.mark.anyio

SYSTEM = {"role": "system", "content": "Be brief."}
QUESTION = {"role": "user", "content": "3+4?"}
CHAT = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}, QUESTION]
FLAT = "User: 1+1?\nAssistant: 2\nUser: 3+4?\nAssistant:"


@pytest.fixture(scope="module")
def qwen_2_5(server: None) -> Iterator[str]:
    zoo = Zoo("qwen-2.5", "pairs")
    yield zoo.url_of("qwen-2.5-space")
    zoo.close()


@pytest.fixture(scope="module")
def qwen_3_zoo(server: None) -> Iterator[Zoo]:
    zoo = Zoo("qwen-3")
    yield zoo
    zoo.close()


@pytest.fixture(scope="module")
def qwen_3(qwen_3_zoo: Zoo) -> str:
    return qwen_3_zoo.url_of("qwen-3-space")


async def given(
    provider: type[Provider], space: str, *messages: dict[str, str], model: str = "", **options: Any
) -> Any:
    """Return what the Space's model was given, which is its reply."""
    stream = provider.create_async_generator(model, messages, space=space, **options)
    return json.loads(await stream.text())


async def test_qwen_2_5_chooses_the_model(qwen_2_5: str) -> None:
    assert (await given(Qwen_Qwen_2_5, qwen_2_5, QUESTION))["radio"] == "72B"
    told = await given(Qwen_Qwen_2_5, qwen_2_5, QUESTION, model="qwen-2.5-7b")
    assert (told["radio"], told["query"]) == ("7B", "3+4?")


async def test_qwen_2_5_is_given_the_system_prompt(qwen_2_5: str) -> None:
    told = await given(Qwen_Qwen_2_5, qwen_2_5, SYSTEM, QUESTION)
    assert (told["system"], told["query"]) == ("Be brief.", "3+4?")
    told = await given(Qwen_Qwen_2_5, qwen_2_5, QUESTION)
    assert told["system"] == Qwen_Qwen_2_5.default_system


async def test_qwen_2_5_is_given_the_history(qwen_2_5: str) -> None:
    told = await given(Qwen_Qwen_2_5, qwen_2_5, *CHAT)
    assert (told["query"], told["history"]) == (FLAT, [])
    told = await given(Qwen_Qwen_2_5, qwen_2_5, *CHAT, history="native")
    assert (told["query"], told["history"]) == ("3+4?", [["1+1?", "2"]])


async def test_qwen_3_chooses_the_model(qwen_3: str) -> None:
    assert (await given(Qwen_Qwen_3, qwen_3, QUESTION))["model"] == "qwen3-235b-a22b"
    for model in ("qwen3-30b-a3b", "qwen-3-30b"):
        told = await given(Qwen_Qwen_3, qwen_3, QUESTION, model=model)
        assert (told["model"], told["query"]) == ("qwen3-30b-a3b", "3+4?")


async def test_qwen_3_is_given_system_prompt_and_history_in_the_query(qwen_3: str) -> None:
    for history in ("flat", "native"):
        told = await given(Qwen_Qwen_3, qwen_3, SYSTEM, *CHAT, history=history)
        assert (told["query"], told["history"]) == (f"System: Be brief.\n{FLAT}", [])


@pytest.fixture(scope="module")
def qwen_3_vl(qwen_3_zoo: Zoo) -> str:
    return qwen_3_zoo.url_of("qwen-3-vl-space")


async def test_qwen_3_vl_sees_pictures(qwen_3_vl: str) -> None:
    thoughts: list[str] = []
    files = [PNG, png(4, 5)]
    told = await given(
        Qwen_Qwen_3_VL, qwen_3_vl, QUESTION, files=files, on_reasoning=thoughts.append
    )
    assert told["query"] == ["image 3x2", "image 4x5", "3+4?"]
    assert "".join(thoughts) == "Let me think."
    told = await given(Qwen_Qwen_3_VL, qwen_3_vl, SYSTEM, *CHAT, files=PNG, history="native")
    assert (told["query"], told["history"]) == (["image 3x2", f"System: Be brief.\n{FLAT}"], [])


async def test_a_conversation_with_qwen_3_vl_keeps_its_pictures(qwen_3_vl: str) -> None:
    chat = Chat(provider=Qwen_Qwen_3_VL, space=qwen_3_vl)
    await chat.ask("one", files=PNG)
    told = json.loads(await chat.ask("two"))
    assert (told["query"], told["history"][0]) == (["two"], ["user", ["image 3x2", "one"]])


@pytest.mark.parametrize("file", [b"%PDF-1", b"ID3"])
async def test_qwen_3_vl_takes_only_images_and_videos(qwen_3_vl: str, file: bytes) -> None:
    with pytest.raises(SpaceInterfaceError, match=r"files of the types image/\*, video/\* in"):
        await given(Qwen_Qwen_3_VL, qwen_3_vl, QUESTION, files=file)


async def test_a_conversation_with_qwen_3_goes_on_in_its_session(qwen_3: str) -> None:
    chat = Chat(provider=Qwen_Qwen_3, space=qwen_3)
    for number, question in enumerate(["one", "two", "three"]):
        told = json.loads(await chat.ask(question))
        assert (told["query"], len(told["history"])) == (question, 2 * number)


async def test_a_list_of_bubbles_shows_the_reply(qwen_3_zoo: Zoo) -> None:
    space = qwen_3_zoo.url_of("bubbles")
    asked = Qwen_Qwen_3.create_async_generator("", CHAT, space=space, history="native")
    fragments = [fragment async for fragment in asked]
    assert len(fragments) > 1
    assert json.loads("".join(fragments)) == {"query": FLAT, "earlier": []}


async def test_a_pro_chatbot_is_given_turns_in_the_form_of_its_answers(qwen_3_zoo: Zoo) -> None:
    for kind in ("pro-parts", "pro-text"):
        space = qwen_3_zoo.url_of(kind)
        if kind == "pro-text":  # seen in its first answer
            await given(Qwen_Qwen_3, space, QUESTION, history="native")
        told = await given(Qwen_Qwen_3, space, *CHAT, history="native")
        assert told == {"query": "3+4?", "history": [["user", "1+1?"], ["assistant", "2"]]}


async def test_qwen_3s_thinking_budget_is_an_option(qwen_3: str) -> None:
    assert (await given(Qwen_Qwen_3, qwen_3, QUESTION))["thinking_budget"] == 38
    told = await given(Qwen_Qwen_3, qwen_3, QUESTION, model="qwen-3-8b", thinking_budget=5)
    assert (told["thinking_budget"], told["model"]) == (5, "qwen3-8b")
    told = await given(Qwen_Qwen_3, qwen_3, QUESTION, inputs={"thinking_budget": 6})
    assert told["thinking_budget"] == 6


async def test_qwen_3_thinks_before_it_answers(qwen_3: str) -> None:
    thoughts: list[str] = []
    fragments: list[str] = []

    def think(text: str) -> None:
        assert not fragments
        thoughts.append(text)

    stream = Qwen_Qwen_3.create_async_generator(None, [QUESTION], space=qwen_3, on_reasoning=think)
    async for fragment in stream:
        fragments.append(fragment)
    assert "".join(thoughts) == stream.reasoning == "Let me think."
    assert json.loads("".join(fragments))["query"] == "3+4?"


def test_scripts_name_the_provider_and_its_options(qwen_3: str) -> None:
    options: Any = {"provider": Qwen_Qwen_3, "space": qwen_3, "thinking_budget": 2}
    assert json.loads(ask("3+4?", "qwen-3-4b", **options))["thinking_budget"] == 2
    assert json.loads("".join(stream("3+4?", "qwen-3-4b", **options)))["model"] == "qwen3-4b"
    with pytest.raises(TypeError, match="Unknown option: thinking_budget"):
        ask("3+4?", "qwen-2.5", thinking_budget=2)


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        (None, "Qwen_Qwen_3"),
        ("", "Qwen_Qwen_3"),
        ("auto", "Qwen_Qwen_3"),
        ("qwen-2.5-max", "Qwen_Qwen_2_5_Max"),
        ("qwen-2.5", "Qwen_Qwen_2_5"),
        ("qwen-2.5-0.5b", "Qwen_Qwen_2_5"),
        ("qwen-2-72b", "Qwen_Qwen_2_72B"),
        ("qwen-3", "Qwen_Qwen_3"),
        ("qwen-3-vl", "Qwen_Qwen_3_VL"),
        ("qwen3-0.6b", "Qwen_Qwen_3"),
    ],
)
def test_a_model_has_one_provider(model: str | None, provider: str) -> None:
    assert provider_of(model).__name__ == provider


def test_an_unknown_model_lists_those_of_all_providers() -> None:
    with pytest.raises(ModelNotFoundError, match=r"no model 'gpt'.*qwen-2-5-max.*qwen3-8b"):
        provider_of("gpt")


def test_qwen_3_is_known_by_the_names_that_registries_use() -> None:
    names = {name: Qwen_Qwen_3.get_model(name) for name in Qwen_Qwen_3.model_aliases}
    assert names == {
        "qwen-3": "qwen3-235b-a22b",
        "qwen-3-235b": "qwen3-235b-a22b",
        "qwen-3-32b": "qwen3-32b",
        "qwen-3-30b": "qwen3-30b-a3b",
        "qwen-3-14b": "qwen3-14b",
        "qwen-3-8b": "qwen3-8b",
        "qwen-3-4b": "qwen3-4b",
        "qwen-3-1.7b": "qwen3-1.7b",
        "qwen-3-0.6b": "qwen3-0.6b",
    }
    assert Qwen_Qwen_3.models == list(dict.fromkeys(names.values()))
    assert Qwen_Qwen_3.url == "https://qwen-qwen3-demo.hf.space"
