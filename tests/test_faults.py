"""Real faults: a typed error in bounded time, what had arrived, and a next call that works."""

from __future__ import annotations

import gzip
import json
import math
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import traceback
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme

from qwen_gradio import (
    AuthenticationError,
    GenerationError,
    QueueFullError,
    Qwen_Qwen_2_5_Max,
    QwenGradioError,
    RateLimitError,
    SpaceInterfaceError,
    SpaceUnavailableError,
    StreamInterruptedError,
    StreamStatus,
    StreamTimeoutError,
)

from .asking import ask
from .fronts import Behaviour, Endless, Forward, Front, Request, SocksFront, answer
from .servers import NOBODY, PATIENCE, ScriptedSpace, free_port, script, tag_of

pytestmark = pytest.mark.anyio

JOIN, EVENTS, CANCEL = "/gradio_api/queue/join", "/gradio_api/queue/data", "/gradio_api/cancel"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


@contextmanager
def scripted_space(*options: str) -> Iterator[ScriptedSpace]:
    """A scripted Space of one's own, to do harm to."""
    space = ScriptedSpace("6", "messages", *options)
    try:
        yield space
    finally:
        space.process.send_signal(signal.SIGCONT)
        space.close()


def misbehaving(path: str, reply: bytes | Forward | Endless, times: int = 10**6) -> Behaviour:
    """What a front does: answer the first `times` requests of `path`, and forward all else."""

    def behave(request: Request) -> bytes | Forward | Endless:
        return reply if request.path == path and request.seen < times else Forward()

    return behave


STATUSES = [
    ("/config", "401 Unauthorized", AuthenticationError),
    ("/config", "403 Forbidden", AuthenticationError),
    ("/config", "404 Not Found", SpaceUnavailableError),
    ("/config", "429 Too Many Requests", RateLimitError),
    ("/config", "500 Internal Server Error", SpaceUnavailableError),
    ("/config", "502 Bad Gateway", SpaceUnavailableError),
    ("/config", "503 Service Unavailable", SpaceUnavailableError),
    ("/config", "302 Found", SpaceUnavailableError),
    (JOIN, "401 Unauthorized", AuthenticationError),
    (JOIN, "429 Too Many Requests", RateLimitError),
    (JOIN, "500 Internal Server Error", SpaceUnavailableError),
    (JOIN, "502 Bad Gateway", SpaceUnavailableError),
    (JOIN, "503 Service Unavailable", QueueFullError),
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
    ("path", "status"), [("/config", "429 Too Many"), (JOIN, "429 Too Many"), (JOIN, "503 Full")]
)
async def test_a_transient_status_is_retried_after_the_seconds_that_the_space_gave(
    scripted: ScriptedSpace, path: str, status: str
) -> None:
    reported: list[StreamStatus] = []
    behave = misbehaving(path, answer(status, Retry_After="0.25"), times=2)
    with Front(behave, scripted.url) as front:
        stream = ask(front.url, script(say=["x"]), max_retries=2, on_status=reported.append)
        assert await stream.text() == "x"
    waits = [status.eta for status in reported if status.state == "retrying"]
    assert waits == [0.25, 0.25]


async def test_a_long_retry_after_is_not_waited_for(
    scripted: ScriptedSpace,
) -> None:
    in_an_hour = format_datetime(datetime.now(timezone.utc) + timedelta(hours=1), usegmt=True)
    behave = misbehaving(JOIN, answer("429 Too Many", Retry_After=in_an_hour))
    with Front(behave, scripted.url) as front:
        with pytest.raises(RateLimitError) as caught:
            await ask(front.url, script(say=["x"]), max_retries=2).text()
        assert sum(request.path == JOIN for request in front.requests) == 1
    assert caught.value.retry_after is not None
    assert 3600 - 4 * PATIENCE < caught.value.retry_after <= 3600


async def test_a_connect_timeout_is_retried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("qwen_gradio._gradio.connection.CONNECT_TIMEOUT", 0.2)
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


async def test_a_full_queue_is_reported() -> None:
    with scripted_space("--at-once", "1", "--queue", "1") as space:
        async with anyio.create_task_group() as tasks:
            first, second = script(say=["x"], finish="hang"), script(say=["y"], finish="hang")
            running = await ask(space.url, first)
            assert await running.__anext__() == "x"
            queued = anyio.Event()

            def see(status: StreamStatus) -> None:
                if status.state == "queued":
                    queued.set()

            tasks.start_soon(ask(space.url, second, on_status=see).text)
            await queued.wait()
            with pytest.raises(QueueFullError):
                await ask(space.url, script(say=["z"])).text()
            await running.aclose()
            tasks.cancel_scope.cancel()


