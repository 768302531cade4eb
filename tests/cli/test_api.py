"""The command `qwen-gradio api`."""

from __future__ import annotations

import re
import signal
import socket
from typing import Any

import httpx
import openai
import pytest

from ..support.commands import run
from ..support.endpoints import endpoint_command
from ..support.servers import PATIENCE, ScriptedSpace, script, tag_of

pytestmark = pytest.mark.usefixtures("server")


def test_ctrl_c_stops_the_replies_and_ends_it(scripted: ScriptedSpace) -> None:
    with endpoint_command("--space", scripted.url) as (process, url):
        question = script(say=["a ", "secret"], finish="hang")
        body = {"model": scripted.url, "messages": [question], "stream": True}
        with httpx.stream(
            "POST", f"{url}/chat/completions", json=body, timeout=PATIENCE
        ) as response:
            lines = response.iter_lines()
            assert any("secret" in line for line in lines)
            process.send_signal(signal.SIGINT)
            assert any("reply_interrupted" in line for line in lines)
        output, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130
        scripted.wait_for("stopped", tag_of(question))
    assert "secret" not in output + errors
    assert "Traceback" not in errors


def test_an_address_on_the_network_requires_a_key() -> None:
    found = run("api", "--host", "0.0.0.0")
    assert found.returncode == 2
    assert "--server-key" in found.stderr


def test_a_key_for_clients_is_not_taken_for_a_token() -> None:
    found = run("api", "--api-key", "sesame")
    assert found.returncode == 2
    assert "--server-key" in found.stderr


@pytest.mark.slow
def test_verbose_logs_a_line_for_each_request(scripted: ScriptedSpace) -> None:
    options = ("--space", scripted.url, "--server-key", "sesame", "--verbose")
    with endpoint_command(*options, "--stream-timeout", "50") as (process, url):
        with openai.OpenAI(base_url=url, api_key="sesame", max_retries=0) as client:
            messages: Any = [script(say=["secret"])]
            client.chat.completions.create(model=scripted.url, messages=messages)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert re.search(r"POST /v1/chat/completions: 200 in \d+\.\d s, model=.*, characters=6", errors)
    assert "secret" not in errors
    assert "sesame" not in errors


def test_the_key_comes_from_the_environment(
    scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWEN_GRADIO_SERVER_KEY", "sesame")
    with endpoint_command("--host", "0.0.0.0", "--space", scripted.url) as (_, url):
        url = url.replace("0.0.0.0", "127.0.0.1")
        with openai.OpenAI(base_url=url, api_key="wrong", max_retries=0) as client:
            with pytest.raises(openai.AuthenticationError):
                client.models.list()
        with openai.OpenAI(base_url=url, api_key="sesame", max_retries=0) as client:
            assert scripted.url in [model.id for model in client.models.list()]


@pytest.mark.parametrize("given", [["--space", "nothing"], []], ids=["option", "environment"])
def test_what_is_no_space_is_one_line_of_explanation(
    given: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWEN_GRADIO_SPACE", "nothing")
    found = run("api", *given)
    assert found.returncode == 1
    assert found.stderr.startswith("qwen-gradio: 'nothing' is not a Space")


def test_a_port_in_use_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = run("api", "--port", taken.getsockname()[1])
    assert found.returncode == 1
    assert found.stderr.startswith("qwen-gradio: Cannot listen on 127.0.0.1, port")
