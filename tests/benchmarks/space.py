"""The stamping Space as a process, and what to ask it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..support.forks import Program, started, started_anew
from ..support.servers import QUIET, UNTRACED, python_with

GRADIOS = ("6", "5.49.1")
"""The versions that are measured: the newest, and the last whose server polls for news."""


@contextmanager
def stamping_space(gradio: str = "6") -> Iterator[str]:
    """The URL of a stamping Space, while it runs."""
    command = [python_with(gradio), str(Path(__file__).with_name("stamping.py"))]
    with serving(started(command, UNTRACED | QUIET)) as url:
        yield url


@contextmanager
def replaying_space() -> Iterator[str]:
    """The URL of a server that replays what a stamping Space on Gradio 6 has said."""
    command = [sys.executable, "-m", f"{__package__}.replay"]
    with serving(started_anew(command, UNTRACED | QUIET)) as url:
        yield url


@contextmanager
def serving(process: Program) -> Iterator[str]:
    """The URL that a program says it has, while it runs."""
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        try:
            lines = (line for line in process.stdout if line.startswith("{"))
            yield json.loads(next(lines))["url"]
        finally:
            process.kill()  # Gradio takes seconds to close an app
            process.wait()


def question(fragments: int, every: float = 0.0) -> str:
    """The query for a reply of so many fragments, with about `every` seconds before each."""
    return json.dumps({"fragments": fragments, "every": every})