async def test_a_lost_connection_is_raised_with_the_partial_text(
    scripted: ScriptedSpace,
) -> None:
    behave = misbehaving(EVENTS, Forward(limit=5000), times=1)
    pieces = [f"{number}," for number in range(100)]
    with Front(behave, scripted.url) as front:
        with pytest.raises(StreamInterruptedError) as caught:
            await ask(front.url, script(say=pieces, every=0.01), max_retries=2).text()
        assert caught.value.partial
        assert "".join(pieces).startswith(caught.value.partial)
        assert await ask(front.url, script(say=["again"])).text() == "again"


async def test_a_slow_link_loses_nothing(scripted: ScriptedSpace) -> None:
    pieces = [f"{number} " for number in range(50)]
    with Front(misbehaving(EVENTS, Forward(pause=0.02)), scripted.url) as front:
        assert await ask(front.url, script(say=pieces)).text() == "".join(pieces)


def event(**what: Any) -> bytes:
    return b"data: " + json.dumps({"event_id": "e", **what}).encode() + b"\n\n"


def output(*data: Any) -> bytes:
    return event(msg="process_generating", success=True, output={"data": list(data)})


HOSTILE = {
    "no event": (STREAM + b"data: nonsense\n\n", StreamInterruptedError),
    "no msg": (STREAM + b'data: {"event_id": "e"}\n\n', StreamInterruptedError),
    "unknown msg": (STREAM + event(msg="hello"), StreamInterruptedError),
    "rank is text": (STREAM + event(msg="estimation", rank="first"), StreamInterruptedError),
    "output is text": (
        STREAM + event(msg="process_generating", output="x"),
        StreamInterruptedError,
    ),
    "data is a number": (
        STREAM + event(msg="process_generating", output={"data": 7}),
        StreamInterruptedError,
    ),
    "too few outputs": (STREAM + output(""), SpaceInterfaceError),
    "no chat": (STREAM + output("", 7, ""), SpaceInterfaceError),
    "no content": (STREAM + output("", [{"role": "assistant", "content": 7}]), SpaceInterfaceError),
    "no diff": (STREAM + output("", [], "") + output("", "x", ""), StreamInterruptedError),
    "completed without output": (
        STREAM + event(msg="process_completed", success=True, output={}),
        StreamInterruptedError,
    ),
    "failed without words": (
        STREAM + event(msg="process_completed", success=False, output={"error": None}),
        QwenGradioError,
    ),
    "closed at once": (STREAM + event(msg="close_stream"), StreamInterruptedError),
    "nothing at all": (STREAM, StreamInterruptedError),
    "unexpected error": (
        STREAM + event(msg="unexpected_error", message="?"),
        StreamInterruptedError,
    ),
    "deep nesting": (STREAM + b"data: " + b"[" * 10**6 + b"\n\n", StreamInterruptedError),
    "an endless event": (Endless(STREAM + b"data: ", b"x" * 2**16), StreamInterruptedError),
    "a huge output": (
        Endless(STREAM + b'data: {"msg": "process_generating", "output": ["', b"x" * 2**20),
        StreamInterruptedError,
    ),
    "a reply without end": (
        Endless(
            STREAM + output("", [["?", ""]], ""),
            output([], [["append", [0, 1], "x" * 2**20]], []),
        ),
        SpaceInterfaceError,
    ),
    "another output without end": (
        Endless(STREAM + output("", [], ""), output([["append", [], "x" * 2**20]], [], [])),
        SpaceInterfaceError,
    ),
    "a failing output without end": (
        Endless(
            STREAM + output([], [], ""),
            event(
                msg="process_generating",
                success=False,
                output={"data": [[["add", [0], ["x"] * 2**18]], [], []]},
            ),
        ),
        SpaceInterfaceError,
    ),
    "a compressed bomb": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n"
        + gzip.compress(b"data: " + b"x" * 10**8),
        StreamInterruptedError,
    ),
}


