"""The command `qwen-gradio`, as a user runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import qwen_gradio
from qwen_gradio import providers

from .commands import COMMAND, Terminal, on_terminals, run, started
from .fronts import Forward, Front
from .servers import NOBODY, PATIENCE, ScriptedSpace, ZooSpace, free_port, query, script, tag_of


@pytest.fixture(scope="module")
def thinking() -> Iterator[str]:
    """The URL of a Space that shows what its model thinks before it answers."""
    space = ZooSpace("6", "messages", "thoughts")
    yield space.url
    space.close()


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


def test_a_byte_order_mark_is_no_part_of_the_question(scripted: ScriptedSpace) -> None:
    for command in ("ask", "chat"):
        assert run(command, "--space", scripted.url, stdin="\ufeffhi\n").stdout == "hi\n"


def test_ask_appends_what_is_piped_in_to_the_question(scripted: ScriptedSpace) -> None:
    done = run("ask", "--space", scripted.url, "Summarise this:", stdin="A report.\n")
    assert done.stdout == "Summarise this:\n\nA report.\n"


@pytest.mark.parametrize("command", [["ask", "-"], ["ask", "what?"], ["chat"]])
@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
def test_input_that_is_not_text_is_reported_in_one_line(command: list[str], locale: str) -> None:
    done = subprocess.run(
        [*COMMAND, *command, "--space", NOBODY],
        input=b"caf\xe9\n",
        capture_output=True,
        env=os.environ | {"LC_ALL": locale},
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"qwen-gradio: standard input is not utf-8 text")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", [["ask", "-"], ["ask", "what?"], ["chat"]])
def test_input_that_looks_like_utf_16_is_reported(command: list[str]) -> None:
    done = run(*command, "--space", NOBODY, stdin="h\0i\0\n\0")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "qwen-gradio: standard input has NUL characters, and looks like UTF-16. Convert it to "
        "UTF-8\n"
    )


@on_terminals
@pytest.mark.parametrize(
    ("closed", "arguments", "code", "complaint"),
    [
        (0, ["ask", "-"], 2, "the question is empty"),
        (0, ["chat"], 0, ""),
        (1, ["ask", "hi"], 1, "qwen-gradio: standard output is closed"),
        (1, ["chat"], 1, "qwen-gradio: standard output is closed"),
        (2, ["ask", "hi"], 1, ""),
    ],
)
def test_a_closed_standard_stream_is_handled(
    closed: int, arguments: list[str], code: int, complaint: str
) -> None:
    done = subprocess.run(
        [*COMMAND, *arguments, "--space", NOBODY],
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.close(closed),
    )
    assert done.returncode == code
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_during_the_imports_ends_silently() -> None:
    program = (
        "import sys, os, signal\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, *where):\n"
        "        if name == 'typer': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from qwen_gradio.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", program, "--help"], capture_output=True, text=True)
    assert done.returncode == -signal.SIGINT
    assert (done.stdout, done.stderr) == ("", "")


def test_ask_without_a_question_reads_standard_input(scripted: ScriptedSpace) -> None:
    assert run("ask", "--space", scripted.url, stdin="piped in").stdout == "piped in\n"


@on_terminals
def test_ask_without_a_question_on_a_terminal_says_so(terminal: Terminal) -> None:
    with terminal.started("ask") as process:
        terminal.wait_for("there is no question")
        assert process.wait(PATIENCE) == 2


def test_headers_are_sent_with_every_request(scripted: ScriptedSpace) -> None:
    headers = ["--header", "X-First=1=a", "--header", "X-Second: http://b"]
    with Front(lambda request: Forward(), scripted.url) as front:
        assert run("ask", "--space", front.url, *headers, "hi").stdout == "hi\n"
        assert run("inspect", front.url, *headers).returncode == 0
        sent = {(r.headers.get("x-first"), r.headers.get("x-second")) for r in front.requests}
    assert sent == {("1=a", "http://b")}


def test_json_has_the_reply_and_what_it_took(thinking: str) -> None:
    done = run("ask", "--space", thinking, "--json", "hi")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1
    written = json.loads(done.stdout)
    assert written.pop("seconds") > 0
    assert written == {
        "reply": '{"message": "hi"}',
        "reasoning": "Let me think.",
        "model": "qwen-qwen2-5-max",
        "space": thinking,
    }


def test_json_has_the_error_and_what_had_arrived(scripted: ScriptedSpace) -> None:
    question = query(say=["so far"], every=0.1, finish="fail")
    done = run("ask", "--space", scripted.url, "--json", question)
    assert done.returncode == 1
    assert done.stderr == "qwen-gradio: the model is out of words\n"
    written = json.loads(done.stdout)
    assert (written["reply"], written["partial"]) == (None, "so far")
    assert (written["error"], written["why"]) == ("GenerationError", "the model is out of words")


def test_json_keeps_characters_that_the_output_cannot_encode(
    scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    done = run("ask", "--space", scripted.url, "--json", "5 \N{EURO SIGN}")
    assert json.loads(done.stdout)["reply"] == "5 \N{EURO SIGN}"


@on_terminals
def test_json_is_all_that_is_written_beside_the_status_on_a_terminal(
    thinking: str, terminal: Terminal
) -> None:
    arguments = ["ask", "--space", thinking, "--json", "hi"]
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


def test_ask_passes_what_its_options_say(scripted: ScriptedSpace) -> None:
    earlier = [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]
    inputs = ["--input", f"history={json.dumps(earlier)}", "--input", "system=1 = a"]
    limits = ["--timeout", "60", "--stream-timeout", "60", "--max-retries", "0"]
    done = run("ask", "--space", scripted.url, *inputs, *limits, query(show="inputs"))
    _, history, system = json.loads(done.stdout)
    assert history[0]["content"] == earlier[0]["content"]
    assert system == "1 = a"


def test_the_model_chooses_its_provider(scripted: ScriptedSpace) -> None:
    done = run("ask", "--space", scripted.url, "--model", "qwen-2.5-7b", query(show="inputs"))
    assert json.loads(done.stdout)[2].startswith("You are Qwen")


def test_ask_asks_the_endpoint_that_is_named(scripted: ScriptedSpace) -> None:
    done = run("ask", "--space", scripted.url, "--api-name", "model_chat", "hi")
    assert (done.returncode, done.stdout) == (0, "hi\n")
    done = run("ask", "--space", scripted.url, "--api-name", "shout", "hi")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no chat 'shout'" in done.stderr
    assert "/model_chat" in done.stderr


def test_inspect_shows_how_the_space_is_asked(scripted: ScriptedSpace) -> None:
    done = run("inspect", scripted.url, "--api-name", "/model_chat")
    assert done.returncode == 0
    assert "1. /model_chat(query=<query>, history=<history>, system=<system>)" in done.stdout
    done = run("inspect", scripted.url, "--api-name", "shout")
    assert (done.returncode, done.stdout) == (1, "")
    assert "/model_chat(query, history, system) can be chosen with api_name" in done.stderr


def test_inspect_shows_the_space_from_the_environment(
    scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWEN_GRADIO_SPACE", scripted.url)
    assert "/model_chat" in run("inspect").stdout


def test_the_token_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWEN_GRADIO_API_KEY", "hf_sécret")
    done = run("ask", "--space", NOBODY, "hi")
    assert done.returncode == 1
    assert "api_key" in done.stderr
    assert "cret" not in done.stderr


def test_models_lists_those_of_all_providers() -> None:
    listed = {line.split()[0] for line in run("models").stdout.splitlines()}
    assert listed == {name for provider in providers().values() for name in provider.models}


def test_the_version_is_shown() -> None:
    assert run("--version").stdout == f"qwen-gradio {qwen_gradio.__version__}\n"


def test_the_version_is_the_newest_in_the_changelog() -> None:
    changelog = Path(qwen_gradio.__file__).with_name("CHANGELOG.md").read_text("utf-8")
    heading = next(line for line in changelog.splitlines() if line.startswith("## "))
    assert heading.split()[1] == qwen_gradio.__version__


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
        (["ask"], 2, "the question is empty"),
        (["ask", "Why", "is", "it?"], 2, "put the question in quotes: 'Why is it?'"),
        (["ask", " "], 2, "the question is empty"),
        (["ask", "--local", "--space", NOBODY, "hi"], 2, "cannot be used together"),
        (["ask", "--gguf", "x.gguf", "hi"], 2, "--gguf requires --local"),
        (["ask", "--local", "--gguf", "missing.gguf", "hi"], 1, "no model file missing.gguf"),
        (["ask", "--local", "--gguf", __file__, "hi"], 1, "is not a GGUF model"),
        (["serve", "--port", "ninety"], 2, "Invalid value for '--port'"),
        (["serve", "--port", "99999"], 2, "Invalid value for '--port'"),
        (["serve", "--port", "-5"], 2, "Invalid value for '--port'"),
        (["serve", "--port", "0"], 2, "Invalid value for '--port'"),
        (["serve", "--host", "nonsense.invalid"], 1, "Cannot listen on nonsense.invalid"),
        (["serve", "--gguf", "missing.gguf"], 1, "no model file missing.gguf"),
        (["serve", "--context", "1"], 1, "too small"),
        (["ask", "--context", "1000", "hi"], 2, "--context requires --local"),
        (["ask", "--model", "gpt", "hi"], 2, "There is no model 'gpt'"),
        (["ask", "--model", "qwen-2.5-mex", "hi"], 2, "Did you mean"),
        (["ask", "--input", "radio", "hi"], 2, "must be NAME=VALUE"),
        (["ask", "--header", "X-Test", "hi"], 2, "must be NAME=VALUE"),
        (["ask", "--header", "Host: x", "hi"], 2, "Host cannot be set"),
        (["ask", "--json", "--space", "nowhere", "hi"], 1, "'nowhere' is not a Space"),
        (["inspect"], 2, "name a Space, or set $QWEN_GRADIO_SPACE"),
        (["ask", "--auth", "me", "hi"], 2, "must be USER:PASSWORD"),
        (["ask", "--timeout", "nan", "hi"], 2, "Invalid value for '--timeout'"),
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


def test_a_port_that_is_taken_is_reported() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        done = run("serve", "--port", str(port))
    assert done.returncode == 1
    assert done.stderr.startswith(f"qwen-gradio: Cannot listen on 127.0.0.1, port {port}: ")
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


@on_terminals
def test_a_terminal_shows_the_status(scripted: ScriptedSpace, terminal: Terminal) -> None:
    question = query(say=["done"], steps=[0.25, 0.5])
    with started("ask", "--space", scripted.url, question, stderr=terminal.its) as process:
        terminal.wait_for("thinking")
        assert process.communicate(timeout=PATIENCE)[0] == "done\n"


@on_terminals
def test_a_terminal_shows_the_reasoning_dimmed_before_the_reply(
    thinking: str, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with terminal.started("ask", "--space", thinking, "hi") as process:
        process.wait(2 * PATIENCE)
        terminal.wait_for('{"message": "hi"}')
    assert "\x1b[2mLet me" in terminal.shown
    before, _, reply = terminal.shown.partition("\n\x1b[0m{")
    assert before.endswith("\x1b[2m think.\x1b[0m\x1b[2m\r")
    assert "\x1b[2m" not in reply


def test_reasoning_is_not_written_elsewhere(thinking: str) -> None:
    done = run("ask", "--space", thinking, "hi")
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


COMPLETION = {
    "bash": lambda line: {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))},
    "zsh": lambda line: {"_TYPER_COMPLETE_ARGS": line},
}


@pytest.mark.parametrize("shell", COMPLETION)
@pytest.mark.parametrize(
    ("line", "completions"),
    [
        ("qwen-gradio insp", {"inspect"}),
        ("qwen-gradio ask --stream", {"--stream-timeout"}),
        ("qwen-gradio chat -m qwen-2.5-7", {"qwen-2.5-7b"}),
        ("qwen-gradio ask --history f", {"flat"}),
    ],
)
def test_a_shell_completes(shell: str, line: str, completions: set[str]) -> None:
    program = (
        "import sys, atexit; from qwen_gradio.cli import main;"
        "atexit.register(lambda: print({'gradio_client', 'httpx'} & {*sys.modules}));"
        "sys.argv[0] = 'qwen-gradio'; main()"
    )
    asked = {"_QWEN_GRADIO_COMPLETE": f"complete_{shell}", **COMPLETION[shell](line)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=os.environ | asked
    )
    *lines, imported = done.stdout.splitlines()
    assert (done.returncode, done.stderr, imported) == (0, "", "set()")
    assert set(re.findall(r"[\w.-]+", "\n".join(lines))) >= completions
