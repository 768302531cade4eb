"""Inspect evaluates a real Space's model, which it finds by the entry point."""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageUser,
    Content,
    ContentAudio,
    ContentDocument,
    ContentImage,
    ContentReasoning,
    ContentText,
    GenerateConfig,
    Model,
    RetryDecision,
    get_model,
)
from inspect_ai.tool import ToolInfo

from qwen_gradio import (
    AuthenticationError,
    GenerationError,
    InvalidMessagesError,
    QueueFullError,
    RateLimitError,
    StreamInterruptedError,
)

from ..support.fronts import Forward, Front, Request, answer
from ..support.samples import DATA_URL, WAV
from ..support.servers import NOBODY, ScriptedSpace, Zoo, ZooSpace, query

MODEL = "qwen-gradio/qwen-2.5-max"
TASK = """
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import includes


@task
def echo():
    samples = [Sample(f"reply {n}", target=f"reply {n}") for n in range(8)]
    return Task(dataset=samples, scorer=includes())
"""

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSPECT_DISPLAY", "none")


def model_at(space: str, **options: Any) -> Model:
    return get_model(MODEL, memoize=False, space=space, **options)


@pytest.mark.slow
def test_the_command_evaluates_samples_and_counts_their_usage(
    scripted: ScriptedSpace, tmp_path: Path
) -> None:
    (tmp_path / "task.py").write_text(TASK)
    inspect = str(Path(sys.executable).with_name("inspect"))
    command = [inspect, "eval", "task.py", "--model", MODEL, "-M", f"space={scripted.url}"]
    found = subprocess.run(
        [*command, "--display", "plain"], cwd=tmp_path, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "accuracy  1.000" in found.stdout
    assert "32 tokens [I: 16, O: 16]" in found.stdout  # about four bytes each


async def test_reasoning_is_apart_from_the_text_and_not_sent_again(thinking: ZooSpace) -> None:
    model = model_at(thinking.url)
    output = await model.generate("hi")
    assert isinstance(output.message.content, list)
    reasoning, text = output.message.content
    assert isinstance(reasoning, ContentReasoning)
    assert reasoning.reasoning == "Let me think."
    assert output.completion == '{"message": "hi"}'
    assert isinstance(text, ContentText)
    assert output.usage is not None
    assert output.usage.reasoning_tokens == 4
    thought = ChatMessageAssistant(content=[reasoning])  # alone, which is skipped
    again = await model.generate(
        [ChatMessageUser(content="hi"), output.message, thought, ChatMessageUser(content="and?")]
    )
    assert "Let me think" not in again.completion
    assert "and?" in again.completion


@pytest.mark.parametrize(("options", "is_native"), [({}, True), ({"history": "flat"}, False)])
async def test_earlier_turns_are_sent_turn_by_turn(
    scripted: ScriptedSpace, options: dict[str, Any], is_native: bool
) -> None:
    model = model_at(scripted.url, **options)
    question = ChatMessageUser(content=query(show="inputs"))
    turns: list[ChatMessage] = [
        ChatMessageUser(content="1+1?"),
        ChatMessageAssistant(content="2"),
        question,
    ]
    shown = (await model.generate(turns)).completion
    assert shown.startswith("User: 1+1?") is not is_native
    assert not is_native or len(json.loads(shown)[1]) == 2


async def test_a_stop_sequence_ends_the_reply(scripted: ScriptedSpace) -> None:
    model = model_at(scripted.url)
    output = await model.generate(
        query(say=["one E", "ND two"]), config=GenerateConfig(stop_seqs=["", "END"])
    )
    assert output.completion == "one "


async def test_a_full_space_is_asked_again_by_inspect(scripted: ScriptedSpace) -> None:
    def behave(request: Request) -> bytes | Forward:
        if request.path.endswith("/queue/join") and request.seen == 0:
            return answer("429 Too Many Requests", Retry_After="0.1")
        return Forward()

    with Front(behave, scripted.url) as front:
        output = await model_at(front.url).generate(query(say=["at last"]))
    assert output.completion == "at last"


async def test_a_spaces_error_ends_a_sample(scripted: ScriptedSpace) -> None:
    with pytest.raises(GenerationError, match="out of words"):
        await model_at(scripted.url).generate(query(finish="fail"))


def test_retries_follow_our_errors() -> None:
    api = model_at(NOBODY).api
    full = QueueFullError("full")
    full.retry_after = 7.0
    decisions = [
        api.should_retry(error)
        for error in (full, RateLimitError(), StreamInterruptedError(), GenerationError())
    ]
    assert [bool(decision) for decision in decisions] == [True, True, True, False]
    assert [getattr(decision, "kind", None) for decision in decisions[:3]] == [
        "rate_limit",
        "rate_limit",
        "transient",
    ]
    assert decisions[0] == RetryDecision.rate_limit(7.0)
    assert api.is_auth_failure(AuthenticationError())


@pytest.mark.parametrize(
    "settings",
    [
        {"config": GenerateConfig(num_choices=2)},
        {"config": GenerateConfig(logprobs=True)},
        {"tools": [ToolInfo(name="f", description="a tool")]},
        {"input": [ChatMessageUser(content=[ContentImage(image="data:image/png;base64,")])]},
    ],
    ids=["choices", "logprobs", "tools", "empty image"],
)
async def test_what_a_text_chat_cannot_do_is_rejected(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidMessagesError):
        await model_at(NOBODY).generate(**{"input": "hi", **settings})


def test_wrong_options_and_models_are_rejected() -> None:
    with pytest.raises(TypeError, match="Unknown option: spase"):
        get_model(MODEL, memoize=False, spase="owner/name")


@pytest.mark.slow
def test_an_unknown_model_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "task.py").write_text(TASK)
    inspect = str(Path(sys.executable).with_name("inspect"))
    command = [inspect, "eval", "task.py", "--model", "qwen-gradio/gpt-4o", "--display", "plain"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert "There is no model 'gpt-4o'; there are qwen-2-5-max" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


DOCUMENT = ContentDocument(document=DATA_URL, filename="red.png")


@pytest.mark.parametrize("part", [ContentImage(image=DATA_URL), DOCUMENT], ids=["image", "file"])
async def test_a_picture_arrives(seeing: str, part: Content) -> None:
    question = ChatMessageUser(content=[ContentText(text="what"), part])
    output = await model_at(seeing).generate([question])
    assert output.completion == "what image 3x2"


async def test_a_sound_arrives(seeing_apps: Zoo) -> None:
    sound = ContentAudio(audio=f"data:audio/wav;base64,{b64encode(WAV).decode()}", format="wav")
    question = ChatMessageUser(content=[ContentText(text="what"), sound])
    output = await model_at(seeing_apps.url_of("see-beside")).generate([question])
    assert output.completion == "what .wav 44 bytes"


async def test_a_reply_ends_with_links_to_its_files(drawing: Zoo) -> None:
    output = await model_at(drawing.url_of("pictures-only")).generate("?")
    assert output.completion.startswith("![qwen-gradio-red.png](http")
    assert output.usage is not None
    assert output.usage.output_tokens > 0
