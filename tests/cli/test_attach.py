"""`qwen-gradio ask` with files, and with replies that bring some."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from qwen_gradio import ReplyFile
from qwen_gradio._access import Access
from qwen_gradio._cli.replies import _save

from ..support.commands import run
from ..support.samples import PNG
from ..support.servers import Zoo

pytestmark = pytest.mark.usefixtures("server")


def test_the_command_attaches_files(seeing_apps: Zoo, tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    path.write_bytes(PNG)
    url = seeing_apps.url_of("see-interface")
    attached = ("-a", str(path), "--attach", str(path))
    done = run("ask", "--space", url, "what", *attached)
    assert (done.stdout, done.stderr) == ("what image 3x2 and image 3x2\n", "")
    done = run("ask", "--space", url, "what", "-a", str(tmp_path / "none.png"))
    assert done.returncode == 1
    assert done.stderr.startswith("qwen-gradio: files[0], ")
    assert len(done.stderr.splitlines()) == 1


def test_files_of_a_reply_are_named_besides_its_text(drawing: Zoo) -> None:
    done = run("ask", "--space", drawing.url_of("pictures-mixed"), "?")
    assert done.stdout == "Here it is.\n\nDone.\n"
    assert done.stderr.startswith("qwen-gradio: image/png: http://127.0.0.1")
    assert done.stderr.endswith("qwen-gradio-red.png\n")


def test_files_of_replies_are_saved_and_replace_none(drawing: Zoo, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "pictures"
    arguments = ("--space", drawing.url_of("pictures-mixed"), "--save", str(folder))
    done = run("ask", *arguments, "?")
    assert done.stdout == "Here it is.\n\nDone.\n"
    assert done.stderr == f"qwen-gradio: saved {folder / 'qwen-gradio-red.png'}\n"
    (folder / "qwen-gradio-red.png").write_text("precious")
    assert json.loads(run("ask", "--json", *arguments, "?").stdout)["files"][0]["path"] == str(
        folder / "qwen-gradio-red-2.png"
    )
    assert run("chat", *arguments, stdin="?\n").returncode == 0
    kept = {path.name: path.read_bytes()[:4] for path in folder.iterdir()}
    assert kept == {
        "qwen-gradio-red.png": b"prec",
        "qwen-gradio-red-2.png": PNG[:4],
        "qwen-gradio-red-3.png": PNG[:4],
    }


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_file_that_cannot_be_saved_is_an_error(
    drawing: Zoo, tmp_path: Path, options: list[str]
) -> None:
    path = tmp_path / "file"
    path.write_text("")
    space = drawing.url_of("pictures-mixed")
    done = run("ask", *options, "--space", space, "--save", str(path / "x"), "?")
    assert done.returncode == 1
    assert done.stderr.startswith("qwen-gradio: [Errno")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("/a/..%2F..%2Fx.png", "x.png"),
        ("/a/..%5C..%5C.x%0A%22.png", "x__.png"),
        ("/a/..", "file.png"),
        ("/a/plain?y=/z", "plain.png"),
    ],
)
def test_a_file_is_saved_inside_the_directory(tmp_path: Path, url: str, name: str) -> None:
    class Read(ReplyFile):
        async def read(self, max_bytes: int = 0) -> bytes:
            return b"x"

    file = Read(f"http://space{url}", "image/png", "", Access("http://space"), 1)
    assert anyio.run(_save, file, tmp_path / "in") == str(tmp_path / "in" / name)
    assert [path.name for path in tmp_path.rglob("*.png")] == [name]


def test_chat_attaches_files_to_the_next_question(seeing_apps: Zoo, tmp_path: Path) -> None:
    path = tmp_path / "a red one.png"
    path.write_bytes(PNG)
    lines = [f"/attach {path}", f"/attach {path}", "two", "none", "/attach missing", "/attach"]
    lines += [f"/attach {path}", "/reset", "reset"]
    space = seeing_apps.url_of("see-interface")
    done = run("chat", "--space", space, stdin="\n".join(lines))
    assert done.stdout.splitlines() == [
        "two image 3x2 and image 3x2",
        "none nothing",
        "reset nothing",
    ]
    assert f"qwen-gradio: {path} will be sent with the next question\n" in done.stderr
    assert "'missing', cannot be read: No such file" in done.stderr
    assert "/attach needs a file" in done.stderr
    assert done.returncode == 1


def test_json_lists_the_files_of_a_reply(drawing: Zoo) -> None:
    done = run("ask", "--json", "--space", drawing.url_of("pictures-only"), "?")
    written = json.loads(done.stdout)
    (picture,) = written["files"]
    assert (written["reply"], picture["mime_type"], picture["alt"]) == ("", "image/png", "")
    assert picture["url"].endswith("qwen-gradio-red.png")
