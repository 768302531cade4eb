"""Files that go with a question arrive where the page would put them."""

from __future__ import annotations

import base64
import io
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

import qwen_gradio
from qwen_gradio import (
    Chat,
    GenerationError,
    InvalidMessagesError,
    SpaceInterfaceError,
    SpaceUnavailableError,
)

from ..support.asking import ask
from ..support.fronts import Forward, Front, answer
from ..support.samples import DATA_URL, PNG, WAV, png
from ..support.servers import Zoo

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module", params=["5.49.1", "6"], ids=["gradio5.49.1", "gradio6"])
def apps(server: None, request: pytest.FixtureRequest) -> Iterator[Zoo]:
    found = Zoo(request.param, "messages", "seeing.py")
    yield found
    found.close()


def seen(space: str, files: Any, question: Any = "what", **options: Any) -> str:
    return qwen_gradio.ask(question, space=space, files=files, max_retries=0, **options)


@pytest.mark.parametrize(
    ("kind", "reply"),
    [
        ("see-interface", "what image 3x2"),
        ("see-chain", "image 3x2"),
        ("see-beside", "what image 3x2"),
        ("see-files", "image 3x2"),
    ],
)
def test_a_picture_arrives(apps: Zoo, kind: str, reply: str) -> None:
    assert seen(apps.url_of(kind), PNG) == reply


def test_several_files_arrive_in_their_order(apps: Zoo) -> None:
    files = [png(4, 5), b"some text", PNG]
    assert seen(apps.url_of("see-interface"), [png(4, 5), PNG]) == "what image 4x5 and image 3x2"
    assert seen(apps.url_of("see-files"), files[1:2] * 2) == "9 bytes and 9 bytes"


def test_a_button_that_uploads_is_used_before_the_question(apps: Zoo) -> None:
    url = apps.url_of("see-upload")
    assert seen(url, None) == "what nothing, and the chatbot has nothing"
    assert seen(url, PNG) == "what image 3x2, and the chatbot has image 3x2"
    both = "image 4x5 and image 3x2"
    assert seen(url, [png(4, 5), PNG]) == f"what {both}, and the chatbot has {both}"
    assert seen(apps.url_of("see-uploads"), [png(4, 5), PNG]) == both


def test_each_kind_has_its_own_input(apps: Zoo) -> None:
    assert seen(apps.url_of("see-beside"), [WAV, PNG]) == "what image 3x2 and .wav 44 bytes"
    film = b"\0\0\0\x20ftypisom" + bytes(8)
    assert seen(apps.url_of("see-beside"), [film]) == "what .mp4 20 bytes"
    assert seen(apps.url_of("see-files"), [b"text", PNG]) == "4 bytes and image 3x2"


def test_a_file_may_be_given_in_every_form(seeing_apps: Zoo, tmp_path: Path) -> None:
    url = seeing_apps.url_of("see-interface")
    path = tmp_path / 'a "red"\n(1).png'
    path.write_bytes(PNG)
    with path.open("rb") as opened:
        for files in (path, str(path), opened, io.BytesIO(PNG), DATA_URL, [PNG], (PNG,)):
            assert seen(url, files) == "what image 3x2"


def test_a_file_is_read_at_the_call_and_may_vanish_then(seeing_apps: Zoo, tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    path.write_bytes(PNG)
    fragments = qwen_gradio.stream("what", space=seeing_apps.url_of("see-interface"), files=path)
    path.unlink()
    assert "".join(fragments) == "what image 3x2"


def test_a_url_is_read_by_the_space_alone(apps: Zoo) -> None:
    with socket.create_server(("127.0.0.1", 0)) as host:
        url = f"https://127.0.0.1:{host.getsockname()[1]}/red.png"
        with pytest.raises(GenerationError, match=r"Hostname 127\.0\.0\.1 failed validation"):
            seen(apps.url_of("see-interface"), url)  # Gradio takes none of a private address
        host.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody came
            host.accept()


PARTS: list[dict[str, Any]] = [
    {"type": "image_url", "image_url": {"url": DATA_URL, "detail": "low"}},
    {"type": "image_url", "image_url": DATA_URL},
    {"type": "input_image", "image_url": DATA_URL},
    {"type": "file", "file": {"file_data": DATA_URL, "filename": "red.png"}},
    {"type": "input_file", "file_data": DATA_URL},
    {"type": "image", "base64": base64.b64encode(PNG).decode(), "mime_type": "image/png"},
]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: str(part["type"]))
async def test_parts_of_the_last_message_are_files(seeing_apps: Zoo, part: dict[str, Any]) -> None:
    content = [{"type": "text", "text": "what"}, part]
    url = seeing_apps.url_of("see-interface")
    assert await ask(url, {"role": "user", "content": content}).text() == "what image 3x2"


async def test_files_are_sent_besides_those_of_the_message(seeing_apps: Zoo) -> None:
    question = {"role": "user", "content": [PARTS[0]]}
    stream = ask(seeing_apps.url_of("see-interface"), question, files=png(1, 1))
    assert (await stream.text()).strip() == "image 1x1 and image 3x2"


