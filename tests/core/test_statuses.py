"""HTTP statuses: each is raised as its error, and transient ones are retried."""

from __future__ import annotations

import math
import socket
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import httpx
import pytest

import qwen_gradio._gradio.connection
from qwen_gradio import (
    AuthenticationError,
    GenerationError,
    QueueFullError,
    QwenGradioError,
    RateLimitError,
    SpaceUnavailableError,
    StreamStatus,
)

from ..support.asking import ask
from ..support.fronts import EVENTS, FULL, JOIN, Forward, Front, Request, answer, misbehaving
from ..support.servers import PATIENCE, ScriptedSpace, script

pytestmark = pytest.mark.anyio

STATUSES = [
    ("/config", "401 Unauthorized", AuthenticationError),
    ("/config", "403 Forbidden", AuthenticationError),
    ("/config", "404 Not Found", SpaceUnavailableError),
    ("/config", "429 Too Many Requests", RateLimitError),
    ("/config", "500 Internal Server Error", SpaceUnavailableError),
    ("/config", "502 Bad Gateway", SpaceUnavailableError),
    ("/config", "503 Service Unavailable", SpaceUnavailableError),
    ("/config", "302 Found", SpaceUnavailableError),
    (JOIN, "400 Bad Request", GenerationError),
    (JOIN, "401 Unauthorized", AuthenticationError),
    (JOIN, "413 Content Too Large", GenerationError),
    (JOIN, "429 Too Many Requests", RateLimitError),
    (JOIN, "500 Internal Server Error", SpaceUnavailableError),
    (JOIN, "502 Bad Gateway", SpaceUnavailableError),
    (JOIN, "503 Service Unavailable", SpaceUnavailableError),
    (EVENTS, "403 Forbidden", AuthenticationError),
    (EVENTS, "502 Bad Gateway", SpaceUnavailableError),
]


@pytest.mark.parametrize(("path", "status", "expected"), STATUSES)
async def test_an_http_status_is_raised_as_its_error(
    scripted: ScriptedSpace, path: str, status: str, expected: type[QwenGradioError]
) -> None:
    with Front(misbehaving(path, answer(status)), scripted.url) as front:
        with pytest.raises(expected) as caught:
            await ask(front.url, script(say=["x"])).text()
        assert caught.value.space == front.url


@pytest.mark.parametrize(
    "said",
    ['{"detail": "Queue is stopped."}', '{"detail": null}', "no healthy upstream", "<html>full"],
)
async def test_a_503_of_another_server_is_no_full_queue(scripted: ScriptedSpace, said: str) -> None:
    with Front(misbehaving(JOIN, answer("503 Service Unavailable", said)), scripted.url) as front:
        with pytest.raises(SpaceUnavailableError, match="answered 503"):
            await ask(front.url, script(say=["x"])).text()
    with Front(misbehaving(JOIN, answer("503 Full", FULL)), scripted.url) as front:
        with pytest.raises(QueueFullError):
            await ask(front.url, script(say=["x"])).text()


class Replicas:
    """What a front does that stands for a load balancer, which tells users apart by a cookie.

    :ivar running: the replica that runs.
    """

    def __init__(self, space: ScriptedSpace) -> None:
        self.running = 1
        self._config = httpx.get(f"{space.url}/config").text

    def __call__(self, request: Request) -> bytes | Forward:
        wanted = request.headers.get("cookie", f"replica={self.running}")
        if wanted != f"replica={self.running}":
            return answer("503 Service Unavailable", "The replica is gone", "text/plain")
        cookie = f"{wanted}; Path=/"
        is_first = request.path == "/config"
        return answer("200 OK", self._config, Set_Cookie=cookie) if is_first else Forward()


async def test_a_replica_that_is_gone_is_replaced(scripted: ScriptedSpace) -> None:
    with Front(replicas := Replicas(scripted), scripted.url) as front:
        assert await ask(front.url, script(say=["x"])).text() == "x"
        replicas.running = 2
        assert await ask(front.url, script(say=["y"])).text() == "y"
        asked = [request.path for request in front.requests]
    read = ["/config", "/gradio_api/info"]
    assert asked == [*read, JOIN, EVENTS, JOIN, *read, JOIN, EVENTS]


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [("/config", "429 Too Many", ""), (JOIN, "429 Too Many", ""), (JOIN, "503 Full", FULL)],
)
async def test_a_transient_status_is_retried_after_the_seconds_that_the_space_gave(
    scripted: ScriptedSpace, path: str, status: str, body: str
) -> None:
    reported: list[StreamStatus] = []
    behave = misbehaving(path, answer(status, body, Retry_After="0.25"), times=2)
    with Front(behave, scripted.url) as front:
        stream = ask(front.url, script(say=["x"]), max_retries=2, on_status=reported.append)
        assert await stream.text() == "x"
    waits = [status.retry_in for status in reported if status.state == "retrying"]
    assert waits == [0.25, 0.25]


