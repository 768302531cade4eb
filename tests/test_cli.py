"""The command `qwen-gradio`, as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .servers import NOBODY, PATIENCE, ScriptedSpace, query, script, tag_of

COMMAND = [sys.executable, "-m", "qwen_gradio"]


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], input=stdin, capture_output=True, text=True, timeout=4 * PATIENCE
    )


@contextmanager
def started(*arguments: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    with subprocess.Popen([*COMMAND, *arguments], **options) as process:
        try:
            yield process
        finally:
            process.kill()


def test_ask_writes_the_reply_and_nothing_else(scripted: ScriptedSpace) -> None:
    done = run("ask", "--space", scripted.url, query(say=["Hello", ", world"]))
    assert (done.returncode, done.stdout, done.stderr) == (0, "Hello, world\n", "")


def test_ask_takes_the_space_from_the_environment(
    scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWEN_GRADIO_SPACE", scripted.url)
    assert run("ask", "plain words").stdout == "plain words\n"


@pytest.mark.parametrize("command", [["ask", "?", "--space"], ["inspect"]])
def test_an_invalid_token_is_not_shown(command: list[str]) -> None:
    done = run(*command, NOBODY, "--api-key", "hf_sécret")
    assert (done.returncode, done.stdout) == (1, "")
    assert "api_key" in done.stderr
    assert "cret" not in done.stderr


def test_characters_that_the_output_cannot_encode_are_replaced(
    scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    done = run("ask", "--space", scripted.url, "It costs 5 \N{EURO SIGN}, she said")
    assert (done.stdout, done.stderr) == ("It costs 5 ?, she said\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_reply_that_cannot_be_written_is_reported_in_one_line(scripted: ScriptedSpace) -> None:
    with Path("/dev/full").open("w") as full:
        command = [*COMMAND, "ask", "--space", scripted.url, "hello"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_ask_reads_the_question_from_standard_input(scripted: ScriptedSpace) -> None:
    done = run("ask", "--space", scripted.url, "-", stdin=query(say=["read"]))
    assert done.stdout == "read\n"


def test_ask_passes_the_system_prompt(scripted: ScriptedSpace) -> None:
    done = run("ask", "--space", scripted.url, "--system", "Be brief.", query(show="inputs"))
    assert json.loads(done.stdout)[2] == "Be brief."


def test_fragments_are_written_as_they_arrive(scripted: ScriptedSpace) -> None:
    question = query(say=["first"], finish="hang")
    with started("ask", "--space", scripted.url, question) as process:
        assert process.stdout is not None
        assert process.stdout.read(5) == "first"
        assert process.poll() is None


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["ask", "--space", NOBODY, "hi"], 1, f"{NOBODY} cannot be reached"),
        (["ask", "--space", "nowhere", "hi"], 1, "'nowhere' is not a Space"),
        (["ask"], 2, "Missing argument"),
        (["ask", " "], 2, "the question is empty"),
        (["ask", "--local", "--space", NOBODY, "hi"], 2, "cannot be used together"),
        (["ask", "--gguf", "x.gguf", "hi"], 2, "--gguf requires --local"),
        (["ask", "--local", "--gguf", "missing.gguf", "hi"], 1, "no model file missing.gguf"),
        (["ask", "--local", "--gguf", __file__, "hi"], 1, "is not a GGUF model"),
        (["serve", "--port", "ninety"], 2, "Invalid value for '--port'"),
        (["fly"], 2, "fly"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_failures_have_an_exit_code_and_one_line_of_explanation(
    arguments: list[str], code: int, complaint: str
) -> None:
    done = run(*arguments)
    assert done.returncode == code
    assert complaint in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    if code == 1:
        assert done.stderr.startswith("qwen-gradio: ")
        assert len(done.stderr.splitlines()) == 1


def test_a_reply_that_fails_keeps_what_has_arrived(scripted: ScriptedSpace) -> None:
    done = run("ask", "--space", scripted.url, query(say=["so far"], every=0.1, finish="fail"))
    assert (done.returncode, done.stdout) == (1, "so far\n")
    assert "the model is out of words" in done.stderr


def test_ctrl_c_ends_ask_and_stops_the_space(scripted: ScriptedSpace) -> None:
    question = script(say=["first"], finish="hang")
    with started("ask", "--space", scripted.url, question["content"]) as process:
        assert process.stdout is not None
        assert process.stdout.read(5) == "first"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) != 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    scripted.wait_for("stopped", tag_of(question))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_a_terminal_shows_the_status(scripted: ScriptedSpace) -> None:
    import pty

    ours, its = pty.openpty()
    question = query(say=["done"], steps=[0.25, 0.5])
    with started("ask", "--space", scripted.url, question, stderr=its) as process:
        os.close(its)
        shown = b""
        while b"thinking" not in shown:
            shown += os.read(ours, 1000)
        assert process.communicate(timeout=PATIENCE)[0] == "done\n"
    os.close(ours)


def test_chat_remembers_the_conversation_until_reset(scripted: ScriptedSpace) -> None:
    look = query(show="inputs")
    lines = ["hello", "/system Be brief.", look, "/reset", look, "/quit", "never asked"]
    done = run("chat", "--space", scripted.url, stdin="\n".join(lines))
    assert done.returncode == 0
    first, second, third = done.stdout.splitlines()
    assert first == "hello"
    _, history, system = json.loads(second)
    assert system == "Be brief."
    assert "hello" in json.dumps(history)
    assert json.loads(third)[1] == []


def test_chat_continues_after_a_turn_that_failed(scripted: ScriptedSpace) -> None:
    lines = [query(finish="fail"), "/fly", query(show="inputs")]
    done = run("chat", "--space", scripted.url, stdin="\n".join(lines))
    assert done.returncode == 0
    assert "the model is out of words" in done.stderr
    assert "Unknown command: /fly" in done.stderr
    assert json.loads(done.stdout)[1] == []


@pytest.mark.parametrize(
    ("module", "extra", "arguments"),
    [
        ("typer", "cli", ["ask", "hi"]),
        ("gradio", "local", ["ask", "--local", "hi"]),
        ("xllamacpp", "local", ["serve"]),
    ],
)
def test_a_missing_extra_is_named_with_its_command(
    module: str, extra: str, arguments: list[str]
) -> None:
    program = (
        f"import sys; sys.modules[{module!r}] = None; from qwen_gradio.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert f"pip install 'qwen-gradio[{extra}]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_help_is_shown_without_loading_gradio() -> None:
    program = (
        "import sys, atexit; from qwen_gradio.cli import main;"
        "atexit.register(lambda: print({'gradio', 'gradio_client', 'httpx'} & set(sys.modules)));"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", program, "--help"], capture_output=True, text=True)
    assert "ask" in done.stdout
    assert done.stdout.rstrip().endswith("set()")
