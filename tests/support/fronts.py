"""An HTTP server in front of a real Space, or of nothing, that misbehaves as a test tells it to.

It is also a forward proxy, which takes every name to be that Space's. Given a TLS context, it
speaks HTTPS.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Callable, MutableSequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from typing_extensions import Self

from .servers import NOBODY, PATIENCE


@dataclass(frozen=True)
class Request:
    """A request that arrived. `path` has no query; `seen` says how often it was asked before."""

    method: str
    path: str
    headers: dict[str, str]
    seen: int


@dataclass(frozen=True)
class Forward:
    """Pass the request on after `wait` seconds, and back `limit` bytes of the answer, with `pause`
    seconds after each KB, and `gap` seconds after the event that completes a reply.
    """

    limit: int | None = None
    pause: float = 0
    wait: float = 0
    gap: float = 0


@dataclass(frozen=True)
class Endless:
    """Answer with a head, then with a chunk, for ever."""

    head: bytes
    chunk: bytes


JOIN, EVENTS, CANCEL = "/gradio_api/queue/join", "/gradio_api/queue/data", "/gradio_api/cancel"
"""The paths of the requests that a reply takes after a Space's description was read."""

Behaviour = Callable[[Request], "bytes | Forward | Endless"]


def answer(status: str, body: str = "", kind: str = "application/json", **headers: str) -> bytes:
    """A whole HTTP response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body.encode())}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join([*lines, "Connection: close", "", ""]) + body).encode()


FULL = '{"detail": "Queue is full. Max size is 1 and size is 1."}'
"""The body of Gradio's answer, with the status 503, to who joins a queue that is full."""

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
"""The head of a response that is a stream of events."""


def misbehaving(path: str, reply: bytes | Forward | Endless, times: int = 10**6) -> Behaviour:
    """What a front does: answer the first `times` requests of `path`, and forward all else."""

    def behave(request: Request) -> bytes | Forward | Endless:
        return reply if request.path == path and request.seen < times else Forward()

    return behave


def event(**what: Any) -> bytes:
    return b"data: " + json.dumps({"event_id": "e", **what}).encode() + b"\n\n"


def output(*data: Any) -> bytes:
    return event(msg="process_generating", success=True, output={"data": list(data)})


class Front:
    """Runs in a thread of its own from `with` to its end."""

    def __init__(
        self, behave: Behaviour, upstream: str = NOBODY, tls: ssl.SSLContext | None = None
    ) -> None:
        self.behave = behave
        self.tls = tls
        self.upstream = urlsplit(upstream)
        self.requests: MutableSequence[Request] = []
        self._tasks: set[asyncio.Task[None] | None] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result(PATIENCE)
        scheme = "http" if self.tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *exc_info: object) -> None:
        for thread in threading.enumerate():
            if thread.name == "qwen_gradio":  # it may still have a request to make, to /cancel
                thread.join(PATIENCE)
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _stop(self) -> None:
        cancelled: set[asyncio.Task[None] | None] = set()
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            # Not asyncio's own: those that accept a connection would leave it open.
            for task in tasks & self._tasks - cancelled:
                task.cancel()
                cancelled.add(task)
            await asyncio.wait(tasks, timeout=0.01)
        # Not before: a connection that is being accepted then would be left open.
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)  # the event loop itself refers to a task only weakly
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._answer(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        split = urlsplit(target)
        path = target if method == "CONNECT" else split.path
        seen = sum(request.path == path for request in self.requests)
        request = Request(method, path, headers, seen)
        self.requests.append(request)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await self._tunnel(reader, writer)
            return
        told = self.behave(request)
        if isinstance(told, bytes):
            writer.write(told)
        elif isinstance(told, Endless):
            writer.write(told.head)
            while True:
                writer.write(told.chunk)
                await writer.drain()
        else:
            await self._forward(told, f"{method} {split.path}?{split.query}", headers, body, writer)
        await writer.drain()

    async def _forward(
        self,
        told: Forward,
        what: str,
        headers: dict[str, str],
        body: bytes,
        writer: asyncio.StreamWriter,
    ) -> None:
        await asyncio.sleep(told.wait)
        upstream, to_upstream = await asyncio.open_connection(
            self.upstream.hostname, self.upstream.port
        )
        headers = {**headers, "host": self.upstream.netloc, "connection": "close"}
        lines = [f"{what} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        try:
            to_upstream.write("\r\n".join([*lines, "", ""]).encode() + body)
            if told.gap:
                writer.write(await _up_to_completion(upstream))
                await asyncio.sleep(told.gap)
            left = told.limit
            while (data := await upstream.read(1000)) and left != 0:
                data = data[:left]
                left = None if left is None else left - len(data)
                writer.write(data)
                await writer.drain()
                await asyncio.sleep(told.pause)
        finally:
            to_upstream.close()
            with suppress(OSError):
                await to_upstream.wait_closed()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, to_upstream = await asyncio.open_connection(
            self.upstream.hostname, self.upstream.port
        )

        async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while data := await source.read(2**16):
                    sink.write(data)
                    await sink.drain()
            sink.close()

        try:
            await asyncio.gather(pipe(reader, to_upstream), pipe(upstream, writer))
        finally:
            to_upstream.close()
            with suppress(OSError):
                await to_upstream.wait_closed()


async def _up_to_completion(stream: asyncio.StreamReader) -> bytes:
    """An event stream's bytes, to the end of the event that completes the reply."""
    before = await stream.readuntil(b'"process_completed"')
    return before + await stream.readuntil(b"\n\n")


class SocksFront(Front):
    """A SOCKS5 proxy (RFC 1928) without a login, which takes every name to be one Space's."""

    def __init__(self, upstream: str) -> None:
        super().__init__(lambda request: Forward(), upstream)
        self.names: list[str] = []

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, methods = await reader.readexactly(2)
        await reader.readexactly(methods)
        await self._log_in(reader, writer)
        *_, kind = await reader.readexactly(4)
        assert kind == 3, "the client resolved the name by itself"
        (length,) = await reader.readexactly(1)
        self.names.append((await reader.readexactly(length)).decode())
        await reader.readexactly(2)
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        await self._tunnel(reader, writer)

    async def _log_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x05\x00")
