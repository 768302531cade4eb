"""What `qwen-gradio ask` writes: to a terminal, to a pipe, and as JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ..support.commands import Terminal, on_terminals, run, started
from ..support.servers import PATIENCE, ScriptedSpace, ZooSpace, query, script, tag_of

pytestmark = pytest.mark.usefixtures("server")


def test_characters_that_the_output_cannot_encode_are_replaced(
    scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    done = run("ask", "--space", scripted.url, "It costs 5 \N{EURO SIGN}, she said")
    assert (done.stdout, done.stderr) == ("It costs 5 ?, she said\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_reply_that_cannot_be_written_is_reported_in_one_line(scripted: ScriptedSpace) -> None:
    with Path("/dev/full").open("w") as full:
        done = run("ask", "--space", scripted.url, "hello", stdout=full)
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_json_has_the_reply_and_what_it_took(thinking: ZooSpace) -> None:
    done = run("ask", "--space", thinking.url, "--json", "hi")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1
    written = json.loads(done.stdout)
    assert written.pop("seconds") > 0
    assert written == {
        "reply": '{"message": "hi"}',
        "reasoning": "Let me think.",
        "model": None,
        "space": thinking.url,
    }


def test_json_has_the_error_and_what_had_arrived(scripted: ScriptedSpace) -> None:
    question = query(say=["so far"], every=0.1, finish="fail")
    done = run("ask", "--space", scripted.url, "--json", question)
    assert done.returncode == 1
    assert done.stderr == "qwen-gradio: the model is out of words\n"
    written = json.loads(done.stdout)
    assert (written["reply"], written["partial"]) == (None, "so far")
    assert (written["error"], written["why"]) == ("GenerationError", "the model is out of words")


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_what_the_space_warns_of_is_written_after_the_reply(
    scripted: ScriptedSpace, options: list[str]
) -> None:
    done = run("ask", "--space", scripted.url, *options, query(say=["so far"], warn="cut off"))
    assert done.returncode == 0
    assert "so far" in done.stdout
    assert done.stderr == "qwen-gradio: cut off\n"


def test_json_keeps_characters_that_the_output_cannot_encode(
    scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    done = run("ask", "--space", scripted.url, "--json", "5 \N{EURO SIGN}")
    assert json.loads(done.stdout)["reply"] == "5 \N{EURO SIGN}"


@on_terminals
def test_json_is_all_that_is_written_beside_the_status_on_a_terminal(
    thinking: ZooSpace, terminal: Terminal
) -> None:
    arguments = ["ask", "--space", thinking.url, "--json", "hi"]
    with started(*arguments, stderr=terminal.its) as process:
        terminal.wait_for("Connecting")
        assert json.loads(process.communicate(timeout=PATIENCE)[0])["reply"]
    os.write(terminal.its, b"the end")
    terminal.wait_for("the end")
    assert "think." not in terminal.shown


def test_a_reader_that_has_enough_ends_the_command_silently(scripted: ScriptedSpace) -> None:
    question = script(say=["first\n", *"more "], every=0.5, finish="hang")
    with started("ask", "--space", scripted.url, question["content"]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "first\n"
        process.stdout.close()
        assert process.wait(PATIENCE) == 1
        assert process.stderr is not None
        assert process.stderr.read() == ""
    scripted.wait_for("stopped", tag_of(question))


def test_fragments_are_written_as_they_arrive(scripted: ScriptedSpace) -> None:
    question = query(say=["first", "second"], finish="hang")
    with started("ask", "--space", scripted.url, question) as process:
        assert process.stdout is not None
        assert process.stdout.read(5) == "first"
        assert process.poll() is None


@on_terminals
def test_a_terminal_shows_the_status(scripted: ScriptedSpace, terminal: Terminal) -> None:
    question = query(say=["done"], steps=[0.25, 0.5])
    with started("ask", "--space", scripted.url, question, stderr=terminal.its) as process:
        terminal.wait_for("thinking")
        assert process.communicate(timeout=PATIENCE)[0] == "done\n"


@on_terminals
def test_a_terminal_shows_the_reasoning_dimmed_before_the_reply(
    thinking: ZooSpace, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with terminal.started("ask", "--space", thinking.url, "hi") as process:
        process.wait(2 * PATIENCE)
        terminal.wait_for('{"message": "hi"}')
    assert "\x1b[2mLet me" in terminal.shown
    before, _, reply = terminal.shown.partition("\n\x1b[0m{")
    assert before.endswith("\x1b[2mLet me think.\x1b[0m\x1b[2m\r")
    assert "\x1b[2m" not in reply


def test_reasoning_is_not_written_elsewhere(thinking: ZooSpace) -> None:
    done = run("ask", "--space", thinking.url, "hi")
    assert (done.returncode, done.stderr) == (0, "")
    assert "think" not in done.stdout


@on_terminals
def test_a_reply_cannot_give_commands_to_a_terminal(
    scripted: ScriptedSpace, terminal: Terminal
) -> None:
    reply = "a\x1b]0;title\x07b\x9b2J\nc"
    question = query(say=[reply])
    with started("ask", "--space", scripted.url, question, stdout=terminal.its):
        terminal.wait_for("c")
    assert terminal.shown.split() == ["a]0;titleb2J", "c"]
    assert run("ask", "--space", scripted.url, question).stdout == f"{reply}\n"


def test_errors_never_hold_control_characters(scripted: ScriptedSpace) -> None:
    done = run("ask", "--space", scripted.url, "--api-name", "a\x1b[2Jb\x9bc", "hi")
    assert done.returncode == 1
    assert not {"\x1b", "\x9b"} & set(done.stderr)
