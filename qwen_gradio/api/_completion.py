"""The response to one request for a chat completion: complete, or as it is written."""

from __future__ import annotations

import json
import math
from contextlib import aclosing
from typing import Any

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .._openai import cut_async, cut_text
from .._reply import Reasoning, StreamStatus
from .._stream import FragmentStream
from ..errors import QwenGradioError
from ._answers import DONE, Answer, comment, error_of, event, status_of
from ._places import Places
from ._requests import ChatRequest

ERROR_STATUS_TIME = 3.0
"""Seconds within which an error of a stream gets an HTTP status of its own, if there was no text
before. After them, the stream begins, with comments, and an error is an event in it.
"""
KEEP_AWAKE_INTERVAL = 15.0
"""Seconds of silence after which a stream gets a comment: proxies close silent connections."""


class JSON(Response):
    """A response in JSON, all of it in ASCII: what it quotes may not be Unicode."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json.dumps(content).encode()


def error_response(error: QwenGradioError) -> Response:
    """Return the response for an error of ours."""
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    return JSON(error_of(error), status_of(error), headers)


class Completion:
    """A complete reply, as an ASGI application.

    A client that disconnects closes the stream, which stops the Space.

    :param places: where it waits for its turn.
    """

    def __init__(
        self, stream: FragmentStream, request: ChatRequest, answer: Answer, places: Places
    ) -> None:
        self.stream = stream
        self.request = request
        self.answer = answer
        self.places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_cancel_at_disconnect, receive, tasks.cancel_scope)
            await self.respond(scope, receive, send)
            tasks.cancel_scope.cancel()

    async def respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask, and send the response."""
        try:
            async with self.places.taken(_ignore), self.stream:
                text = await self.stream.text()
        except QwenGradioError as error:
            response = error_response(error)
        else:
            text = cut_text(text, self.request.stops)
            response = JSON(self.answer.complete(text, self.stream.reasoning))
        await response(scope, receive, send)


class CompletionStream(Completion):
    """A reply as server-sent events, the first of which is preceded by the response's head."""

    _send: Send

    def __init__(
        self, stream: FragmentStream, request: ChatRequest, answer: Answer, places: Places
    ) -> None:
        super().__init__(stream, request, answer, places)
        stream.on_status = self._take_status
        self._sending = anyio.Lock(fast_acquire=True)
        self._has_begun = self._has_ended = False
        self._comment = "waiting"
        self._is_comment_due = True
        self._news = anyio.Event()

    async def respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask, and send what arrives."""
        self._send = send
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep_awake)
            try:
                async with self.places.taken(self._take_place), self.stream:
                    await self._send_pieces()
            except QwenGradioError as error:
                async with self._sending:
                    if self._has_begun:
                        await self._write(event(error_of(error)), is_last=True)
                    else:
                        self._has_ended = True
                        await error_response(error)(scope, receive, send)
            tasks.cancel_scope.cancel()

    async def _send_pieces(self) -> None:
        text = ""
        async with aclosing(cut_async(self.stream, self.request.stops)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Reasoning):
                    await self._send_event(self.answer.chunk(reasoning_content=piece.text))
                elif piece:
                    text += piece
                    await self._send_event(self.answer.chunk(content=piece))
        end = event(self.answer.last_chunk())
        if self.request.includes_usage:
            end += event(self.answer.usage_chunk(text, self.stream.reasoning))
        async with self._sending:
            await self._write(end + DONE, is_last=True)

    async def _send_event(self, data: dict[str, Any]) -> None:
        async with self._sending:
            await self._write(event(data))

    async def _write(self, data: bytes, is_last: bool = False) -> None:
        if not self._has_begun:
            self._has_begun = True
            headers = [
                (b"content-type", b"text/event-stream; charset=utf-8"),
                (b"cache-control", b"no-store"),
                (b"x-accel-buffering", b"no"),  # else nginx holds fragments back
            ]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        self._is_comment_due = False
        self._has_ended = is_last
        await self._send({"type": "http.response.body", "body": data, "more_body": not is_last})

    async def _keep_awake(self) -> None:
        """Send a comment for each status, and whenever nothing was sent for a while."""
        await anyio.sleep(ERROR_STATUS_TIME)
        while True:
            news = self._news = anyio.Event()
            async with self._sending:
                if self._has_ended:
                    return
                if self._is_comment_due:
                    await self._write(comment(self._comment))
            self._is_comment_due = True  # unless something is sent meanwhile
            with anyio.move_on_after(KEEP_AWAKE_INTERVAL):
                await news.wait()

    def _take_place(self, position: int, length: int) -> None:
        self._set_comment(f"queued {position} of {length}")

    def _take_status(self, status: StreamStatus) -> None:
        if status.state == "queued" and status.position and status.queue_size:
            self._take_place(status.position, status.queue_size)
        else:
            self._set_comment(status.state)  # no text of the Space's own

    def _set_comment(self, text: str) -> None:
        self._comment = text
        self._is_comment_due = True
        self._news.set()


async def _cancel_at_disconnect(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def _ignore(position: int, length: int) -> None:
    """Where a response is sent at once, nothing can be reported before it."""
