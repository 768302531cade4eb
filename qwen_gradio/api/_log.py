"""A log line for each request: its path, how it ended and how long it took."""

from __future__ import annotations

import logging
import time
from typing import Any
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("qwen_gradio.api")

DETAILS = "qwen_gradio.details"
"""The key in a request's scope for what else to log. Never texts, keys or tokens."""


def add_details(scope: Scope, **details: Any) -> None:
    """Add to what is logged about a request."""
    scope.setdefault(DETAILS, {}).update(details)


class RequestLog:
    """Logs each request to an application once it has ended, at the level INFO."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not logger.isEnabledFor(logging.INFO):
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        status: int | str = "the client disconnected"

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            details = "".join(f", {name}={value}" for name, value in scope.get(DETAILS, {}).items())
            seconds = time.monotonic() - began
            path = quote(scope["path"])
            logger.info("%s %s: %s in %.1f s%s", scope["method"], path, status, seconds, details)
