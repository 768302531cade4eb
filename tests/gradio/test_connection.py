"""The connection of a reply: what its time limit counts."""

from __future__ import annotations

from types import SimpleNamespace

import httpx
import pytest

from qwen_gradio._access import Access
from qwen_gradio._gradio import connection as module
from qwen_gradio._gradio.connection import Connection


def test_a_long_upload_does_not_count_as_a_slow_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def upload_slowly(request: httpx.Request) -> httpx.Response:
        nonlocal now
        now += 1000
        return httpx.Response(200, stream=httpx.ByteStream(b'["/tmp/a.png"]'))

    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    connection = Connection(Access.parse("http://localhost"), timeout=120)
    connection._client = httpx.Client(transport=httpx.MockTransport(upload_slowly))
    response = connection.request("POST", "http://localhost/upload", content=b"x")
    assert response.json() == ["/tmp/a.png"]
