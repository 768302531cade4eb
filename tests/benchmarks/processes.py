"""Clients as processes: asked from outside, and their threads counted from there."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..support.servers import ROOT

HERE = Path(__file__).parent
NODE_HOME = ROOT / ".cache" / "benchmarks"
JAVASCRIPT_CLIENT = "@gradio/client@2.7.0"
LONGEST = 900.0
"""Seconds after which a client that has not answered is taken for stuck."""

SAMPLE_EVERY = 0.01


class NotRunError(Exception):
    """A client cannot be run here; says why."""


@dataclass(frozen=True)
class Reply:
    """When the question was asked, and by fragment: its number, when it was written and arrived."""

    asked: float
    numbers: list[int]
    stamps: list[float]
    arrived: list[float]


@dataclass(frozen=True)
class Outcome:
    """What came of questions that were asked at once.

    :ivar cpu: seconds of CPU time that the client took, in all its threads.
    :ivar memory: megabytes that its peak was above what it had before.
    :ivar threads: how many threads it had at most, above those before.
    """

    replies: list[Reply]
    cpu: float
    memory: float
    threads: int


class ClientProcess:
    """One of the clients, in a fresh process that runs until this is closed."""

    def __init__(self, name: str, url: str) -> None:
        self._process = subprocess.Popen(
            [*_command(name), url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=os.environ | {"GRADIO_ANALYTICS_ENABLED": "False", "NO_PROXY": "127.0.0.1"},
        )

    def ask(self, questions: Sequence[str]) -> Outcome:
        """Ask the Space these questions at once, and wait for the replies."""
        assert self._process.stdin is not None
        before = self.threads()
        self._process.stdin.write(json.dumps(questions).encode() + b"\n")
        self._process.stdin.flush()
        told, most = self._wait()
        replies = [Reply(**reply) for reply in told["replies"]]
        return Outcome(replies, told["cpu"], told["memory"], most - before)

    def threads(self) -> int:
        """How many threads the process has now."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = re.search(r"Threads:\s+(\d+)", status)
        assert found, status
        return int(found[1])

    def _wait(self) -> tuple[dict[str, Any], int]:
        """What the client tells, and the most threads that it was seen with until then."""
        assert self._process.stdout is not None
        most = 0
        end = time.monotonic() + LONGEST
        while time.monotonic() < end:
            if select.select([self._process.stdout], [], [], SAMPLE_EVERY)[0]:
                line = self._process.stdout.readline()
                if not line:
                    raise RuntimeError("a client ended early: see its own words above")
                return json.loads(line), most
            most = max(most, self.threads())
        raise TimeoutError(f"a client has not answered for {LONGEST} seconds")

    def __enter__(self) -> ClientProcess:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def _command(name: str) -> list[str]:
    if name != "javascript":
        return [sys.executable, "-m", f"{__package__}.client", name]
    node = shutil.which("node")
    assert node is not None
    # Node looks for modules from where a script is.
    script = shutil.copy(HERE / "clients" / "javascript.mjs", NODE_HOME)
    return [node, "--expose-gc", str(script)]


def install_javascript_client() -> None:
    """Have npm put the client in a cache folder, unless it is there already.

    :raises NotRunError: if that cannot be done here.
    """
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise NotRunError("no Node.js")
    NODE_HOME.mkdir(parents=True, exist_ok=True)
    if (NODE_HOME / "node_modules" / "@gradio" / "client").exists():
        return
    install = [npm, "install", "--prefix", str(NODE_HOME), "--no-save", "--no-package-lock"]
    try:
        subprocess.run([*install, JAVASCRIPT_CLIENT], check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        raise NotRunError(f"npm: {error.stderr.strip().splitlines()[-1]}") from error