@pytest.mark.parametrize(("reported", "expected"), HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_stream_is_a_typed_error(
    scripted: ScriptedSpace, reported: bytes | Endless, expected: type[QwenGradioError]
) -> None:
    def behave(request: Request) -> bytes | Forward | Endless:
        if request.path == JOIN:
            return answer("200 OK", '{"event_id": "e"}')
        return reported if request.path == EVENTS else Forward()

    with Front(behave, scripted.url) as front, anyio.fail_after(PATIENCE):
        with pytest.raises(expected):
            await ask(front.url, script(say=["x"])).text()


async def test_the_apps_message_is_raised_whatever_comes_with_it(
    scripted: ScriptedSpace,
) -> None:
    failed = {"error": "the words", "surprise": 1, "title": "Oops"}

    def behave(request: Request) -> bytes | Forward:
        if request.path == JOIN:
            return answer("200 OK", '{"event_id": "e"}')
        reported = STREAM + event(msg="process_completed", success=False, output=failed)
        return reported if request.path == EVENTS else Forward()

    with Front(behave, scripted.url) as front:
        with pytest.raises(GenerationError, match=r"^Oops: the words$"):
            await ask(front.url, script(say=["x"])).text()


QUOTA = (
    "You have exceeded your ZeroGPU quota (60s requested vs. 0s left). Try again in 23:51:22. "
    "Subscribe for more."
)


@pytest.mark.parametrize(
    ("message", "title", "retry_after"),
    [
        (QUOTA, "ZeroGPU quota exceeded", 85882),
        (QUOTA, "Error", 85882),
        ("You have exceeded your ZeroGPU runs limit.", "Error", None),
        ("Try again in 1 day, 0:00:01", "ZeroGPU quota exceeded", 86401),
    ],
)
async def test_a_spent_gpu_quota_is_a_rate_limit(
    scripted: ScriptedSpace, message: str, title: str, retry_after: float | None
) -> None:
    question = script(finish="fail", error=[message, title])
    with pytest.raises(RateLimitError) as caught:
        await ask(scripted, question).text()
    assert caught.value.retry_after == retry_after
    assert str(caught.value) == (message if title == "Error" else f"{title}: {message}")


@pytest.mark.parametrize("wait", ["", " Try again in 0:01:01"])
async def test_a_spent_gpu_quota_is_not_asked_for_again_within_seconds(
    scripted: ScriptedSpace, wait: str
) -> None:
    reported: list[StreamStatus] = []
    question = script(finish="fail", error=[f"Your GPU quota is spent.{wait}", "Error"])
    with pytest.raises(RateLimitError):
        await ask(scripted, question, max_retries=2, on_status=reported.append).text()
    assert "retrying" not in {status.state for status in reported}


async def test_a_gpu_quota_that_is_refilled_soon_is_waited_for(scripted: ScriptedSpace) -> None:
    question = script(say=["x"], quota=(uuid.uuid4().hex, 1))
    assert await ask(scripted, question, max_retries=2).text() == "x"


async def test_a_wait_that_exceeds_stream_timeout_is_not_begun(scripted: ScriptedSpace) -> None:
    behave = misbehaving(JOIN, answer("429 Too Many", Retry_After="50"))
    with Front(behave, scripted.url) as front:
        with pytest.raises(RateLimitError):
            await ask(front.url, script(say=["x"]), max_retries=2, stream_timeout=40).text()


async def test_other_errors_of_a_gpu_are_failures(scripted: ScriptedSpace) -> None:
    message = "CUDA error: the GPU has exceeded its memory limit"
    question = script(finish="fail", error=[message, "ZeroGPU worker error"])
    with pytest.raises(GenerationError, match=f"^ZeroGPU worker error: {message}$"):
        await ask(scripted, question).text()


async def test_a_failure_without_a_reason_is_reported_to_a_caller() -> None:
    with scripted_space("--hide-errors") as space:
        with pytest.raises(GenerationError, match="gave no reason; only its author can"):
            await ask(space, script(finish="fail", error=[None, "Error"])).text()


async def test_a_lost_session_is_reported_with_the_spaces_message(
    scripted: ScriptedSpace,
) -> None:
    # The question never gets to the Space, which is then asked for events of a session it has not.
    behave = misbehaving(JOIN, answer("200 OK", '{"event_id": "e"}'))
    with Front(behave, scripted.url) as front:
        with pytest.raises(StreamInterruptedError, match="ended the reply early: it said '404"):
            await ask(front.url, script(say=["x"])).text()


@pytest.mark.parametrize("path", ["/config", "/gradio_api/info", JOIN])
@pytest.mark.parametrize("body", ["", "<html>", "[]", "7", "null", "{}", '{"dependencies": null}'])
async def test_an_answer_that_is_not_gradios_is_a_typed_error(
    scripted: ScriptedSpace, path: str, body: str
) -> None:
    with Front(misbehaving(path, answer("200 OK", body)), scripted.url) as front:
        with pytest.raises(QwenGradioError) as caught:
            await ask(front.url, script(say=["x"])).text()
        assert isinstance(caught.value, (SpaceUnavailableError, SpaceInterfaceError))


@pytest.mark.parametrize("path", ["/config", "/gradio_api/info", JOIN])
async def test_an_endless_answer_is_a_typed_error(scripted: ScriptedSpace, path: str) -> None:
    endless = Endless(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b" " * 2**18)
    with Front(misbehaving(path, endless), scripted.url) as front, anyio.fail_after(PATIENCE):
        with pytest.raises(SpaceUnavailableError):
            await ask(front.url, script(say=["x"])).text()


async def test_a_name_that_no_host_has_is_named() -> None:
    with pytest.raises(SpaceUnavailableError, match=r"http://nobody\.invalid cannot be reached"):
        await ask("http://nobody.invalid", script(say=["x"]), max_retries=2).text()


@pytest.mark.parametrize("moment", ["queued", "before", "amid"])
async def test_a_space_that_dies_is_noticed_and_the_next_on_its_address_is_asked(
    moment: str,
) -> None:
    port = free_port()
    pieces = {"queued": ["x"], "before": ["x"], "amid": ["so ", "far"]}[moment]
    question = script(say=pieces, every=0 if moment == "amid" else PATIENCE, finish="hang")
    with scripted_space("--port", str(port), "--at-once", "1") as space:
        if moment == "queued":
            ahead = script(say=["x"], finish="hang")
            blocking = await ask(space.url, ahead)
            assert await blocking.__anext__() == "x"
        begun = anyio.Event()

        def see(status: StreamStatus) -> None:
            if status.state == ("queued" if moment == "queued" else "processing"):
                begun.set()

        stream = ask(space.url, question, on_status=see)
        if moment == "amid":
            assert await stream.__anext__() == "so "
            assert await stream.__anext__() == "far"
            space.process.kill()
            with pytest.raises(StreamInterruptedError) as caught:
                await stream.text()
            assert caught.value.partial == "so far"
        else:

            async def kill() -> None:
                await begun.wait()
                space.process.kill()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(kill)
                with pytest.raises(StreamInterruptedError):
                    await stream.text()
        if moment == "queued":
            with pytest.raises(StreamInterruptedError):
                await blocking.text()
    with scripted_space("--port", str(port), "--swapped") as space:
        assert await ask(space.url, script(say=["again"])).text() == "again"


async def test_a_space_that_stalls_is_noticed_and_asked_again_when_it_goes_on() -> None:
    with scripted_space() as space:
        stream = await ask(space.url, script(say=["x"], finish="hang"), stream_timeout=2)
        assert await stream.__anext__() == "x"
        space.process.send_signal(signal.SIGSTOP)
        with pytest.raises(StreamTimeoutError) as caught:
            await stream.text()
        assert caught.value.partial == "x"
        with pytest.raises(StreamTimeoutError):
            await ask(space.url, script(say=["x"]), stream_timeout=1).text()
        space.process.send_signal(signal.SIGCONT)
        assert await ask(space.url, script(say=["again"])).text() == "again"


async def test_cancelling_does_not_wait_for_a_space_that_no_longer_answers() -> None:
    with scripted_space() as space:
        stream = await ask(space.url, script(say=["x"], finish="hang"))
        assert await stream.__anext__() == "x"
        space.process.send_signal(signal.SIGSTOP)
        with anyio.fail_after(PATIENCE):  # far less than stream_timeout
            with anyio.move_on_after(0.1):
                await stream.__anext__()
            await stream.aclose()
        space.process.send_signal(signal.SIGCONT)


async def test_a_broken_stream_does_not_affect_another(scripted: ScriptedSpace) -> None:
    cut = iter([Forward(limit=1200)])

    def behave(request: Request) -> Forward:
        return next(cut, Forward()) if request.path == EVENTS else Forward()

    pieces = [f"{number} " for number in range(30)]
    ended: list[str] = []

    async def read() -> None:
        try:
            ended.append(await ask(front.url, script(say=pieces, every=0.02)).text())
        except StreamInterruptedError:
            ended.append("broken")

    with Front(behave, scripted.url) as front:
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(read)
    assert sorted(ended) == sorted(["".join(pieces)] * 4 + ["broken"])


async def test_a_session_that_hangs_while_it_reads_the_space_holds_up_no_other(
    scripted: ScriptedSpace,
) -> None:
    reached = threading.Event()

    def behave(request: Request) -> Forward:
        if request.path != "/config" or request.seen > 0:
            return Forward()
        reached.set()
        return Forward(wait=10 * PATIENCE)

    with Front(behave, scripted.url) as front:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask(front.url, script(say=["x"])).text)
            assert await anyio.to_thread.run_sync(reached.wait, PATIENCE)
            with anyio.fail_after(PATIENCE):
                assert await ask(front.url, script(say=["y"])).text() == "y"
            tasks.cancel_scope.cancel()


