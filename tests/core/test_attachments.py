"""What can be a file of a question, and what cannot: checked before anything is asked."""

from __future__ import annotations

import base64
import io
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

import qwen_gradio
from qwen_gradio import InvalidMessagesError, SpaceInterfaceError
from qwen_gradio._files.attachments import MAX_FILE_BYTES, from_bytes, from_part, from_url
from qwen_gradio._files.media import ending_of, kind_of, type_of_bytes, type_of_name
from qwen_gradio._files.reading import read_files
from qwen_gradio._messages import prompt_from
from qwen_gradio._page.app import Component
from qwen_gradio._page.attaching import fill_in, place_files
from qwen_gradio._page.history import as_messages, as_pairs, as_parts, as_segments
from qwen_gradio._page.inspection import inspect_plan
from qwen_gradio._page.values import Values

from ..support.plans import BOX, RESPOND, planned

PNG = b"\x89PNG\r\n\x1a\nrest"
ENCODED = base64.b64encode(PNG).decode()


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
        (b"\0\0\0\x20ftypisom", "video/mp4"),
        (b"\0\0\0\x20ftypM4A ", "audio/mp4"),
        (b"\0\0\0\x20ftypavif", "image/avif"),
        (b"ID3\x04", "audio/mpeg"),
        (b"\xff\xfb\x90", "audio/mpeg"),
        (b"%PDF-1.7", "application/pdf"),
        (b"OggS", "audio/ogg"),
        (b"plain text", None),
        (b"", None),
    ],
)
def test_the_type_is_in_the_bytes(data: bytes, media_type: str | None) -> None:
    assert type_of_bytes(data) == media_type
    if media_type is not None:
        file = from_bytes("it", data, "a.bin")
        assert (file.media_type, file.kind) == (media_type, kind_of(media_type))
        assert file.name == f"a.bin{ending_of(media_type)}"
        assert type_of_name(file.name) == media_type


@pytest.mark.parametrize(
    ("given", "name", "media_type"),
    [
        ("notes.md", "notes.md", "text/markdown"),
        ("a.PDF.txt", "a.PDF.txt", "text/plain"),
        ("../../etc/pass wd", "pass wd", "application/octet-stream"),
        ("C:\\x\\y.csv", "y.csv", "text/csv"),
        ('a"b\r\n: c.txt', "a_b___ c.txt", "text/plain"),
        ("..", "file", "application/octet-stream"),
        ("", "file", "application/octet-stream"),
        ("x" * 1000 + ".txt", "x" * 100 + ".txt", "text/plain"),
        ("Grün 图.txt", "Grün 图.txt", "text/plain"),
    ],
)
def test_a_name_is_only_a_name(given: str, name: str, media_type: str) -> None:
    file = from_bytes("it", b"text", given)
    assert (file.name, file.media_type) == (name, media_type)


def test_a_wrong_ending_gives_way_to_the_bytes() -> None:
    assert from_bytes("it", PNG, "a.jpg").name == "a.jpg.png"


PARTS: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "image_url", "image_url": {"url": f"data:;base64,{ENCODED}"}}, "file.png", "image"),
    (
        {"type": "image_url", "image_url": {"url": "https://a.b/c%20d.webp?e=f"}},
        *("c d.webp", "image"),
    ),
    ({"type": "input_image", "image_url": "https://a.b/c"}, "c", "image"),
    (
        {"type": "input_audio", "input_audio": {"data": "SUQz", "format": "mp3"}},
        *("audio.mp3", "audio"),
    ),
    (
        {
            "type": "file",
            "file": {"file_data": "data:text/plain;charset=utf-8;base64,YQ==", "filename": "n.txt"},
        },
        *("n.txt", "file"),
    ),
    ({"type": "input_file", "file_url": "https://a.b/c.pdf"}, "c.pdf", "file"),
    ({"type": "image", "url": "https://a.b/c"}, "c", "image"),
    ({"type": "audio", "url": "https://a.b/c.mp3"}, "c.mp3", "audio"),
    ({"type": "image", "base64": ENCODED, "mime_type": "image/png"}, "file.png", "image"),
    (
        {"type": "file", "source_type": "base64", "data": "YQ==", "mime_type": "text/plain"},
        *("file.txt", "file"),
    ),
    (
        {
            "type": "document",
            "title": "n.txt",
            "source": {"type": "base64", "media_type": "text/plain", "data": "YQ=="},
        },
        *("n.txt", "file"),
    ),
    ({"type": "image", "source": {"type": "url", "url": "https://a.b/c"}}, "c", "image"),
]


