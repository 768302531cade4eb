"""Counts the requests that a client makes, by standing between it and the Space."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from urllib.parse import urlsplit

REQUEST_LINE = re.compile(rb"(?:GET|POST) (\S+) HTTP/1\.1\r\n")


@contextmanager
def counting(url: str) -> Iterator[tuple[str, list[str]]]:
    """A URL that leads to `url`, and the paths of the requests that have come that way so far."""
    paths: list[str] = []
    target = urlsplit(url)

    class Connection(BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((target.hostname, target.port)) as space:
                answers = Thread(target=_pump, args=(space, self.request))
                answers.start()
                _pump(self.request, space, paths)
                answers.join()

    with ThreadingTCPServer(("127.0.0.1", 0), Connection) as server:
        serving = Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", paths
        finally:
            server.shutdown()
            serving.join()


def _pump(source: socket.socket, sink: socket.socket, paths: list[str] | None = None) -> None:
    """Pass bytes on until `source` ends. A client's requests are small: each comes in one piece."""
    with suppress(OSError):
        while data := source.recv(65536):
            if paths is not None:
                found = REQUEST_LINE.findall(data)
                paths += [urlsplit(path.decode()).path for path in found]
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
