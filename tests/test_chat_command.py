"""The command `qwen-gradio chat`, on a terminal and with piped input."""

from __future__ import annotations

import json
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from .commands import Terminal, on_terminals, run
from .servers import NOBODY, PATIENCE, ScriptedSpace, query, script, tag_of


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command keeps what was typed."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@on_terminals
def test_ctrl_c_in_chat_stops_the_reply_and_keeps_the_conversation(
    scripted: ScriptedSpace, terminal: Terminal
) -> None:
    question = script(say=["fir", "st"], finish="hang")
    with terminal.started("chat", "--space", scripted.url) as process:
        terminal.wait_for("> ")
        terminal.type("remembered\n")
        terminal.wait_for("remembered\r\n> ")
        terminal.type(question["content"] + "\n")
        terminal.wait_for("first")
        terminal.shown = ""
        terminal.type("\x03")
        terminal.wait_for("\r\n> ")
        scripted.wait_for("stopped", tag_of(question))
        terminal.shown = ""
        terminal.type(query(show="inputs") + "\n")
        terminal.wait_for("remembered")
        terminal.wait_for("\r\n> ")
        terminal.type("\x04")
        terminal.wait_for("> \r\n")
        assert process.wait(PATIENCE) == 0


@on_terminals
def test_ctrl_c_at_the_prompt_ends_chat(terminal: Terminal) -> None:
    with terminal.started("chat", "--space", NOBODY) as process:
        terminal.wait_for("> ")
        while process.poll() is None:  # one that comes just before reading begins is not noticed
            terminal.type("\x03")
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE / 10)
        assert process.returncode == 130
        terminal.wait_for("> ^C\r\n" if "^C" in terminal.shown else "\r\n")


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
    assert done.returncode == 1
    assert "the model is out of words" in done.stderr
    assert "Unknown command: /fly" in done.stderr
    assert json.loads(done.stdout)[1] == []