EARLIER: list[dict[str, Any]] = [
    {"role": "user", "content": [{"type": "text", "text": "a"}, PARTS[0]]},
    {"role": "assistant", "content": "b"},
    {"role": "user", "content": "c"},
]


@pytest.mark.parametrize("kind", ["see-earlier", "see-chain"])
async def test_earlier_files_are_in_a_native_history(apps: Zoo, kind: str) -> None:
    url = await anyio.to_thread.run_sync(apps.url_of, kind)
    assert await ask(url, *EARLIER, history="native").text() == "image 3x2"
    assert await ask(url, *EARLIER, history="native", files=png(4, 5)).text() == (
        "image 3x2" if kind == "see-earlier" else "image 3x2 and image 4x5"
    )


async def test_earlier_files_are_named_in_a_flat_question(
    seeing_apps: Zoo, caplog: pytest.LogCaptureFixture
) -> None:
    said = await ask(seeing_apps.url_of("see-interface"), *EARLIER).text()
    assert said == "User: a\n[attached: file.png]\nAssistant: b\nUser: c\nAssistant: nothing"
    assert "Files of earlier turns are only named in the question: file.png" in caplog.text


async def test_a_conversation_keeps_the_files_of_its_turns(seeing_apps: Zoo) -> None:
    chat = Chat(space=await anyio.to_thread.run_sync(seeing_apps.url_of, "see-earlier"))
    assert await chat.ask("a", files=PNG) == "nothing"
    assert await chat.ask("b") == "image 3x2"
    assert [turn["content"] for turn in chat.messages][:3] == ["a", "nothing", "b"]
    with pytest.raises(InvalidMessagesError, match=r"files\[0\] is empty"):
        chat.stream("c", files=b"")
    with pytest.raises(TypeError, match="Unknown option: files"):
        Chat(files=PNG)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("kind", "files", "complaint"),
    [
        ("see-text", PNG, r"does not take file.png \(image/png\)\. It takes text only$"),
        ("see-beside", [PNG, PNG], r"does not take file.png \(image/png\) as well\. Besides text,"),
        ("see-beside", b"%PDF-1", r"does not take file.pdf .*an image file in 'image'"),
        ("see-chain", [PNG, PNG], r"does not take file.png .* as well.* it takes a file in "),
        ("see-interface", WAV, r"does not take file.wav .* files of the types image, .txt in "),
    ],
)
def test_what_a_space_does_not_take_is_named_before_anything_is_sent(
    seeing_apps: Zoo, kind: str, files: Any, complaint: str
) -> None:
    with Front(lambda request: Forward(), seeing_apps.url_of(kind)) as front:
        with pytest.raises(SpaceInterfaceError, match=complaint):
            seen(front.url, files)
    assert {request.method for request in front.requests} == {"GET"}


def test_a_retry_uploads_nothing_again(seeing_apps: Zoo) -> None:
    joins: list[str] = []

    def busy_at_first(request: Any) -> Any:
        if request.path.endswith("/queue/join"):
            joins.append(request.path)
            if len(joins) == 1:
                return answer("429 Too Many Requests", retry_after="0")
        return Forward()

    with Front(busy_at_first, seeing_apps.url_of("see-interface")) as front:
        said = qwen_gradio.ask("what", space=front.url, files=PNG, max_retries=1)
    assert said == "what image 3x2"
    assert len(joins) == 2
    assert [request.path for request in front.requests].count("/gradio_api/upload") == 1


@pytest.mark.parametrize(
    ("response", "error", "complaint"),
    [
        (answer("413 Too Large"), GenerationError, "rejected a file .*too large"),
        (answer("200 OK", "<html>", "text/html"), SpaceUnavailableError, "upload of file.png"),
        (answer("200 OK", '["http://elsewhere/x"]'), SpaceUnavailableError, "not its path"),
        (answer("200 OK", "[]"), SpaceUnavailableError, "not its path"),
        (answer("200 OK", '["/etc/passwd"]'), SpaceUnavailableError, "not its path"),
        (answer("500 Oops"), SpaceUnavailableError, "answered 500 Oops for .*/upload"),
    ],
)
def test_an_upload_that_fails_asks_nothing(
    seeing_apps: Zoo, response: bytes, error: type[Exception], complaint: str
) -> None:
    def fail(request: Any) -> Any:
        return response if request.path.endswith("/upload") else Forward()

    with Front(fail, seeing_apps.url_of("see-interface")) as front:
        with pytest.raises(error, match=complaint):
            seen(front.url, PNG)
    assert not any(request.path.endswith("/queue/join") for request in front.requests)


def test_a_large_file_arrives_and_its_upload_is_a_status(seeing_apps: Zoo) -> None:
    heard: list[str] = []
    picture = png(padding=5_000_000)
    said = seen(
        seeing_apps.url_of("see-interface"),
        picture,
        on_status=lambda status: heard.append(str(status)),
    )
    assert said == "what image 3x2"
    assert "Uploading file.png" in heard