async def test_a_space_is_read_again_after_a_while(
    scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qwen_gradio._gradio.space.DESCRIPTION_TTL", 0)
    with Front(lambda request: Forward(), scripted.url) as front:
        for _ in range(2):
            assert await ask(front.url, script(say=["x"])).text() == "x"
        assert sum(request.path == "/config" for request in front.requests) == 2


async def test_every_request_goes_through_the_proxy(scripted: ScriptedSpace) -> None:
    with Front(lambda request: Forward(), scripted.url) as proxy:
        question = script(say=["x"], finish="hang")
        async for _ in ask("http://only-the-proxy-knows.test", question, proxy=proxy.url):
            break
        await anyio.to_thread.run_sync(scripted.wait_for, "stopped", tag_of(question))
        asked = [request.path for request in proxy.requests]
        assert asked == ["/config", "/gradio_api/info", JOIN, EVENTS, CANCEL]


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
async def test_every_request_goes_through_a_socks_proxy(
    scripted: ScriptedSpace, scheme: str
) -> None:
    with SocksFront(scripted.url) as proxy:
        question = script(say=["x"], finish="hang")
        through = proxy.url.replace("http", scheme)
        async for _ in ask("http://only-the-proxy-knows.test", question, proxy=through):
            break
        await anyio.to_thread.run_sync(scripted.wait_for, "stopped", tag_of(question))
        assert set(proxy.names) == {"only-the-proxy-knows.test"}


async def test_a_slow_start_is_not_an_error(scripted: ScriptedSpace) -> None:
    # 6 seconds, as httpx and gradio_client give up after 5 by default.
    with Front(misbehaving(JOIN, Forward(wait=6)), scripted.url) as front:
        assert await ask(front.url, script(say=["x"])).text() == "x"


async def test_a_token_goes_to_the_space_alone_and_into_no_error(
    scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_not_given")
    caplog.set_level(0)
    with Front(misbehaving(EVENTS, answer("500 Oops")), scripted.url) as front:
        with pytest.raises(QwenGradioError) as caught:
            await ask(front.url, script(say=["x"]), api_key="hf_secret").text()
        sent = [request.headers.get("x-hf-authorization") for request in front.requests]
        assert set(sent) == {"Bearer hf_secret"}
        assert "hf_not_given" not in str([request.headers for request in front.requests])
    error: BaseException | None = caught.value
    while error is not None:
        assert "hf_secret" not in f"{error!r} {error}"
        error = error.__cause__
    assert "hf_secret" not in caplog.text


async def test_an_app_with_a_login_takes_auth() -> None:
    with scripted_space("--auth", "ada", "swordfish") as space:
        for auth in (("ada", "swordfish"), ["ada", "swordfish"]):
            assert await ask(space.url, script(say=["in"]), auth=auth).text() == "in"
        with pytest.raises(AuthenticationError, match="give an api_key or auth"):
            await ask(space.url, script(say=["x"])).text()


async def test_files_are_neither_fetched_nor_sent(scripted: ScriptedSpace) -> None:
    file = {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}, "url": "/file=x"}
    reply = [{"role": "user", "content": "?"}, {"role": "assistant", "content": [file, "seen"]}]

    def behave(request: Request) -> bytes | Forward:
        if request.path == JOIN:
            return answer("200 OK", '{"event_id": "e"}')
        if request.path == EVENTS:
            done = event(msg="process_completed", success=True, output={"data": ["", reply, ""]})
            return STREAM + done
        return Forward()

    with Front(behave, scripted.url) as front:
        asked = {"role": "user", "content": json.dumps(file)}
        await ask(front.url, asked, history="native").text()
        assert {request.path for request in front.requests} <= {
            "/config",
            "/gradio_api/info",
            JOIN,
            EVENTS,
        }


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "br"])
@pytest.mark.parametrize("path", ["/config", EVENTS])
async def test_a_compressed_answer_is_rejected_unread(
    scripted: ScriptedSpace, path: str, encoding: str
) -> None:
    reported = answer("200 OK", "x" * 1000, Content_Encoding=encoding)
    with Front(misbehaving(path, reported), scripted.url) as front:
        with pytest.raises(QwenGradioError, match="compressed"):
            await ask(front.url, script(say=["x"])).text()


