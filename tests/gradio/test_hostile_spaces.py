"""Whatever a Space sends instead of Gradio's protocol is a typed error."""

from __future__ import annotations

import gzip
import json
import threading

import anyio
import httpx
import pytest

from qwen_gradio import (
    GenerationError,
    QwenGradioError,
    SpaceInterfaceError,
    SpaceUnavailableError,
    StreamInterruptedError,
    StreamStatus,
)

from ..support.asking import ask
from ..support.fronts import (
    CANCEL,
    EVENTS,
    JOIN,
    STREAM,
    Endless,
    Forward,
    Front,
    Request,
    answer,
    event,
    misbehaving,
    output,
)
from ..support.servers import PATIENCE, ScriptedSpace, script, scripted_space

pytestmark = pytest.mark.anyio

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
            STREAM + output("", [["?", ""]], ""), output([], [["append", [0, 1], "x" * 2**20]], [])
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
        STREAM[:-2] + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"data: " + b"x" * 10**8),
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


async def test_a_space_that_still_works_on_what_is_no_reply_is_stopped(
    scripted: ScriptedSpace,
) -> None:
    cancelled = threading.Semaphore(0)

    def behave(request: Request) -> bytes | Forward:
        if request.path == JOIN:
            return answer("200 OK", '{"event_id": "e"}')
        if request.path == CANCEL:
            cancelled.release()
        return STREAM + output("", 7, "") if request.path == EVENTS else Forward()

    with Front(behave, scripted.url) as front:
        for _ in range(10):  # it is a race, which was lost now and then
            with pytest.raises(SpaceInterfaceError):
                await ask(front.url, script(say=["x"])).text()
            assert await anyio.to_thread.run_sync(cancelled.acquire, True, PATIENCE)


async def test_dependencies_with_odd_numbers_are_a_typed_error(scripted: ScriptedSpace) -> None:
    config = (await anyio.to_thread.run_sync(httpx.get, f"{scripted.url}/config")).json()
    for dependency in config["dependencies"]:
        dependency["id"] = str(dependency["id"])
    odd = answer("200 OK", json.dumps(config))
    with Front(misbehaving("/config", odd), scripted.url) as front:
        with pytest.raises(QwenGradioError):
            await ask(front.url, script(say=["x"])).text()


async def test_the_apps_message_is_raised_whatever_comes_with_it(scripted: ScriptedSpace) -> None:
    failed = {"error": "the words", "surprise": 1, "title": "Oops"}

    def behave(request: Request) -> bytes | Forward:
        if request.path == JOIN:
            return answer("200 OK", '{"event_id": "e"}')
        reported = STREAM + event(msg="process_completed", success=False, output=failed)
        return reported if request.path == EVENTS else Forward()

    with Front(behave, scripted.url) as front:
        with pytest.raises(GenerationError, match=r"^Oops: the words$"):
            await ask(front.url, script(say=["x"])).text()


@pytest.mark.usefixtures("server")
async def test_a_failure_without_a_reason_is_reported_to_a_caller() -> None:
    with scripted_space("--hide-errors") as space:
        with pytest.raises(GenerationError, match="gave no reason; only its author can"):
            await ask(space, script(finish="fail", error=[None, "Error"])).text()


async def test_a_lost_session_is_reported_with_the_spaces_message(scripted: ScriptedSpace) -> None:
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


SEEN = {"type": "text", "text": "seen"}


async def test_files_are_neither_fetched_nor_sent(scripted: ScriptedSpace) -> None:
    file = {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}, "url": "/file=x"}
    reply = [{"role": "user", "content": "?"}, {"role": "assistant", "content": [file, SEEN]}]

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


async def test_answers_that_a_proxy_compresses_are_read(scripted: ScriptedSpace) -> None:
    packed = {}
    for path in ("/config", "/gradio_api/info"):
        response = await anyio.to_thread.run_sync(httpx.get, scripted.url + path)
        packed[path] = gzip.compress(response.content)
    done = event(msg="process_completed", success=True, output={"data": ["", [["?", "x"]], ""]})

    def behave(request: Request) -> bytes | Forward:
        if request.path in packed:
            return GZIPPED + b"\r\n" + packed[request.path]
        if request.path == JOIN:
            return answer("200 OK", '{"event_id": "e"}')
        if request.path == EVENTS:
            return GZIPPED + b"Content-Type: text/event-stream\r\n\r\n" + gzip.compress(done)
        return Forward()

    with Front(behave, scripted.url) as front:
        assert await ask(front.url, script(say=["x"])).text() == "x"


GZIPPED = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n"


@pytest.mark.parametrize("path", ["/config", EVENTS])
@pytest.mark.parametrize(
    ("encoding", "named"), [("gzip, gzip", "compressed"), ("br", "compressed"), ("gzip", "Decod")]
)
async def test_compression_that_cannot_be_undone_is_an_error(
    scripted: ScriptedSpace, path: str, encoding: str, named: str
) -> None:
    kind = "text/event-stream" if path == EVENTS else "application/json"
    reported = answer("200 OK", "x" * 1000, kind, Content_Encoding=encoding)
    with Front(misbehaving(path, reported), scripted.url) as front:
        with pytest.raises(QwenGradioError, match=named):
            await ask(front.url, script(say=["x"])).text()


@pytest.mark.parametrize("path", ["/config", "/gradio_api/info"])
async def test_an_answer_that_inflates_without_end_is_an_error(
    scripted: ScriptedSpace, path: str
) -> None:
    bomb = GZIPPED + b"\r\n" + gzip.compress(b" " * 10**8)
    with Front(misbehaving(path, bomb), scripted.url) as front:
        with pytest.raises(SpaceUnavailableError, match="more than"):
            await ask(front.url, script(say=["x"])).text()


async def test_an_event_stream_that_is_a_page_is_named(scripted: ScriptedSpace) -> None:
    page = misbehaving(EVENTS, answer("200 OK", "<html>Log in</html>", "text/html"))
    with Front(page, scripted.url) as front:
        with pytest.raises(StreamInterruptedError, match=r"text/html.*no event stream"):
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
    assert [str(status) for status in reported] == ["In the queue: 1", "7"]
