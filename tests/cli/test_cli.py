"""The command `qwen-gradio`, as a user runs it."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

import qwen_gradio
from qwen_gradio import providers
from qwen_gradio.cli import main

from ..support.commands import run
from ..support.fronts import FULL, JOIN, Front, answer, misbehaving
from ..support.servers import NOBODY, ScriptedSpace, free_port

pytestmark = pytest.mark.usefixtures("server")


@pytest.mark.parametrize("command", [["ask", "?", "--space"], ["inspect"]])
def test_an_invalid_token_is_not_shown(command: list[str]) -> None:
    done = run(*command, NOBODY, "--api-key", "hf_sécret")
    assert (done.returncode, done.stdout) == (1, "")
    assert "api_key" in done.stderr
    assert "cret" not in done.stderr


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


def test_inspect_gives_an_object_of_what_the_command_prints(scripted: ScriptedSpace) -> None:
    found = qwen_gradio.inspect(scripted.url)
    assert (found.url, found.former_name, found.stage) == (f"{scripted.url}/", "", "")
    assert found.steps == (
        "/model_chat(query=<query>, history=<history>, system=<system>), whose output 2 is the "
        "reply",
    )
    assert [(each.names[0], each.kind, each.use) for each in found.inputs] == [
        ("query", "textbox", "query"),
        ("history", "chatbot", "history"),
        ("system", "textbox", "system"),
    ]
    assert (found.files, dict(found.api_names)) == ((), {})
    assert run("inspect", scripted.url).stdout == f"{found}\n"
    printed = json.loads(run("inspect", "--json", scripted.url).stdout)
    assert printed == json.loads(json.dumps(asdict(found)))
    with pytest.raises(TypeError, match="space"):
        qwen_gradio.inspect(7)  # type: ignore[arg-type]


@pytest.mark.parametrize("command", ["ask", "chat", "batch"])
def test_verbose_logs_steps_and_retries_but_no_text_or_key(
    scripted: ScriptedSpace, tmp_path: Path, command: str
) -> None:
    secret = "hf_" + "s" * 30
    busy = misbehaving(JOIN, answer("503 Service Unavailable", FULL), times=1)
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("private words\n")
    given = {"ask": ["private words"], "batch": [str(prompts), str(tmp_path / "out.jsonl")]}
    with Front(busy, scripted.url) as front:
        arguments = ["-v", "--space", front.url, "--api-key", secret, *given.get(command, [])]
        done = run(command, *arguments, stdin="private words\n" if command == "chat" else "")
    assert done.returncode == 0
    assert "/model_chat" in done.stderr
    assert "only_grows" in done.stderr
    assert command == "batch" or "asking again in" in done.stderr
    assert "private words" not in done.stderr
    assert secret not in done.stderr


def test_models_lists_those_of_all_providers_by_one_name_each() -> None:
    listed = [line.split()[0] for line in run("models").stdout.splitlines()]
    names = {name for provider in providers().values() for name in provider.models}
    assert sorted(listed) == sorted(names - {"qwen-2-5-max"})


def test_the_version_is_shown() -> None:
    assert run("--version").stdout == f"qwen-gradio {qwen_gradio.__version__}\n"


def test_the_version_is_the_newest_in_the_changelog() -> None:
    changelog = Path(qwen_gradio.__file__).with_name("CHANGELOG.md").read_text("utf-8")
    heading = next(line for line in changelog.splitlines() if line.startswith("## "))
    assert heading.split()[1] == qwen_gradio.__version__


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [["models"], ["--help"], ["--version"]])
def test_what_cannot_be_written_is_reported_in_one_line(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = run(*arguments, stdout=full)
    assert done.returncode == 1
    assert done.stderr.startswith("qwen-gradio: ")
    assert len(done.stderr.splitlines()) == 1
    assert "No space left" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["ask", "--space", NOBODY, "hi"], 1, f"{NOBODY} cannot be reached"),
        (["ask", "--space", "nowhere", "hi"], 1, "'nowhere' is not a Space"),
        (["ask"], 2, "there is no question"),
        (["ask", "Why", "is", "it?"], 2, "unexpected extra argument"),
        (["ask", " "], 2, "there is no question"),
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
        (["ask", "--model", "gpt", "hi"], 2, "no model 'gpt'"),
        (["ask", "--input", "radio", "hi"], 2, "must be NAME=VALUE"),
        (["ask", "--header", "X-Test", "hi"], 2, "must be NAME=VALUE"),
        (["ask", "--header", "Host: x", "hi"], 2, "Host cannot be set"),
        (["ask", "--proxy", "localhost:8080", "hi"], 2, "must be a URL"),
        (["chat", "--proxy", "ftp://proxy"], 2, "must be a URL"),
        (["inspect", "--proxy", "http://", "a/b"], 2, "must be a URL"),
        (["ask", "--json", "--space", "nowhere", "hi"], 1, "'nowhere' is not a Space"),
        (["inspect"], 2, "name a Space, or set $QWEN_GRADIO_SPACE"),
        (["ask", "--auth", "me", "hi"], 2, "auth has no colon"),
        (["ask", "--timeout", "nan", "hi"], 2, "Invalid value for '--timeout'"),
        (["ask", "--temperature", "nan", "hi"], 2, "Invalid value for '--temperature'"),
        (["ask", "--temperature", "-1", "hi"], 2, "Invalid value for '--temperature'"),
        (["ask", "--space", NOBODY, "--input", "a=" + "[" * 10**5, "hi"], 1, "cannot be reached"),
        (["chat", "--temperature", "nan"], 2, "Invalid value for '--temperature'"),
        (["chat", "--space", "nowhere"], 1, "'nowhere' is not a Space"),
        (["chat", "--api-key", "hf_sécret"], 1, "api_key contains characters"),
        (["fly"], 2, "fly"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_failures_have_an_exit_code_and_one_line_of_explanation(
    arguments: list[str],
    code: int,
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["qwen-gradio", *arguments])
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    written, errors = capsys.readouterr()
    assert complaint in errors
    assert written == ""
    if code == 1:
        assert errors.startswith("qwen-gradio: ")
        assert len(errors.splitlines()) == 1


def test_a_port_that_is_taken_is_reported() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        done = run("serve", "--port", str(port))
    assert done.returncode == 1
    assert done.stderr.startswith(f"qwen-gradio: Cannot listen on 127.0.0.1, port {port}: ")
    assert len(done.stderr.splitlines()) == 1


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