@pytest.mark.parametrize(
    "body", ['{"detail": "starting"}', "[]", '{"dependencies": [], "components": []}']
)
async def test_a_space_that_was_not_ready_is_read_again(scripted: ScriptedSpace, body: str) -> None:
    behave = misbehaving("/config", answer("200 OK", body), times=1)
    with Front(behave, scripted.url) as front:
        with pytest.raises(QwenGradioError):
            await ask(front.url, script(say=["x"])).text()
        assert await ask(front.url, script(say=["ready"])).text() == "ready"


async def test_a_space_cannot_send_requests_to_another_host(scripted: ScriptedSpace) -> None:
    with Front(lambda request: Forward(), scripted.url) as other:
        prefix = f"{other.url}/gradio_api"
        config = json.dumps({"version": "6", "protocol": "sse_v3", "api_prefix": prefix})
        with Front(misbehaving("/config", answer("200 OK", config)), scripted.url) as front:
            with pytest.raises(SpaceUnavailableError, match="leads elsewhere"):
                await ask(front.url, script(say=["x"]), api_key="hf_secret").text()
        assert other.requests == []


async def test_an_old_protocol_is_named(scripted: ScriptedSpace) -> None:
    config = json.dumps(
        {"api_prefix": "/gradio_api", "protocol": "ws", "dependencies": [], "components": []}
    )
    with Front(misbehaving("/config", answer("200 OK", config)), scripted.url) as front:
        with pytest.raises(SpaceInterfaceError, match="'ws'"):
            await ask(front.url, script(say=["x"])).text()


