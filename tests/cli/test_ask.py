"""`qwen-gradio ask`: where the question, the Space and the options come from, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from ..support.commands import COMMAND, Terminal, interrupt, on_terminals, run, started
from ..support.fronts import Forward, Front
from ..support.servers import NOBODY, PATIENCE, ScriptedSpace, query, script, tag_of

pytestmark = pytest.mark.usefixtures("server")


def test_ask_writes_the_reply_and_nothing_else(scripted: ScriptedSpace) -> None:
    done = run("ask", "--space", scripted.url, query(say=["Hello", ", world"]))
    assert (done.returncode, done.stdout, done.stderr) == (0, "Hello, world\n", "")


def test_ask_takes_the_space_from_the_environment(
    scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWEN_GRADIO_SPACE", scripted.url)
    assert run("ask", "plain words").stdout == "plain words\n"


def test_a_byte_order_mark_is_no_part_of_the_question(scripted: ScriptedSpace) -> None:
    for command in ("ask", "chat"):
        assert run(command, "--space", scripted.url, stdin="\ufeffhi\n").stdout == "hi\n"


def test_ask_appends_what_is_piped_in_to_the_question(scripted: ScriptedSpace) -> None:
    done = run("ask", "--space", scripted.url, "Summarise this:", stdin="A report.\n")
    assert done.stdout == "Summarise this:\n\nA report.\n"


@pytest.mark.parametrize("command", [["ask", "-"], ["ask", "what?"], ["chat"]])
def test_input_that_is_not_text_is_reported_in_one_line(command: list[str]) -> None:
    done = run(*command, "--space", NOBODY, stdin="caf\udce9\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("qwen-gradio: standard input is not utf-8 text")
    assert len(done.stderr.splitlines()) == 1


def test_input_that_is_not_text_is_reported_in_a_locale_that_lets_it_pass() -> None:
    done = subprocess.run(
        [*COMMAND, "ask", "-", "--space", NOBODY],
        input=b"caf\xe9\n",
        capture_output=True,
        env=os.environ | {"LC_ALL": "C"},
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"qwen-gradio: standard input is not utf-8 text")


@pytest.mark.parametrize("question", [[], ["-"]])
def test_ask_without_a_question_reads_standard_input(
    scripted: ScriptedSpace, question: list[str]
) -> None:
    assert run("ask", "--space", scripted.url, *question, stdin="piped in").stdout == "piped in\n"


@on_terminals
def test_ask_without_a_question_on_a_terminal_says_so(terminal: Terminal) -> None:
    with terminal.started("ask") as process:
        terminal.wait_for("there is no question")
        assert process.wait(PATIENCE) == 2


@pytest.mark.slow
def test_headers_are_sent_with_every_request(scripted: ScriptedSpace) -> None:
    headers = ["--header", "X-First=1=a", "--header", "X-Second: http://b"]
    with Front(lambda request: Forward(), scripted.url) as front:
        assert run("ask", "--space", front.url, *headers, "hi").stdout == "hi\n"
        assert run("inspect", front.url, *headers).returncode == 0
        sent = {(r.headers.get("x-first"), r.headers.get("x-second")) for r in front.requests}
    assert sent == {("1=a", "http://b")}


def test_ask_passes_what_its_options_say(scripted: ScriptedSpace) -> None:
    earlier = [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]
    inputs = ["--input", f"history={json.dumps(earlier)}", "--input", "system=1 = a"]
    limits = ["--timeout", "60", "--stream-timeout", "60", "--max-retries", "0"]
    done = run("ask", "--space", scripted.url, *inputs, *limits, query(show="inputs"))
    _, history, system = json.loads(done.stdout)
    assert history[0]["content"] == earlier[0]["content"]
    assert system == "1 = a"
    done = run("ask", "--space", scripted.url, "--system", "Be brief.", query(show="inputs"))
    assert json.loads(done.stdout)[2] == "Be brief."


def test_the_model_chooses_its_provider(scripted: ScriptedSpace) -> None:
    done = run("ask", "--space", scripted.url, "--model", "qwen-2.5-7b", "--json", "hi")
    assert json.loads(done.stdout)["model"] == "qwen-2.5-7b"


def test_ask_asks_the_endpoint_that_is_named(scripted: ScriptedSpace) -> None:
    done = run("ask", "--space", scripted.url, "--api-name", "model_chat", "hi")
    assert (done.returncode, done.stdout) == (0, "hi\n")
    done = run("ask", "--space", scripted.url, "--api-name", "shout", "hi")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no chat 'shout'" in done.stderr
    assert "/model_chat" in done.stderr


def test_the_token_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWEN_GRADIO_API_KEY", "hf_sécret")
    done = run("ask", "--space", NOBODY, "hi")
    assert done.returncode == 1
    assert "api_key" in done.stderr
    assert "cret" not in done.stderr


def test_a_reply_that_fails_keeps_what_has_arrived(scripted: ScriptedSpace) -> None:
    done = run("ask", "--space", scripted.url, query(say=["so far"], every=0.1, finish="fail"))
    assert (done.returncode, done.stdout) == (1, "so far\n")
    assert "the model is out of words" in done.stderr


def test_ctrl_c_ends_ask_and_stops_the_space(scripted: ScriptedSpace) -> None:
    question = script(say=["first", "second"], finish="hang")
    with started("ask", "--space", scripted.url, question["content"]) as process:
        assert process.stdout is not None
        assert process.stdout.read(5) == "first"
        interrupt(process)
        assert process.wait(PATIENCE) != 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    scripted.wait_for("stopped", tag_of(question))
