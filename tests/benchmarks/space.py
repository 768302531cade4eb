"""The stamping Space as a process, and what to ask it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..servers import python_with

GRADIO = "5.49.1"


@contextmanager
def stamping_space() -> Iterator[str]:
    """The URL of a stamping Space, while it runs."""
    process = subprocess.Popen(
        [python_with(GRADIO), str(Path(__file__).with_name("stamping.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"GRADIO_ANALYTICS_ENABLED": "False", "PYTHONWARNINGS": "ignore"},
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdout:
        try:
            lines = (line for line in process.stdout if line.startswith("{"))
            yield json.loads(next(lines))["url"]
        finally:
            process.stdin.close()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def question(fragments: int, every: float = 0.0) -> str:
    """The query for a reply of so many fragments, with about `every` seconds before each."""
    return json.dumps({"fragments": fragments, "every": every})
