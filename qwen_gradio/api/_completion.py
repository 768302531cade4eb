"""Respond to one request, with the complete reply or as it is written."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .._files.links import links_after
from .._reply import Reasoning
from .._stream import FragmentStream
from ..errors import GenerationError, QwenGradioError, SpaceInterfaceError
from ._answers import COMMENT, Answer, Written, error_of, status_of
from ._log import add_details
from ._requests import ChatRequest
from ._shaping import Shaper

ERROR_STATUS_TIME = 3.0
"""Seconds within which an error before the first text has an HTTP status of its own. After them
the stream begins, with comments, and an error is an event in it.
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
    if isinstance(error, (GenerationError, SpaceInterfaceError)):
        headers["x-should-retry"] = "false"  # else OpenAI's clients ask three times
    return JSON(error_of(error), status_of(error), headers)


class Completion:
    """The complete replies to all questions of a request, as an ASGI application.

    Questions are asked one after the other. If the client disconnects, their streams are closed,
    which stops the Space.

    :param places: limits how many are asked at once; the others wait.
    """

    def __init__(
        self,
        streams: list[FragmentStream],
        request: ChatRequest,
        answer: Answer,
        places: anyio.CapacityLimiter,
    ) -> None:
        self.streams = streams
        self.request = request
        self.answer = answer
        self.places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_cancel_at_disconnect, receive, tasks.cancel_scope)
                await self.respond(scope, receive, send)
                tasks.cancel_scope.cancel()
        finally:
            characters = sum(len(stream.partial) for stream in self.streams)
            add_details(scope, model=self.request.model, characters=characters)

    async def respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask, and send the response."""
        try:
            replies = [await self._reply(stream) for stream in self.streams]
        except QwenGradioError as error:
            add_details(scope, error=type(error).__name__)
            response = error_response(error)
        else:
            response = JSON(self.answer.complete(replies))
        await response(scope, receive, send)

    async def _reply(self, stream: FragmentStream) -> Written:
        """Return the page's final text, shortened as a stream would be."""
        async with self.places, stream:
            async for _ in self.pieces(stream, self.shaper()):
                pass
        shaper = self.shaper()
        shaper.limit = self._limit(stream)
        pieces = (shaper.feed(Reasoning(stream.reasoning)), shaper.feed(stream.partial))
        return join_pieces([*pieces, self._end(stream, shaper)], shaper)

    def shaper(self) -> Shaper:
        """Return a shaper for one reply."""
        return Shaper(self.request.stops, is_json=self.request.is_json)

    async def pieces(
        self, stream: FragmentStream, shaper: Shaper
    ) -> AsyncGenerator[str | Reasoning, None]:
        """Yield the shortened reply as it arrives."""
        while not shaper.is_over:
            if (piece := await stream.next_piece()) is None:
                break
            shaper.limit = self._limit(stream)
            yield shaper.feed(piece)
        yield self._end(stream, shaper)

    def _end(self, stream: FragmentStream, shaper: Shaper) -> str:
        """Return what was held back of a reply, and links to its files if it is complete."""
        text = shaper.end()
        if shaper.is_over or self.request.is_json:  # links would not be JSON
            return text
        return text + links_after(stream.partial, stream.files)

    def _limit(self, stream: FragmentStream) -> int | None:
        """Return the limit for a reply, unless the Space itself keeps it."""
        return self.request.max_tokens if "max_tokens" in stream.unused_options else None


class CompletionStream(Completion):
    """The replies as server-sent events. The response's head precedes the first."""

    _send: Send
    _has_begun = _has_ended = False
    _is_comment_due = True

    async def respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask, and send what arrives."""
        self._send = send
        self._sending = anyio.Lock(fast_acquire=True)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep_awake)
            try:
                replies = [
                    await self._send_reply(stream, number)
                    for number, stream in enumerate(self.streams)
                ]
                async with self._sending:
                    await self._write(self.answer.end(replies), is_last=True)
            except QwenGradioError as error:
                add_details(scope, error=type(error).__name__)
                async with self._sending:
                    if self._has_begun:
                        await self._write(self.answer.fail(error), is_last=True)
                    else:
                        self._has_ended = True
                        await error_response(error)(scope, receive, send)
            tasks.cancel_scope.cancel()

    async def _send_reply(self, stream: FragmentStream, number: int) -> Written:
        shaper = self.shaper()
        sent: list[str | Reasoning] = []
        async with (
            self.places,
            stream,
            aclosing(self.pieces(stream, shaper)) as pieces,
        ):
            async for piece in pieces:
                if piece.text if isinstance(piece, Reasoning) else piece:
                    sent.append(piece)
                    await self._send_event(self.answer.add(piece, number))
        reply = join_pieces(sent, shaper)
        await self._send_event(self.answer.finish(reply, number))
        return reply

    async def _send_event(self, data: bytes) -> None:
        if data:
            async with self._sending:
                await self._write(data)

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
        """Send a comment whenever nothing was sent for a while."""
        await anyio.sleep(ERROR_STATUS_TIME)
        while True:
            async with self._sending:
                if self._has_ended:
                    return
                if self._is_comment_due:
                    await self._write(COMMENT)
            self._is_comment_due = True  # unless something is sent meanwhile
            await anyio.sleep(KEEP_AWAKE_INTERVAL)


def join_pieces(pieces: Iterable[str | Reasoning], shaper: Shaper) -> Written:
    """Join the pieces of a reply."""
    listed = list(pieces)
    text = "".join(piece for piece in listed if isinstance(piece, str))
    reasoning = "".join(piece.text for piece in listed if isinstance(piece, Reasoning))
    return Written(text, reasoning, shaper.finish_reason)


async def _cancel_at_disconnect(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
