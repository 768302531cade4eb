"""Any Gradio chat can be asked, from what the app tells of itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest

import qwen_gradio
from qwen_gradio import (
    Qwen_Qwen_2_5,
    Qwen_Qwen_2_5_Max,
    Qwen_Qwen_2_72B,
    SpaceInterfaceError,
    SpaceUnavailableError,
)
from qwen_gradio._access import address_of

from .servers import ZooSpace

TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "1+1?"},
    {"role": "assistant", "content": "2"},
    {"role": "user", "content": "sure?"},
]
LINES = "1+1?\nAssistant: 2\nUser: sure?\nAssistant:"
GRADIOS = [
    ("4.44.1", "pairs"),
    ("4.44.1", "messages"),
    ("5.49.1", "pairs"),
    ("5.49.1", "messages"),
    ("6", "messages"),
]
gradios = pytest.mark.parametrize(("gradio", "form"), GRADIOS)


@contextmanager
def zoo(gradio: str, form: str, kind: str) -> Iterator[str]:
    space = ZooSpace(gradio, form, kind)
    try:
        yield space.url
    finally:
        space.close()


def asked(provider: Any, space: str, model: str | None = None, **options: Any) -> Any:
    """What a zoo Space was given, from its reply."""
    stream = provider.create_async_generator(model, TURNS, space=space, **options)
    return json.loads(anyio.run(stream.text))


@gradios
def test_a_chat_interface_gets_the_whole_chat(gradio: str, form: str) -> None:
    with zoo(gradio, form, "interface") as space:
        told = asked(Qwen_Qwen_2_5_Max, space)
        assert told == {"message": f"System: Be brief.\nUser: {LINES}"}


@gradios
def test_a_multimodal_box_gets_text(gradio: str, form: str) -> None:
    with zoo(gradio, form, "multimodal") as space:
        assert asked(Qwen_Qwen_2_5_Max, space)["message"].endswith(LINES)


@gradios
def test_additional_inputs_are_set_by_name_or_left_as_they_are(gradio: str, form: str) -> None:
    with zoo(gradio, form, "more") as space:
        told = asked(Qwen_Qwen_2_5_Max, space)
        assert told["message"] == f"User: {LINES}"
        assert (told["system"], told["tokens"], told["temperature"]) == ("Be brief.", 512, 0.7)
        told = asked(Qwen_Qwen_2_5_Max, space, max_tokens=7, top_p=0.5, inputs={"temperature": 0.2})
        assert (told["tokens"], told["temperature"]) == (7, 0.2)
        with pytest.raises(SpaceInterfaceError, match="no input 'volume'"):
            asked(Qwen_Qwen_2_5_Max, space, inputs={"volume": 11})


@gradios
def test_a_blocks_chat_gets_query_and_history(gradio: str, form: str) -> None:
    with zoo(gradio, form, "respond") as space:
        assert asked(Qwen_Qwen_2_5_Max, space)["history"] == []
        told = asked(Qwen_Qwen_2_5_Max, space, history="native")
        assert told["message"] == "System: Be brief.\nUser: sure?\nAssistant:"
        assert "1+1?" in json.dumps(told["history"])


@gradios
def test_a_chat_in_two_steps_gets_the_question_in_its_history(gradio: str, form: str) -> None:
    with zoo(gradio, form, "bot") as space:
        told = asked(Qwen_Qwen_2_5_Max, space, history="native")
        assert "1+1?" in json.dumps(told["history"])
        assert "sure?" in json.dumps(told["history"][-1])


@gradios
def test_no_question_sees_the_state_of_another(gradio: str, form: str) -> None:
    replies = []

    async def ask(space: str) -> None:
        stream = Qwen_Qwen_2_5_Max.create_async_generator(None, TURNS, space=space)
        replies.append(json.loads(await stream.text()))

    async def ask_twice_and_two_at_once(space: str) -> None:
        await ask(space)
        await ask(space)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, space)
            tasks.start_soon(ask, space)

    with zoo(gradio, form, "remember") as space:
        anyio.run(ask_twice_and_two_at_once, space)
    assert replies == [{"seen": []}] * 4


def test_a_function_of_text_is_a_chat() -> None:
    with zoo("6", "messages", "function") as space:
        assert asked(Qwen_Qwen_2_5_Max, space)["message"].endswith(LINES)


def test_what_is_no_chat_is_refused_with_what_was_found() -> None:
    with zoo("6", "messages", "image") as space:
        with pytest.raises(SpaceInterfaceError, match=r"no chat that can be used.*\(image\)"):
            asked(Qwen_Qwen_2_5_Max, space)


@pytest.mark.parametrize(("gradio", "form"), [("4.44.1", "pairs"), ("6", "messages")])
def test_the_sister_providers_ask_their_spaces(gradio: str, form: str) -> None:
    with zoo(gradio, form, "qwen-2.5") as space:
        told = asked(Qwen_Qwen_2_5, space)
        assert (told["radio"], told["system"]) == ("72B", "Be brief.")
        assert asked(Qwen_Qwen_2_5, space, "qwen-2.5-7b")["radio"] == "7B"
    with zoo(gradio, form, "qwen-2") as space:
        assert asked(Qwen_Qwen_2_72B, space, "qwen-2-72b")["query"] == f"User: {LINES}"


def test_the_providers_are_known_by_name() -> None:
    providers = qwen_gradio.providers()
    assert list(providers) == [
        "Qwen_Qwen_2_5_Max",
        "Qwen_Qwen_3",
        "Qwen_Qwen_2_5",
        "Qwen_Qwen_2_72B",
    ]
    assert Qwen_Qwen_2_5.get_model("qwen-2.5") == "qwen-qwen2-5"
    assert Qwen_Qwen_2_5.url == "https://qwen-qwen2-5.hf.space"
    assert "qwen-2.5-0.5b" in Qwen_Qwen_2_5.models
    assert Qwen_Qwen_2_72B.get_model(None) == "qwen-qwen2-72b-instruct"
    for provider in providers.values():
        assert all(provider.get_model(model) for model in provider.models)


def test_inspect_shows_how_a_space_would_be_asked() -> None:
    with zoo("6", "messages", "more") as space:
        command = [sys.executable, "-m", "qwen_gradio", "inspect", space]
        done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0
    assert "message=<query>" in done.stdout
    assert "Max new tokens" in done.stdout


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("Qwen/Qwen2.5-Max-Demo", "Qwen/Qwen2.5-Max-Demo"),
        ("https://huggingface.co/spaces/Qwen/Qwen2.5-Max-Demo?logs=1", "Qwen/Qwen2.5-Max-Demo"),
        (" http://127.0.0.1:7860/ ", "http://127.0.0.1:7860"),
        ("https://host/app/?__theme=dark#top", "https://host/app"),
    ],
)
def test_a_space_is_known_by_any_of_its_addresses(given: str, address: str) -> None:
    assert address_of(given) == address


@pytest.mark.parametrize("given", ["", "nowhere", "a/b/c", "ftp://host", "127.0.0.1:7860"])
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(SpaceUnavailableError, match="is not a Space"):
        address_of(given)