async def test_a_status_of_wrong_types_does_no_harm(scripted: ScriptedSpace) -> None:
    said = event(msg="estimation", rank=0, queue_size={}, rank_eta="soon") + event(
        msg="progress", progress_data=[{"progress": "half", "desc": 7}]
    )
    done = event(msg="process_completed", success=True, output={"data": ["", [["?", "x"]], ""]})

    def behave(request: Request) -> bytes | Forward:
        if request.path == JOIN:
            return answer("200 OK", '{"event_id": "e"}')
        return STREAM + said + done if request.path == EVENTS else Forward()

    reported: list[StreamStatus] = []
    with Front(behave, scripted.url) as front:
        assert await ask(front.url, script(say=["x"]), on_status=reported.append).text() == "x"
    assert [str(status) for status in reported] == ["In the queue: 1 of None", "7"]


@pytest.mark.parametrize("phase", ["/config", "/gradio_api/info", JOIN, EVENTS])
async def test_a_request_that_hangs_is_aborted(scripted: ScriptedSpace, phase: str) -> None:
    reached = threading.Event()

    def behave(request: Request) -> bytes | Forward | Endless:
        if request.path == phase:
            reached.set()
            return Forward(pause=PATIENCE)
        return Forward()

    with Front(behave, scripted.url) as front:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask(front.url, script(say=["x" * 2000])).text)
            assert await anyio.to_thread.run_sync(reached.wait, PATIENCE)
            tasks.cancel_scope.cancel()
        for thread in threading.enumerate():
            if thread.name == "qwen_gradio":
                thread.join(PATIENCE / 2)
                assert not thread.is_alive()


@pytest.mark.parametrize(
    "options",
    [
        {"api_key": "hf_secret\x00"},
        {"api_key": "hf_sécret"},
        {"proxy": "user:secret@127.0.0.1"},
        {"proxy": "http://user:sec/secret@127.0.0.1:1"},
        {"proxy": "gopher://user:secret@127.0.0.1:1"},
        {"space": "http://user:secret@127.0.0.1:9"},
        {"space": "http://127.0.0.1:9/?token=secret"},
        {"space": "http://user:secret@[::1"},
    ],
)
async def test_no_secret_gets_into_an_error(options: dict[str, str]) -> None:
    given = {"space": NOBODY, "max_retries": 0, **options}
    with pytest.raises(QwenGradioError) as caught:
        await Qwen_Qwen_2_5_Max.create_async_generator(None, [script(say=["x"])], **given).text()
    reported = "".join(traceback.format_exception(caught.value, chain=True))
    assert "cret" not in reported.replace("test_no_secret_gets", "")


