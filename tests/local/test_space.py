"""The embedded Space, with its real model."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import anyio
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from qwen_gradio import GenerationError, SpaceInterfaceError, StreamStatus
from qwen_gradio.local import running

from ..support.asking import ask
from ..support.fronts import Forward, Front
from ..support.samples import PNG
from ..support.servers import PATIENCE, embedded_space

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("server")]

CAPITAL = {"role": "user", "content": "What is the capital of France?"}


@pytest.fixture(scope="module")
def limited(server: None) -> Iterator[str]:
    """One with a short context, and a limit for replies."""
    with embedded_space("--context", "256", "--max-tokens", "8") as url:
        yield url


async def test_it_knows_the_capital_of_france_and_streams_it(embedded: str) -> None:
    fragments = [fragment async for fragment in ask(embedded, CAPITAL)]
    assert "".join(fragments) == "The capital of France is Paris."
    assert len(fragments) > 4


async def test_it_follows_a_conversation(embedded: str) -> None:
    said = {"role": "assistant", "content": "The capital of France is Paris."}
    more = {"role": "user", "content": "And of Germany?"}
    assert "Berlin" in await ask(embedded, CAPITAL, said, more, history="native").text()


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
    job = client.submit(CAPITAL["content"], [], "", api_name="/model_chat_1")
    _, history, _ = job.result(PATIENCE)
    assert "Paris" in str(history[-1])
    query, _, system = job.outputs()[0]
    assert (query, system) == ("", "You are a helpful assistant.")
    client.close()


@pytest.mark.slow
async def test_a_reply_that_was_cut_off_is_reported(limited: str) -> None:
    statuses: list[StreamStatus] = []
    story = {"role": "user", "content": "Tell me a long story about a dog."}
    reply = await ask(limited, story, on_status=statuses.append).text()
    assert reply
    warnings = [status.log for status in statuses if status.level == "warning"]
    assert warnings == [
        "The reply was cut off after 8 tokens. For longer replies, raise --max-tokens"
    ]


async def test_a_complete_reply_is_not_reported_as_cut_off(embedded: str) -> None:
    statuses: list[StreamStatus] = []
    await ask(embedded, CAPITAL, on_status=statuses.append).text()
    assert "log" not in {status.state for status in statuses}


@pytest.mark.slow
async def test_the_error_for_a_long_conversation_names_the_option(limited: str) -> None:
    with pytest.raises(GenerationError, match=r"256 tokens.*--context"):
        await ask(limited, {"role": "user", "content": "hello " * 300}).text()


async def test_a_conversation_may_be_as_long_as_the_model_allows(embedded: str) -> None:
    with pytest.raises(GenerationError, match=r"8192 tokens.*--context"):
        await ask(embedded, {"role": "user", "content": "hello " * 9000}).text()


async def test_it_takes_no_files_and_says_so_before_anything_is_sent(embedded: str) -> None:
    with Front(lambda request: Forward(), embedded) as front:
        with pytest.raises(SpaceInterfaceError, match=r"image/png\)\. It takes text only$"):
            await ask(front.url, CAPITAL, files=PNG).text()
    assert {request.method for request in front.requests} == {"GET"}


def test_an_empty_message_is_rejected(embedded: str) -> None:
    client = Client(embedded, verbose=False, download_files=False)
    with pytest.raises(AppError, match="The message is empty"):
        client.predict(" ", [], "", api_name="/model_chat")
    client.close()


def test_a_context_that_is_too_small_is_rejected() -> None:
    with pytest.raises(ValueError, match="minimum is 256"), running(context=1):
        pass


def test_a_host_that_does_not_exist_is_reported() -> None:
    with pytest.raises(OSError, match=r"Cannot listen on nonsense\.invalid"):
        with running(host="nonsense.invalid"):
            pass


def test_ask_local_answers_and_stops_the_embedded_space() -> None:
    command = [sys.executable, "-m", "qwen_gradio", "ask", "--local", CAPITAL["content"]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=4 * PATIENCE)
    assert (done.returncode, done.stdout) == (0, "The capital of France is Paris.\n")
    assert done.stderr == ""


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0, 0.2, 0.4, 0.8])
def test_ctrl_c_while_the_model_loads_ends_the_command(seconds: float) -> None:
    code = """
import sys
import xllamacpp
load = xllamacpp.Server
def announced(parameters):
    print("loading", flush=True)
    return load(parameters)
xllamacpp.Server = announced
from qwen_gradio.cli import main
sys.argv = ["qwen-gradio", "ask", "--local", "Hi"]
main()
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "loading\n"
            time.sleep(seconds)  # there is nothing to wait for: it loads for about a second
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 130
        finally:
            process.kill()