async def test_a_long_retry_after_is_not_waited_for(scripted: ScriptedSpace) -> None:
    in_an_hour = format_datetime(datetime.now(timezone.utc) + timedelta(hours=1), usegmt=True)
    behave = misbehaving(JOIN, answer("429 Too Many", Retry_After=in_an_hour))
    with Front(behave, scripted.url) as front:
        with pytest.raises(RateLimitError) as caught:
            await ask(front.url, script(say=["x"]), max_retries=2).text()
        assert sum(request.path == JOIN for request in front.requests) == 1
    assert caught.value.retry_after is not None
    assert 3600 - 4 * PATIENCE < caught.value.retry_after <= 3600


async def test_a_connect_timeout_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qwen_gradio._gradio.connection, "CONNECT_TIMEOUT", 0.2)
    reported: list[StreamStatus] = []
    with ExitStack() as opened:
        full = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # which nobody accepts, so that the next ones have to wait
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        with pytest.raises(SpaceUnavailableError, match="timed out"):
            await ask(url, script(say=["x"]), max_retries=1, on_status=reported.append).text()
    assert [status.state for status in reported] == ["retrying"]


async def test_a_rejected_login_is_an_authentication_error(scripted: ScriptedSpace) -> None:
    behave = misbehaving("/login", answer("429 Too Many", Retry_After="7"))
    with Front(behave, scripted.url) as front:
        with pytest.raises(RateLimitError) as caught:
            await ask(front.url, script(say=["x"]), auth=("ada", "swordfish")).text()
    assert caught.value.retry_after == 7


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("inf", 365 * 86400), ("1e300", 365 * 86400), ("-1", 0), ("nan", 0), ("soon", None)],
)
async def test_an_odd_wait_is_a_number_of_seconds_or_none(
    scripted: ScriptedSpace, said: str, seconds: float | None
) -> None:
    behave = misbehaving(JOIN, answer("429 Too Many", Retry_After=said))
    with Front(behave, scripted.url) as front:
        with pytest.raises(RateLimitError) as caught:
            await ask(front.url, script(say=["x"])).text()
    assert caught.value.retry_after == seconds


async def test_what_the_app_says_of_a_question_that_it_does_not_take_is_reported(
    picky: ScriptedSpace,
) -> None:
    with pytest.raises(GenerationError, match="No is no question"):
        await ask(picky, {"role": "user", "content": "no"}).text()
    assert await ask(picky, {"role": "user", "content": "yes"}).text() == "yes"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"detail": "too long"}', ": too long"),
        ('{"detail": [{"msg": "too long"}, {"message": "too rude"}]}', ": too long; too rude"),
        ('{"detail": {"message": "too long"}}', ""),
        ('{"detail": ["x", 7, {"msg": 7}, {"msg": "too long"}]}', ": too long"),
        ('{"detail": null}', ""),
        ("[" * 100_000, ""),
        ("<html>", ""),
    ],
    ids=lambda text: text[:30],
)
async def test_what_is_said_of_a_rejected_question_may_have_any_form(
    scripted: ScriptedSpace, body: str, said: str
) -> None:
    rejected = answer("422 Unprocessable Content", body)
    with Front(misbehaving(JOIN, rejected), scripted.url) as front:
        with pytest.raises(GenerationError, match=f"Content\\){said}$"):
            await ask(front.url, script(say=["x"])).text()


async def test_a_redirect_is_reported_with_its_target(scripted: ScriptedSpace) -> None:
    moved = answer("301 Moved Permanently", Location="https://elsewhere.test/config")
    with Front(misbehaving("/config", moved), scripted.url) as front:
        with pytest.raises(SpaceUnavailableError, match=r"points to 'https://elsewhere\.test"):
            await ask(front.url, script(say=["x"])).text()


async def test_retries_can_be_unlimited(scripted: ScriptedSpace) -> None:
    behave = misbehaving(JOIN, answer("429 Too Many", Retry_After="0"), times=5)
    with Front(behave, scripted.url) as front:
        stream = ask(front.url, script(say=["x"]), max_retries=math.inf)
        assert await stream.text() == "x"


async def test_a_wait_that_exceeds_stream_timeout_is_not_begun(scripted: ScriptedSpace) -> None:
    behave = misbehaving(JOIN, answer("429 Too Many", Retry_After="50"))
    with Front(behave, scripted.url) as front:
        with pytest.raises(RateLimitError):
            await ask(front.url, script(say=["x"]), max_retries=2, stream_timeout=40).text()
