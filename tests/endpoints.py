"""The endpoint in OpenAI's format, served for the tests by a real server in a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from qwen_gradio.api import app

from .servers import PATIENCE


@contextmanager
def endpoint(*spaces: str, **options: Any) -> Iterator[str]:
    """Serve it during a `with` block, and give the base URL for clients."""
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
