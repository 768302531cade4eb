"""Files that come with replies: the forms in which Spaces name them, and who is asked for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from qwen_gradio import QwenGradioError, ReplyFile, SpaceInterfaceError, SpaceUnavailableError
from qwen_gradio._access import Access
from qwen_gradio._page.files import find_files
from qwen_gradio._page.outputs import Reply
from qwen_gradio._reply import FoundFile

from ..support.fronts import Forward, Front
from ..support.servers import NOBODY, PATIENCE, ScriptedSpace

ROOT = "http://space/gradio_api/"
DATA = {
    "path": "/tmp/a red.png",
    "url": "http://localhost:7860/gradio_api/file=/tmp/a red.png",
    "orig_name": "a red.png",
    "mime_type": None,
    "meta": {"_type": "gradio.FileData"},
}
RED = FoundFile(f"{ROOT}file=/tmp/a%20red.png", "image/png", "")
ALIEN = {"path": "https://elsewhere/b.mp4", "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("/tmp/red.png is there", []),
        ([{"type": "text", "text": "/tmp/red.png"}], []),
        ({"component": "image", "value": DATA, "props": {"value": DATA}}, [RED]),
        ({"type": "component", "component": "image", "value": DATA}, [RED]),
        (
            {"type": "file", "file": DATA, "alt_text": "red"},
            [FoundFile(RED.url, "image/png", "red")],
        ),
        ({"file": {**DATA, "mime_type": "image/x"}}, [FoundFile(RED.url, "image/x", "")]),
        (DATA, [RED]),
        ([DATA, {"type": "text", "text": "and"}, DATA], [RED, RED]),
        (
            {"component": "gallery", "value": [{"image": DATA, "caption": "1"}, {"video": ALIEN}]},
            [
                FoundFile(RED.url, "image/png", "1"),
                FoundFile("https://elsewhere/b.mp4", "video/mp4", ""),
            ],
        ),
        ({"component": "video", "value": {"video": DATA, "subtitles": None}}, [RED]),
        ({"text": "", "files": [{"file": DATA, "alt_text": None}]}, [RED]),
        (["/tmp/a red.png"], [RED]),
        (["/tmp/a red.png", "it"], [FoundFile(RED.url, "image/png", "it")]),
        ({"type": "file", "content": ["/tmp/a red.png", None]}, [RED]),
        (
            ["https://elsewhere/x"],
            [FoundFile("https://elsewhere/x", "application/octet-stream", "")],
        ),
        (
            {"path": "//elsewhere/x"},
            [FoundFile(f"{ROOT}file=//elsewhere/x", "application/octet-stream", "")],
        ),
        (
            {"url": "https://elsewhere/y.pdf", "mime_type": "application/pdf"},
            [FoundFile("https://elsewhere/y.pdf", "application/pdf", "")],
        ),
        ({"url": "https://elsewhere/a-link"}, []),
        ({"component": "plot", "value": {"type": "matplotlib", "plot": "data:,"}}, []),
        ({"component": "gallery", "value": []}, []),
        ({"path": None, "url": 3, "meta": {}}, []),
    ],
)
def test_files_are_found_in_every_form(content: Any, found: list[FoundFile]) -> None:
    assert list(find_files([content], ROOT)) == found


def test_a_reply_of_one_url_is_text() -> None:
    assert find_files(["https://elsewhere/x.png"], ROOT) == ()


def test_files_are_known_once_the_reply_is_complete() -> None:
    reply = Reply(root=ROOT)
    reply.feed([{"role": "user", "content": DATA}, {"role": "assistant", "content": DATA}])
    assert not reply.files
    assert reply.end() == []
    assert reply.text == ""
    assert [*reply.files] == [RED]


def test_a_later_text_keeps_an_earlier_file() -> None:
    reply = Reply(root=ROOT)
    said = [{"role": "assistant", "content": content} for content in (DATA, "Done.")]
    reply.feed([{"role": "user", "content": "?"}, *said])
    reply.end()
    assert (reply.text, reply.files) == ("Done.", (RED,))


def file_at(url: str, access: Access) -> ReplyFile:
    return ReplyFile(url, "image/png", "", access, PATIENCE)


READERS: list[Callable[..., bytes]] = [
    ReplyFile.read_sync,
    lambda file, *limit: anyio.run(file.read, *limit),
]
readers = pytest.mark.parametrize("read", READERS, ids=["read_sync", "read"])


@readers
def test_a_file_is_read_with_the_replys_own_token_and_headers(
    scripted: ScriptedSpace, read: Callable[..., bytes]
) -> None:
    with Front(lambda request: Forward(), scripted.url) as front:
        access = Access(front.url, "hf_secret", headers=(("x-mine", "1"),))
        assert b"version" in read(file_at(f"{front.url}/config", access))
        sent = front.requests[-1]
    assert sent.path == "/config"
    assert sent.headers["x-hf-authorization"] == "Bearer hf_secret"
    assert sent.headers["x-mine"] == "1"
    assert "hf_secret" not in repr(file_at("x", access))


@readers
def test_no_other_host_is_asked_for_a_file(
    scripted: ScriptedSpace, read: Callable[..., bytes]
) -> None:
    with Front(lambda request: Forward(), scripted.url) as other:
        for url in (f"{other.url}/config", f"{scripted.url}.elsewhere/x", "file:///etc/passwd"):
            with pytest.raises(SpaceInterfaceError, match="names a file at another host"):
                read(file_at(url, Access(scripted.url, "hf_secret")))
        assert other.requests == []


@readers
def test_a_file_is_read_up_to_a_limit(scripted: ScriptedSpace, read: Callable[..., bytes]) -> None:
    file = file_at(f"{scripted.url}/config", Access(scripted.url))
    with pytest.raises(SpaceInterfaceError, match=r"more than 10 bytes\. Set a higher `max_bytes`"):
        read(file, 10)


@readers
def test_a_file_that_cannot_be_read_is_an_error_of_ours(
    scripted: ScriptedSpace, read: Callable[..., bytes]
) -> None:
    url = f"{scripted.url}/gradio_api/file=/no/such.png"
    with pytest.raises(QwenGradioError, match=r"40[34]"):
        read(file_at(url, Access(scripted.url)))
    with pytest.raises(SpaceUnavailableError, match="cannot be reached"):
        read(file_at(f"{NOBODY}/x", Access(NOBODY)))
