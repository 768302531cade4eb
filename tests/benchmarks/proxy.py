"""Stands between a client and a Space: counts the requests, and adds what a distance would."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from urllib.parse import urlsplit

REQUEST_LINE = re.compile(rb"(?:GET|POST) (\S+) HTTP/1\.1\r\n")


@contextmanager
def proxied(
    url: str, *, connecting: float = 0.0, one_way: float = 0.0
) -> Iterator[tuple[str, list[str]]]:
    """A URL that leads to `url`, and the paths of the requests that have come that way so far.

    :param connecting: seconds that each new connection takes, as TCP and TLS do over a distance.
    :param one_way: seconds that everything takes in each direction.
    """
    paths: list[str] = []
    target = urlsplit(url)

    class Connection(BaseRequestHandler):
        def handle(self) -> None:
            time.sleep(connecting)
            with socket.create_connection((target.hostname, target.port)) as space:
                answers = Thread(target=_pump, args=(space, self.request, one_way))
                answers.start()
                _pump(self.request, space, one_way, paths)
                answers.join()

    with ThreadingTCPServer(("127.0.0.1", 0), Connection) as server:
        serving = Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", paths
        finally:
            server.shutdown()
            serving.join()


def _pump(
    source: socket.socket, sink: socket.socket, seconds: float, paths: list[str] | None = None
) -> None:
    """Pass bytes on, so much later, until `source` ends. A small request comes in one piece."""
    sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as servers and clients do
    on_the_way: SimpleQueue[tuple[float, bytes]] = SimpleQueue()

    def arrive() -> None:
        with suppress(OSError):
            data = b"begun"
            while data:
                due, data = on_the_way.get()
                time.sleep(max(due - time.monotonic(), 0))
                if data:
                    sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    arriving = Thread(target=arrive)
    arriving.start()
    data = b"begun"
    while data:
        try:
            data = source.recv(65536)
        except OSError:
            data = b""
        if paths is not None:
            paths += [urlsplit(path.decode()).path for path in REQUEST_LINE.findall(data)]
        on_the_way.put((time.monotonic() + seconds, data))
    arriving.join()
