"""Real Gradio servers for the tests, each in its own process."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
from filelock import FileLock
from uv import find_uv_bin

from .forks import ROOT as ROOT
from .forks import Program, started

GRADIO_4 = [
    "gradio==4.44.1",
    "pydantic<2.11",
    "huggingface_hub<0.26",
    "starlette<0.40",
    "fastapi<0.116",
]
GRADIOS = {"4.44.1": GRADIO_4, "5.49.1": ["gradio==5.49.1"], "6": []}
"""The Gradio versions that the tests run, with the pins that keep the old ones working."""

ENVIRONMENTS = {
    **GRADIOS,
    "qwen-2.5": [*GRADIO_4, "modelscope_studio==0.5.2"],
    "qwen-3": [
        "gradio==5.27.0",
        "modelscope_studio==1.2.4",
        "pydantic<2.12",
        "huggingface_hub<1",
        "starlette<1",
    ],
    "lm-eval": ["lm_eval[api]"],
    "agents": ["dspy", "llama-index-llms-openai-like", "openai-agents", "smolagents[openai]"],
}
"""The packages to install for Spaces, and for tools that ask them."""

NOBODY = "http://127.0.0.1:9"
"""An address at which nobody listens."""

SPACES = ROOT / "tests" / "spaces"
QUIET = {"GRADIO_ANALYTICS_ENABLED": "False", "PYTHONWARNINGS": "ignore"}
"""Variables that keep Gradio from printing, and from sending telemetry."""
UNTRACED = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
"""The environment for programs that do not use the package, before tests change it."""

PATIENCE = 60.0
"""Seconds after which a test gives up waiting; not a statement about speed."""


def python_with(environment: str) -> str:
    """Return a Python with this version of Gradio. Its environment is built once and kept."""
    wanted = ENVIRONMENTS[environment]
    if not wanted:
        return sys.executable
    home = (
        ROOT
        / ".cache"
        / f"gradio-{environment}-py{sys.version_info.major}.{sys.version_info.minor}"
    )
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    home.parent.mkdir(exist_ok=True)
    with FileLock(f"{home}.lock"):
        if not (home / "complete").exists():
            uv = find_uv_bin()
            subprocess.run(
                [uv, "venv", "-q", "--clear", "--python", sys.executable, home], check=True
            )
            subprocess.run([uv, "pip", "install", "-q", "--python", python, *wanted], check=True)
            (home / "complete").touch()
    return str(python)


def free_port() -> int:
    """Return a free port on loopback that no outgoing connection will get."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextmanager
def uvicorn_at(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    folder: Path,
    patience: float = 2 * PATIENCE,
) -> Iterator[str]:
    """Run a command that serves HTTP with uvicorn, and yield the URL it reports."""
    process = subprocess.Popen(
        command,
        env=os.environ | environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said: list[str] = []
    running = threading.Event()

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if "Uvicorn running on" in line:
                running.set()

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        assert running.wait(patience), "".join(said[-40:])
        found = re.search(r"running on \S*(http://[\d.:]+)", "".join(said))
        assert found
        yield found[1]
    finally:
        process.terminate()
        process.wait(30)
        listener.join()
        assert process.stdout is not None
        process.stdout.close()


@contextmanager
def embedded_space(*options: str) -> Iterator[str]:
    """Run `qwen-gradio serve`, and yield its URL. Ctrl-C stops it."""
    port = free_port()
    command = [sys.executable, "-m", "qwen_gradio", "serve", "--port", str(port), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert f"http://127.0.0.1:{port}" in process.stdout.readline()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE)


class SpaceProgram:
    """A program in `spaces/` on one version of Gradio, and the events that it reports."""

    def __init__(self, program: str, gradio: str, form: str, *options: str) -> None:
        self.gradio = gradio
        self.form = form
        self._heard: list[dict[str, Any]] = []
        self._news = threading.Condition()
        command = [python_with(gradio), str(SPACES / program), "--form", form, *options]
        self.process: Program = started(command, UNTRACED | QUIET)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def wait_for(self, event: str, tag: str | None = None) -> dict[str, Any]:
        """Wait for the first event of this name for the question with this tag, and return it."""

        def heard() -> dict[str, Any] | None:
            return next(
                (e for e in self._heard if e["event"] == event and e.get("tag") == tag), None
            )

        with self._news:
            self._news.wait_for(lambda: heard() or self.process.poll() is not None, PATIENCE)
            found = heard()
        assert found, f"the Space told of no {event!r}, only of {self._heard[-5:]}"
        return found

    def close(self) -> None:
        self.process.kill()  # Gradio takes seconds to close an app
        self.process.wait()
        self._listener.join()
        for file in (self.process.stdin, self.process.stdout):
            assert file is not None
            with suppress(BrokenPipeError):
                file.close()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                with self._news:
                    self._heard.append(json.loads(line))
                    self._news.notify_all()
        self.process.wait()
        with self._news:
            self._news.notify_all()


class ScriptedSpace(SpaceProgram):
    """A running `spaces/scripted.py`, and its URL."""

    def __init__(self, gradio: str = "6", form: str = "messages", *options: str) -> None:
        if "--port" not in options:
            # A port that no other Space has just had, because descriptions are cached.
            options += ("--port", str(free_port()))
        super().__init__("scripted.py", gradio, form, *options)
        self.url: str = self.wait_for("listening")["url"]


@contextmanager
def scripted_space(*options: str) -> Iterator[ScriptedSpace]:
    """A scripted Space for one test, which may break it."""
    space = ScriptedSpace("6", "messages", *options)
    try:
        yield space
    finally:
        space.close()


class Zoo(SpaceProgram):
    """`spaces/zoo.py`, or the Space of an environment. It serves an app of any kind.

    :param program: another program with the same interface.
    """

    def __init__(
        self, gradio: str = "6", form: str = "messages", program: str | None = None
    ) -> None:
        super().__init__(program or zoo_program(gradio), gradio, form)
        self._asked_for: set[str] = set()

    def url_of(self, kind: str) -> str:
        """Return the URL of an app of this kind, which is started on the first call."""
        if kind not in self._asked_for:
            self._asked_for.add(kind)
            assert self.process.stdin is not None
            with suppress(BrokenPipeError):  # the program has ended, which is reported
                self.process.stdin.write(f"{kind}\n")
                self.process.stdin.flush()
        return str(self.wait_for("listening", kind)["url"])


def zoo_program(environment: str) -> str:
    """Return the program in `spaces/` with the apps for an environment."""
    return {"qwen-2.5": "qwen_2_5.py", "qwen-3": "qwen_3.py"}.get(environment, "zoo.py")


class ZooSpace(Zoo):
    """One app of the zoo."""

    def __init__(self, gradio: str, form: str, kind: str) -> None:
        super().__init__(gradio, form)
        self.url = self.url_of(kind)


def script(**what: Any) -> dict[str, Any]:
    """Return a message with instructions for a scripted Space. Events carry its `tag`."""
    return {"role": "user", "content": json.dumps({"tag": uuid.uuid4().hex, **what})}


def query(**what: Any) -> str:
    """Return the text of such a message."""
    return str(script(**what)["content"])


def tag_of(message: dict[str, Any]) -> str:
    return str(json.loads(message["content"])["tag"])


async def stopped(space: ScriptedSpace, question: dict[str, Any]) -> None:
    """Wait until the Space has stopped its reply to the message."""
    await anyio.to_thread.run_sync(space.wait_for, "stopped", tag_of(question))
