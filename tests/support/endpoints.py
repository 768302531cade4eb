"""The endpoint in OpenAI's format, served for the tests: in a thread, and by the command."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from qwen_gradio.api import app

from .servers import PATIENCE, free_port

COMMAND = [sys.executable, "-m", "qwen_gradio", "api"]


@contextmanager
def endpoint(*spaces: str, **options: Any) -> Iterator[str]:
    """Serve the endpoint during a `with` block, and yield the base URL for clients."""
    config = uvicorn.Config(
        app(spaces, **options), port=0, log_level="warning", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + PATIENCE
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def endpoint_command(
    *options: str, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command at a free port, and yield its process and the base URL it reports."""
    with subprocess.Popen(
        [*COMMAND, "--port", str(free_port()), *options],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split()[-1]
        finally:
            process.kill()