async def test_headers_go_with_every_request_of_a_reply() -> None:
    with scripted_space("--auth", "ada", "swordfish") as space:
        with Front(lambda request: Forward(), space.url) as front:
            question = script(say=["x"], finish="hang")
            async with ask(
                front.url, question, auth=("ada", "swordfish"), headers={"X-Gateway": "key"}
            ) as stream:
                assert await stream.__anext__() == "x"
            await anyio.to_thread.run_sync(space.wait_for, "stopped", tag_of(question))
    asked = [(request.path, request.headers.get("x-gateway")) for request in front.requests]
    paths = ["/login", "/config", "/gradio_api/info", JOIN, EVENTS, CANCEL]
    assert asked == [(path, "key") for path in paths]


async def test_an_oauth_token_goes_to_an_endpoint_that_takes_one(scripted: ScriptedSpace) -> None:
    with scripted_space("--oauth") as space:
        assert await ask(space, script(), oauth_token="hf_secret").text() == "hf_secret"
        assert await ask(space, script()).text() == "none"
    asked = script(show="inputs")
    assert "hf_secret" not in await ask(scripted, asked, oauth_token="hf_secret").text()


async def test_a_token_may_end_in_a_newline(scripted: ScriptedSpace) -> None:
    with Front(lambda request: Forward(), scripted.url) as front:
        assert await ask(front.url, script(say=["x"]), api_key="hf_secret\n").text() == "x"
        assert front.requests[0].headers["x-hf-authorization"] == "Bearer hf_secret"


def test_no_host_but_the_space_is_contacted(scripted: ScriptedSpace) -> None:
    with Front(lambda request: answer("200 OK", "{}")) as hub:
        done = program(
            scripted.url,
            "print(asyncio.run(ask('quiet').text()))",
            environment={"HF_ENDPOINT": hub.url, "HTTP_PROXY": "", "AI_AGENT": "someone"},
        )
        assert (done.stdout, done.stderr) == ("quiet\n", "")
        assert hub.requests == []


def test_threads_have_loops_of_their_own(scripted: ScriptedSpace, anyio_backend: str) -> None:
    replies: list[str] = []

    async def look() -> None:
        replies.append(await ask(scripted.url, script(say=["here"])).text())

    threads = [
        threading.Thread(target=anyio.run, args=[look], kwargs={"backend": anyio_backend})
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replies == ["here"] * 8


PROGRAM = """
import asyncio, sys
from qwen_gradio import Qwen_Qwen_2_5_Max
def ask(question):
    messages = [{"role": "user", "content": question}]
    return Qwen_Qwen_2_5_Max.create_async_generator(None, messages, space=sys.argv[1])
"""


def program(
    space: str, text: str, *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM + text, space, *arguments],
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
        env={**os.environ, **(environment or {})},
    )


AUTHORITY = trustme.CA()
"""Signs certificates; nobody trusts it unless configured to."""


def certified(name: str) -> ssl.SSLContext:
    """What a server of that name needs for TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(name).configure_cert(context)
    return context


@pytest.fixture
def trusting(tmp_path: Path) -> dict[str, str]:
    """The environment of a program that trusts the authority."""
    AUTHORITY.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    return {"SSL_CERT_FILE": str(tmp_path / "authority.pem")}


async def test_an_unknown_authority_is_rejected_before_asking(
    scripted: ScriptedSpace,
) -> None:
    reported: list[StreamStatus] = []
    with Front(lambda request: Forward(), scripted.url, certified("127.0.0.1")) as front:
        with pytest.raises(SpaceUnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
            await ask(front.url, script(say=["x"]), max_retries=2, on_status=reported.append).text()
        assert front.requests == []
    assert reported == []


async def test_a_self_signed_certificate_can_be_accepted(scripted: ScriptedSpace) -> None:
    trusting = ssl.create_default_context()
    AUTHORITY.configure_trust(trusting)
    with Front(lambda request: Forward(), scripted.url, certified("127.0.0.1")) as front:
        for verify in (trusting, False):
            assert await ask(front.url, script(say=["x"]), ssl_verify=verify).text() == "x"


@pytest.mark.parametrize("verify", [None, 0, 1, "no", "/etc/ssl/cert.pem"])
def test_ssl_verify_is_a_bool_or_a_context(verify: Any) -> None:
    with pytest.raises(TypeError, match="ssl_verify must be"):
        ask(NOBODY, script(say=["x"]), ssl_verify=verify)


ASK_AND_FAIL = """
try:
    asyncio.run(ask("x").text())
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_certificate_for_another_name_is_rejected(
    scripted: ScriptedSpace, trusting: dict[str, str]
) -> None:
    with Front(lambda request: Forward(), scripted.url, certified("another.test")) as front:
        done = program(front.url, ASK_AND_FAIL, environment=trusting)
        assert front.requests == []
    assert done.stdout.startswith("SpaceUnavailableError")
    assert "certificate is not valid for '127.0.0.1'" in done.stdout


