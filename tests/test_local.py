"""The embedded Space, with its real model."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import anyio
import pytest
from gradio_client import Client

from .asking import ask
from .servers import PATIENCE, free_port

CAPITAL = {"role": "user", "content": "What is the capital of France?"}


@pytest.fixture(scope="module")
def embedded() -> Iterator[str]:
    """The URL of `qwen-gradio serve`, which Ctrl-C stops after the tests."""
    port = free_port()
    command = [sys.executable, "-m", "qwen_gradio", "serve", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert f"http://127.0.0.1:{port}" in process.stdout.readline()
        yield f"http://127.0.0.1:{port}"
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)


@pytest.mark.anyio
async def test_it_knows_the_capital_of_france_and_streams_it(embedded: str) -> None:
    fragments = [fragment async for fragment in ask(embedded, CAPITAL)]
    assert "".join(fragments) == "The capital of France is Paris."
    assert len(fragments) > 4


@pytest.mark.anyio
async def test_it_follows_a_conversation(embedded: str) -> None:
    said = {"role": "assistant", "content": "The capital of France is Paris."}
    more = {"role": "user", "content": "And of Germany?"}
    assert "Berlin" in await ask(embedded, CAPITAL, said, more, history="native").text()


@pytest.mark.anyio
async def test_breaking_out_frees_the_model_for_others(embedded: str) -> None:
    story = {"role": "user", "content": "Tell me a long story about a dog."}
    for _ in range(4):  # twice the number of replies it writes at once
        async for _ in ask(embedded, story):
            break
    with anyio.fail_after(PATIENCE):
        assert "Paris" in await ask(embedded, CAPITAL).text()


def test_both_endpoints_are_those_of_qwens_space(embedded: str) -> None:
    client = Client(embedded, verbose=False, download_files=False)
    endpoints = client.view_api(print_info=False, return_format="dict")["named_endpoints"]
    assert set(endpoints) == {"/model_chat", "/model_chat_1"}
    for endpoint in endpoints.values():
        names = [parameter["parameter_name"] for parameter in endpoint["parameters"]]
        assert names == ["query", "history", "system"]
        assert len(endpoint["returns"]) == 3
    query, history, system = client.predict(CAPITAL["content"], [], "", api_name="/model_chat_1")
    assert (query, system) == ("", "You are a helpful assistant.")
    assert "Paris" in str(history[-1])
    client.close()


def test_ask_local_answers_and_stops_the_embedded_space() -> None:
    command = [sys.executable, "-m", "qwen_gradio", "ask", "--local", CAPITAL["content"]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=4 * PATIENCE)
    assert (done.returncode, done.stdout) == (0, "The capital of France is Paris.\n")
    assert done.stderr == ""