@pytest.mark.parametrize(("part", "name", "kind"), PARTS)
def test_parts_in_the_formats_of_libraries_are_files(
    part: dict[str, Any], name: str, kind: str
) -> None:
    file = from_part("it", part)
    assert (file.name, file.kind) == (name, kind)
    prompt = prompt_from([{"role": "user", "content": [{"type": "text", "text": "?"}, part]}])
    assert (prompt.turns, prompt.files) == ((("user", "?"),), (file,))


@pytest.mark.parametrize(
    "url",
    [
        *("/etc/passwd", "file:///etc/passwd", "http://a.b/c.png", "ftp://a.b/c", "~/x", "red.png"),
        *("https://", "https:///x", "https://u:p@a.b/c", "https://a b/c", "https://a.b/\n", ""),
        *("https://[::1/x", "https://a.b:0/x", "HTTP://a.b", "data:,", "data:image/png,abc"),
        *("data:image/png;base64,", "data:image/png;base64,!!!!", "data:image/png;base64,YQ"),
        *("data:image/png;base64,aGVsbG8=", f"data:audio/wav;base64,{ENCODED}"),
    ],
)
@pytest.mark.parametrize("kind", ["image_url", "file"])
def test_other_urls_are_rejected_and_nothing_is_read(url: str, kind: str) -> None:
    inner = {"url": url} if kind == "image_url" else {"file_data": url}
    part = {"type": kind, kind: inner}
    with pytest.raises(InvalidMessagesError, match=r"^messages\[0\], part 0") as caught:
        prompt_from([{"role": "user", "content": [part]}])
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize("role", ["system", "assistant"])
def test_only_users_attach_files(role: str) -> None:
    part, *_ = PARTS[0]
    with pytest.raises(InvalidMessagesError, match=r"messages\[0\], part 0: only text"):
        prompt_from([{"role": role, "content": [part]}, {"role": "user", "content": "?"}])


def test_what_cannot_be_a_file_is_named_at_the_call(tmp_path: Path) -> None:
    empty, large, pipe = tmp_path / "empty", tmp_path / "large", tmp_path / "pipe"
    empty.touch()
    with large.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    wrong: dict[Any, str] = {
        tmp_path: "is not a file",
        empty: "is empty",
        large: "is larger than 20 MB",
        tmp_path / "none": "cannot be read: No such file",
        "a\0b": "cannot be read",
        b"": "is empty",
        io.StringIO("text"): "must be opened in binary mode",
        io.BytesIO(bytes(MAX_FILE_BYTES + 1)): "is larger than 20 MB",
        "http://a.b/c.png": "must be a data: or an https: URL",
        "https://u:p@a.b": "a user name or a password",
    }
    if hasattr(os, "mkfifo"):
        os.mkfifo(pipe)
        wrong[pipe] = "is not a file"
    for files, complaint in wrong.items():
        with pytest.raises(InvalidMessagesError, match=rf"^files\[1\].*{complaint}"):
            qwen_gradio.stream("?", files=[PNG, files])


