"""The command `qwen-gradio chat`, on a terminal and with piped input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ..support.commands import Terminal, on_terminals, run
from ..support.servers import NOBODY, PATIENCE, ScriptedSpace, query, script, tag_of

pytestmark = pytest.mark.usefixtures("server")


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
        terminal.interrupt(process)
        assert process.wait(PATIENCE) == 130
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


def test_a_message_may_have_several_lines(scripted: ScriptedSpace) -> None:
    quoted = ['"""', "def f():", "    /quit", 'pass"""']
    continued = ["one\\", "two"]
    done = run("chat", "--space", scripted.url, stdin="\n".join([*quoted, *continued, "three"]))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "def f():\n    /quit\npass\none\ntwo\nthree\n"


@pytest.mark.parametrize("typed", ['"""\nhello', "hello\\"])
def test_a_message_without_its_end_is_not_asked(typed: str) -> None:
    done = run("chat", "--space", NOBODY, stdin=typed)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "qwen-gradio: the input ended before the message did\n"


@on_terminals
def test_ctrl_c_within_a_message_abandons_the_message_alone(
    scripted: ScriptedSpace, terminal: Terminal
) -> None:
    with terminal.started("chat", "--space", scripted.url) as process:
        terminal.wait_for("> ")
        terminal.type('"""abandoned\n')
        terminal.wait_for("... ")
        terminal.shown = ""
        terminal.interrupt(process)
        terminal.wait_for("> ")
        terminal.shown = ""
        terminal.type("asked\n")
        terminal.wait_for("asked\r\n> ")
        assert "abandoned" not in terminal.shown
        terminal.type("\x04")
        assert process.wait(PATIENCE) == 0


def test_a_conversation_is_saved_as_messages(scripted: ScriptedSpace, tmp_path: Path) -> None:
    path, other = tmp_path / "chat.json", tmp_path / "other.txt"
    other.write_text("precious")
    lines = ["/system Be brief.", "caf\N{LATIN SMALL LETTER E WITH ACUTE}", f"/save {path}"]
    lines += ["again", f"/save {path}", f"/save {other}", "/save"]
    done = run("chat", "--space", scripted.url, stdin="\n".join(lines))
    assert done.returncode == 1
    assert json.loads(path.read_text("utf-8")) == [
        {"role": "system", "content": "Be brief."},
        *(
            {"role": role, "content": text}
            for text in ("caf\N{LATIN SMALL LETTER E WITH ACUTE}", "again")
            for role in ("user", "assistant")
        ),
    ]
    assert other.read_text() == "precious"
    assert done.stderr.splitlines() == [
        f"qwen-gradio: saved 3 messages to {path}",
        f"qwen-gradio: saved 5 messages to {path}",
        f"qwen-gradio: {other} exists. Save to another file",
        "qwen-gradio: /save needs the name of a file",
    ]


def test_an_unknown_command_is_an_error() -> None:
    done = run("chat", "--space", NOBODY, stdin="/sytem Be brief.\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "qwen-gradio: Unknown command: /sytem. /help lists the commands\n"


def test_help_lists_the_commands() -> None:
    done = run("chat", "--space", NOBODY, stdin="/help\n")
    assert (done.returncode, done.stdout) == (0, "")
    for command in ("/system", "/reset", "/save", "/quit", '"""'):
        assert command in done.stderr


@pytest.mark.slow
@on_terminals
def test_what_was_typed_can_be_recalled(scripted: ScriptedSpace, terminal: Terminal) -> None:
    with terminal.started("chat", "--space", scripted.url) as process:
        for typed in ("remembered\n", "\x10\n"):  # Ctrl-P recalls the last line
            terminal.wait_for("> ")
            terminal.shown = ""
            terminal.type(typed)
            terminal.wait_for("remembered\r\n> ")
        terminal.type("\x04")
        assert process.wait(PATIENCE) == 0


def test_a_home_directory_that_is_not_there_does_not_end_the_conversation(
    scripted: ScriptedSpace,
) -> None:
    done = run("chat", "--space", scripted.url, stdin="/save ~nobody-of-this-name/chat\nhi\n")
    assert (done.returncode, done.stdout) == (1, "hi\n")
    assert "~nobody-of-this-name" in done.stderr
    assert len(done.stderr.splitlines()) == 1
