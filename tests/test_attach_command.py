"""`qwen-gradio ask` with files, and with replies that bring some."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .commands import run
from .servers import Zoo
from .test_files import PNG

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


def test_json_lists_the_files_of_a_reply(drawing: Zoo) -> None:
    done = run("ask", "--json", "--space", drawing.url_of("pictures-only"), "?")
    written = json.loads(done.stdout)
    (picture,) = written["files"]
    assert (written["reply"], picture["mime_type"], picture["alt"]) == ("", "image/png", "")
    assert picture["url"].endswith("qwen-gradio-red.png")
