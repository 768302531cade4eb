"""What the environment says of the hub and of who asks is obeyed by a program."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ..support.fronts import JOIN
from ..support.hubs import Hub
from ..support.servers import PATIENCE, QUIET

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("server")]


def test_the_hub_is_the_one_that_the_environment_names(serve: Callable[[Hub], str]) -> None:
    url = serve(hub := Hub("RUNNING"))
    code = "from qwen_gradio import ask; print(ask('here', space='ada/chat'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"HF_ENDPOINT": url},
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
    )
    assert (done.stdout, done.stderr) == ("here\n", "")
    assert [request.path for request in hub.looked_up] == ["/api/spaces/ada/chat"]


def test_a_token_on_disk_is_never_sent(serve: Callable[[Hub], str], tmp_path: Path) -> None:
    url = serve(hub := Hub("RUNNING"))
    (tmp_path / "token").write_text("hf_secret")
    done = subprocess.run(
        [sys.executable, "-c", "import qwen_gradio as q; print(q.ask('x', space='ada/chat'))"],
        env=os.environ | {"HF_ENDPOINT": url, "HF_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
    )
    assert (done.stdout, done.stderr) == ("x\n", "")
    assert len(hub.looked_up) == 1
    assert "hf_secret" not in str([request.headers for request in (*hub.looked_up, *hub.asked)])


def test_the_user_of_a_gradio_app_is_known_to_zero_gpu(serve: Callable[[Hub], str]) -> None:
    url = serve(hub := Hub("RUNNING"))
    code = """
import gradio
from gradio_client import Client
from qwen_gradio import ask

def relay(question):
    return ask(question, space="ada/chat")

app = gradio.Interface(relay, "text", "text", api_name="relay")
_, url, _ = app.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True)
client = Client(url, headers={"x-ip-token": "the user's"}, verbose=False)
print(client.predict("here", api_name="/relay"))
app.close(verbose=False)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | QUIET | {"HF_ENDPOINT": url},
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
    )
    assert done.stdout == "here\n", done.stderr
    joined = [request for request in hub.asked if request.path == JOIN]
    assert [request.headers.get("x-ip-token") for request in joined] == ["the user's"]