@pytest.mark.parametrize("form", ["path", "data: URL"])
def test_a_file_costs_at_most_twice_its_size(form: str, tmp_path: Path) -> None:
    size = 15_000_000
    file: Any = tmp_path / "a.png"
    file.write_bytes(PNG + bytes(size - len(PNG)))
    if form != "path":
        file = f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}"
    tracemalloc.start()
    try:
        (read,) = read_files(file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(read.data or b"") == size
    assert peak < 2.1 * size


@pytest.mark.parametrize(
    "text", ["YQ==YQ==", "Y=Q=", "YQ=", "Y", "YQ==\n", "ü", "A" * 400_000 + "Y"]
)
def test_only_base64_is_read_as_such(text: str) -> None:
    with pytest.raises(InvalidMessagesError, match="it is not base64"):
        from_url("it", f"data:;base64,{text}")


def test_there_is_a_limit_to_their_number() -> None:
    with pytest.raises(InvalidMessagesError, match="21 files cannot be sent at once, only 20"):
        qwen_gradio.stream("?", files=[PNG] * 21)


def test_an_open_file_has_its_name(tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    path.write_bytes(PNG)
    with path.open("rb") as opened:
        assert [file.name for file in read_files([opened, path, str(path)])] == ["red.png"] * 3


def held(id_: int, kind: str, use: Any = "value", **props: Any) -> Component:
    return Component(id_, kind, props, (f"the {kind}",), use=use)


TEXT_BOX = held(1, "textbox", "query")
FILES = {
    name: from_bytes(name, data, name)
    for name, data in {
        "a.png": PNG,
        "a.wav": b"RIFF\0\0\0\0WAVE",
        "a.mp4": b"\0\0\0\x20ftypisom",
        "a.pdf": b"%PDF-1",
        "a.txt": b"text",
    }.items()
}


def placed(names: str, *inputs: Component, **limits: Any) -> dict[int, list[str]]:
    files = [FILES[name] for name in names.split()]
    found = place_files(files, inputs, "it", **limits)
    return {component: [file.name for file in files] for component, files in found.items()}


def test_a_multimodal_box_takes_all_files() -> None:
    box = held(1, "multimodaltextbox", "query", file_count="multiple")
    assert placed("a.png a.pdf", held(2, "image"), box) == {1: ["a.png", "a.pdf"]}
    assert placed("a.png a.pdf", held(1, "modelscopemultimodalinput", "query")) == {
        1: ["a.png", "a.pdf"]
    }


def test_other_inputs_take_files_of_their_kind() -> None:
    inputs = [TEXT_BOX, held(5, "file"), held(2, "image"), held(3, "audio"), held(4, "video")]
    assert placed("a.pdf a.mp4 a.wav a.png", *inputs) == {
        5: ["a.pdf"],
        4: ["a.mp4"],
        3: ["a.wav"],
        2: ["a.png"],
    }
    assert placed("a.png a.png", *inputs) == {2: ["a.png"], 5: ["a.png"]}
    assert placed("a.png a.txt", held(5, "file", file_count="multiple")) == {5: ["a.png", "a.txt"]}


@pytest.mark.parametrize(
    ("names", "component", "complaint"),
    [
        ("a.png", TEXT_BOX, r"it does not take a\.png \(image/png\)\. It takes text only"),
        ("a.png", held(2, "image", interactive=False), "It takes text only"),
        ("a.png", held(2, "image", visible=False), "It takes text only"),
        ("a.png", held(2, "image", visible="hidden"), "It takes text only"),
        ("a.png", held(2, "image", "earlier step"), "It takes text only"),
        ("a.wav", held(2, "image"), "Besides text, it takes an image file in 'the image'"),
        ("a.png a.png", held(2, "image"), r"a\.png \(image/png\) as well\. Besides"),
        ("a.txt", held(2, "file", file_types=["image", ".PDF"]), "a file of the types image, .PDF"),
    ],
)
def test_what_does_not_fit_is_an_error_that_says_what_does(
    names: str, component: Component, complaint: str
) -> None:
    with pytest.raises(SpaceInterfaceError, match=complaint):
        placed(names, component)


@pytest.mark.parametrize("name", ["a.png", "a.pdf", "a.txt"])
def test_file_types_are_kinds_and_endings(name: str) -> None:
    types = ["image", ".PDF", "text"]
    assert placed(name, held(2, "file", file_types=types)) == {2: [name]}


def test_the_apps_own_limit_is_kept() -> None:
    with pytest.raises(SpaceInterfaceError, match=r"files up to 3 bytes, and a\.txt has 4"):
        placed("a.txt", held(2, "file"), max_bytes=3)


def test_values_have_the_form_that_the_component_sends() -> None:
    file = FILES["a.png"].value("/tmp/a.png")
    assert file == {
        "path": "/tmp/a.png",
        "orig_name": "a.png",
        "mime_type": "image/png",
        "meta": {"_type": "gradio.FileData"},
    }
    text = {"text": "?", "files": []}
    box = held(1, "multimodaltextbox", "query")
    assert fill_in(box, text, [file], 6) == {"text": "?", "files": [file]}
    assert fill_in(held(1, "image"), None, [file], 6) == file
    assert fill_in(held(1, "file"), None, [file], 6) == file
    assert fill_in(held(1, "file", file_count="multiple"), None, [file], 6) == [file]
    assert fill_in(held(1, "video"), None, [file], 6) == file
    assert fill_in(held(1, "video"), None, [file], 5) == {"video": file, "subtitles": None}
    edited = {"background": file, "layers": [], "composite": file}
    assert fill_in(held(1, "imageeditor"), None, [file], 6) == edited


def test_a_url_is_left_to_the_space() -> None:
    file = from_url("it", "https://a.b/c.png")
    assert file.data is None
    assert file.url is not None
    assert file.value(file.url)["path"] == "https://a.b/c.png"


FILE: dict[str, Any] = {"path": "/tmp/a.png"}


@pytest.mark.parametrize(
    ("form", "written"),
    [
        (as_pairs, [[{"file": FILE, "alt_text": None}, None], ["?", "!"]]),
        (
            as_messages,
            [
                {"role": "user", "content": {"file": FILE, "alt_text": None}},
                {"role": "user", "content": "?"},
                {"role": "assistant", "content": "!"},
            ],
        ),
        (
            as_parts,
            [
                {"role": "user", "content": [{"type": "file", "file": FILE, "alt_text": None}]},
                {"role": "user", "content": [{"type": "text", "text": "?"}]},
                {"role": "assistant", "content": [{"type": "text", "text": "!"}]},
            ],
        ),
        (
            as_segments,
            [
                {"role": "user", "content": [{"type": "file", "content": [FILE]}]},
                {"role": "user", "content": "?"},
                {"role": "assistant", "content": [{"type": "text", "content": "!"}]},
            ],
        ),
    ],
)
def test_a_native_history_has_files_in_the_pages_form(form: Any, written: Any) -> None:
    assert form([("user", FILE), ("user", "?"), ("assistant", "!")]) == written


def test_files_of_earlier_turns_come_before_their_text() -> None:
    part, *_ = PARTS[0]
    turns: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": "a"}, part]},
        {"role": "assistant", "content": None},
        {"role": "user", "content": [part]},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    prompt = prompt_from(turns, "native")
    file = from_part("it", part)
    assert prompt.files == ()
    assert prompt.history_with_files() == (
        *(("user", file), ("user", "a"), ("user", file), ("assistant", "b")),
    )
    assert prompt.last_turn().earlier_files == {}
    query, _ = prompt.query_and_history(history=False, system=False)
    assert query.startswith("User: a\n[attached: file.png]\nUser: [attached: file.png]\nAssistant:")


def test_the_files_of_a_question_before_its_answer_begins_are_its_own() -> None:
    part, *_ = PARTS[0]
    turns: list[dict[str, Any]] = [
        {"role": "user", "content": [part]},
        {"role": "assistant", "content": "So"},
    ]
    assert len(prompt_from(turns).files) == 1


def test_a_plan_gives_a_url_to_the_box_and_uploads_nothing() -> None:
    box = {BOX: ("multimodaltextbox", {"file_count": "single", "file_types": ["image"]})}
    plan = planned(RESPOND, components=box)
    file = from_url("it", "https://a.b/c", "image")
    prompt = prompt_from([{"role": "user", "content": "?"}], files=[file])
    values = Values(plan, prompt)
    values.attach(lambda file: file.value(file.url or ""))
    asked, _ = values.arguments_for(plan.steps[0])
    assert (asked["text"], [each["path"] for each in asked["files"]]) == ("?", [file.url])
    assert "with files=... for a file of the types image in 'component 1'" in str(
        inspect_plan(plan)
    )
