"""Running the endpoint: what it says to lost clients, pages that may ask, and its log."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from qwen_gradio.api import app

from ..support.endpoints import endpoint
from ..support.servers import PATIENCE, ScriptedSpace, script

PAGE = "https://chat.example"
FORMATS = ("/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/completions")


@pytest.fixture(scope="module")
def url(scripted: ScriptedSpace) -> Iterator[str]:
    with endpoint(space=scripted.url, allow_origins=[PAGE]) as url:
        yield url


def error_in(response: httpx.Response) -> str:
    assert response.json()["error"]["type"] in ("invalid_request_error", "permission_error")
    return str(response.json()["error"]["message"])


def test_an_unknown_path_is_answered_with_those_that_there_are(url: str) -> None:
    response = httpx.get(url.replace("/v1", "/chat/completions"))
    assert response.status_code == 404
    for path in (*FORMATS, "/v1/models", "ends with /v1"):
        assert path in error_in(response)


@pytest.mark.parametrize("path", FORMATS)
def test_another_method_is_answered_with_the_one_that_is_taken(url: str, path: str) -> None:
    response = httpx.get(url.replace("/v1", path))
    assert response.status_code == 405
    assert error_in(response) == f"'{path}' takes POST, not GET"


def test_another_host_is_told_to_use_a_key(url: str) -> None:
    response = httpx.get(f"{url}/models", headers={"Host": "gateway.example"})
    assert response.status_code == 403
    assert "--server-key" in error_in(response)


@pytest.mark.parametrize("origin", [PAGE, "https://evil.example"])
def test_only_pages_of_an_allowed_origin_may_ask(url: str, origin: str) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-a"}
    preflight = httpx.options(f"{url}/responses", headers={"Origin": origin, **asked})
    assert preflight.is_success == (origin == PAGE)
    body = {"model": "qwen-2.5-max", "input": "hi"}
    response = httpx.post(
        f"{url}/responses", json=body, headers={"Origin": origin}, timeout=PATIENCE
    )
    assert response.is_success == (origin == PAGE)
    allowed = response.headers.get("access-control-allow-origin")
    assert allowed == (PAGE if origin == PAGE else None)


@pytest.mark.parametrize("origin", ["chat.example", f"{PAGE}/", f"{PAGE}/chat", ""])
def test_what_is_no_origin_is_rejected(origin: str) -> None:
    with pytest.raises(ValueError, match="is not an origin, such as https://"):
        app(allow_origins=[origin])


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_is_logged_without_its_text(
    url: str, caplog: pytest.LogCaptureFixture, stream: bool
) -> None:
    caplog.set_level(logging.INFO, "qwen_gradio.api")

    def ask(model: str, question: Any) -> str:
        caplog.clear()
        body = {"model": model, "messages": [question], "stream": stream}
        httpx.post(f"{url}/chat/completions", json=body, timeout=PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while not caplog.messages:  # it is logged once the response was sent
            assert time.monotonic() < deadline
            time.sleep(0.01)
        (line,) = caplog.messages
        assert "secret" not in line
        return line

    line = ask("qwen-2.5-max", script(say=["secret"]))
    assert line.startswith("POST /v1/chat/completions: 200 in ")
    assert line.endswith("s, model=qwen-2.5-max, characters=6")
    failed = ask("qwen-2.5-max", script(finish="fail"))
    assert ": 502 in " in failed
    assert "error=GenerationError" in failed
    assert ": 404 in " in ask("gpt-4", script())


def test_a_client_that_disconnects_in_its_question_leaves_nothing_behind(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "qwen_gradio.api")
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), PATIENCE) as connection:
        head = f"POST /v1/responses HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 99\r\n"
        connection.sendall(f"{head}Content-Type: application/json\r\n\r\n{{".encode())
    deadline = time.monotonic() + PATIENCE
    while not caplog.messages:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert [record.levelname for record in caplog.records] == ["INFO"]  # no traceback
    assert httpx.get(url.replace("/v1", "/health")).is_success


def test_a_space_that_is_silent_for_too_long_is_a_timeout(scripted: ScriptedSpace) -> None:
    with endpoint(scripted.url, stream_timeout=2) as url:
        body = {"model": scripted.url, "messages": [script(say=["x"], every=PATIENCE)]}
        response = httpx.post(f"{url}/chat/completions", json=body, timeout=PATIENCE)
    assert response.status_code == 504