def test_certificates_that_cannot_be_loaded_are_reported(tmp_path: Path) -> None:
    (tmp_path / "nonsense.pem").write_text("nonsense")
    for name in ("none.pem", "nonsense.pem"):
        environment = {"SSL_CERT_FILE": str(tmp_path / name)}
        done = program(NOBODY, ASK_AND_FAIL, environment=environment)
        assert done.stdout.startswith("SpaceUnavailableError The certificates in SSL_CERT")


READ_AND_LEAVE = """
import threading
async def main():
    print(await ask("x" * 100_000).text() == "x" * 100_000)
    async for _ in ask(sys.argv[2]):
        break
asyncio.run(main())
for thread in threading.enumerate():
    if thread.name == "qwen_gradio":  # it exits once the Space has been asked to stop
        thread.join()
"""


def test_a_reply_over_tls_arrives_complete_or_is_aborted(
    scripted: ScriptedSpace, trusting: dict[str, str]
) -> None:
    question = script(say=["x"], finish="hang")
    with Front(lambda request: Forward(), scripted.url, certified("127.0.0.1")) as front:
        done = program(front.url, READ_AND_LEAVE, question["content"], environment=trusting)
        asked = [request.path for request in front.requests]
    assert (done.stdout, done.stderr) == ("True\n", "")
    assert asked == ["/config", "/gradio_api/info", JOIN, EVENTS, JOIN, EVENTS, CANCEL]
    scripted.wait_for("stopped", tag_of(question))


def test_a_reply_over_tls_comes_through_a_proxy(
    scripted: ScriptedSpace, trusting: dict[str, str]
) -> None:
    name = "only-the-proxy-knows.test"
    question = script(say=["x"], finish="hang")
    with (
        Front(lambda request: Forward(), scripted.url, certified(name)) as front,
        Front(lambda request: Forward(), front.url) as proxy,
    ):
        done = program(
            f"https://{name}",
            READ_AND_LEAVE,
            question["content"],
            environment={**trusting, "HTTPS_PROXY": proxy.url},
        )
        assert {(request.method, request.path) for request in proxy.requests} == {
            ("CONNECT", f"{name}:443")
        }
        assert front.requests[-1].path == CANCEL
    assert (done.stdout, done.stderr) == ("True\n", "")
    scripted.wait_for("stopped", tag_of(question))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on Windows")
def test_a_forked_child_asks_on_connections_of_its_own(scripted: ScriptedSpace) -> None:
    done = program(
        scripted.url,
        """
import os
print(asyncio.run(ask("before").text()), flush=True)
child = os.fork()
reply = asyncio.run(ask("after").text())
if child:
    os.waitpid(child, 0)
print(reply)
""",
    )
    assert done.stdout.split() == ["before", "after", "after"]
    assert done.stderr == ""


def test_the_interpreter_exits_during_a_reply(scripted: ScriptedSpace) -> None:
    question = script(say=["x"], finish="hang")
    done = program(
        scripted.url,
        """
async def main():
    global stream
    stream = await ask(sys.argv[2])
    print(await anext(stream))
asyncio.run(main())
""",
        question["content"],
    )
    assert (done.returncode, done.stdout.strip()) == (0, "x")
    scripted.wait_for("stopped", tag_of(question))


def test_a_thousand_streams_leave_nothing_behind(scripted: ScriptedSpace) -> None:
    done = program(
        scripted.url,
        """
import gc, json, threading, time
from pathlib import Path

def held():
    gc.collect()
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))

async def one(number):
    if number % 3 == 0:
        return await ask("whole").text()
    finish = "hang" if number % 3 == 1 else "fail"
    stream = ask(json.dumps({"say": ["x"], "every": 0.01, "finish": finish}))
    try:
        async for _ in stream:
            break
        if number % 3 == 2:
            await stream.text()
    except Exception as error:
        assert type(error).__module__ == "qwen_gradio.errors", error

async def many(count):
    for start in range(0, count, 10):
        await asyncio.gather(*(one(number) for number in range(start, start + 10)))

async def main():
    await many(1000)
    for _ in range(200):
        await asyncio.sleep(0.05)
        if held()[0] <= 2:
            break
    print(json.dumps(held()))
asyncio.run(main())
""",
    )
    assert done.stderr == ""
    threads, files = json.loads(done.stdout)
    assert threads <= 2
    assert files <= 30  # standard streams, the loop's, and the few connections that are kept
