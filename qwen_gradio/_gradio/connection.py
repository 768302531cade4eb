"""HTTP for one reply: limited in bytes and time, and aborted from any thread."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Container, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from http.cookiejar import Cookie, CookieJar
from threading import Timer
from typing import Any

from .._access import Access
from .._reply import MAX_QUEUE_SILENCE
from ..errors import SpaceUnavailableError
from .errors import error_from_status
from .events import MAX_BYTES, read_events
from .proxies import Routes
from .seam import httpx

CONNECT_TIMEOUT = 10.0
ENCODED = ("content-encoding", "content-length")
"""Headers that no longer apply to a decompressed response."""


class TooLargeError(ValueError):
    """A response has more bytes than the limit."""


class Connection:
    """A reply's connection to its Space, kept from request to request.

    :param timeout: seconds that the Space may be silent during a request.
    :ivar received: the bytes of events so far, after decompression.
    """

    def __init__(self, access: Access, timeout: float) -> None:
        self.space = access.space
        self.received = 0
        self.timeout = timeout
        self._socket: socket.socket | None = None
        self._is_aborted = False
        self._process = os.getpid()
        try:
            verify = _ssl_context() if access.ssl_verify is True else access.ssl_verify
        except OSError as error:
            raise SpaceUnavailableError(
                f"The certificates in SSL_CERT_FILE or SSL_CERT_DIR cannot be loaded: {error}"
            ) from error
        self._routes = Routes(verify, access.proxy)
        self._client = httpx.Client(
            transport=self._routes,
            trust_env=False,
            timeout=httpx.Timeout(timeout, connect=CONNECT_TIMEOUT),
            # Some proxies compress nevertheless; `request` and `events` limit the inflated bytes.
            headers={"Accept-Encoding": "identity"},
        )

    @property
    def cookies(self) -> CookieJar:
        """The cookies received so far; each is sent to the host that it came from."""
        return self._client.cookies.jar

    def use_cookies(self, cookies: Iterable[Cookie]) -> None:
        """Send these cookies, too."""
        for cookie in cookies:
            self.cookies.set_cookie(cookie)

    def request(
        self,
        method: str,
        url: str,
        *,
        max_bytes: int = MAX_BYTES,
        **options: Any,
    ) -> httpx.Response:
        """Send a request, and return its response, read to its end.

        :param options: httpx's; `server`, the name of a server other than the Space in errors; and
            `accepted`, the statuses to return besides success.
        :raises QwenGradioError: if its status is another one.
        :raises TooLargeError: if it has more than `max_bytes`.
        """
        with self._response(method, url, **options) as response:
            deadline = time.monotonic() + self.timeout  # a long upload comes before that
            body = bytearray()
            for chunk in _chunks(response):
                body += chunk
                if len(body) > max_bytes:
                    raise TooLargeError(f"an answer of more than {max_bytes} bytes")
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("the answer took too long")
        return httpx.Response(
            response.status_code,
            headers=[pair for pair in response.headers.multi_items() if pair[0] not in ENCODED],
            content=bytes(body),
            request=response.request,
        )

    def events(self, url: str, **options: Any) -> Generator[dict[str, Any], None, None]:
        """Yield the events of an event stream as they arrive.

        :raises ValueError: if the answer is no event stream, or an event is too large.
        """
        timeout = httpx.Timeout(self.timeout, read=max(self.timeout, MAX_QUEUE_SILENCE))
        with self._response("GET", url, timeout=timeout, **options) as response:
            kind = response.headers.get("content-type", "")
            if not kind.startswith("text/event-stream"):
                raise ValueError(f"an answer of the type {kind!r:.100}, which is no event stream")
            yield from read_events(self._count(_chunks(response)))

    def _count(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.received += len(chunk)
            yield chunk

    def abort(self) -> None:
        """End the current request and reject further ones, from any thread and without waiting.

        A thread that looks up a name or connects notices afterwards.
        """
        self._is_aborted = True
        self._shut_down()

    def reopen(self, timeout: float) -> None:
        """Allow requests again after `abort`, of at most `timeout` seconds, on a new connection."""
        self._is_aborted = False
        self.timeout = timeout
        self._client.timeout = httpx.Timeout(timeout)

    @contextmanager
    def time_limit(self, seconds: float) -> Iterator[None]:
        """End a request that takes longer, and the connection with it."""
        timer = self._shut_down_after(seconds)
        try:
            yield
        finally:
            timer.cancel()

    def close(self) -> None:
        """Close the connection, in the thread that used it."""
        self._socket = None
        self._client.close()

    def _shut_down(self) -> None:
        # A forked child shares the parent's sockets, and must not speak for it.
        if (opened := self._socket) is not None and self._process == os.getpid():
            # Closing it would not wake a thread that reads from it. SSLSocket's own shutdown would
            # remove the TLS state that this thread still uses.
            with suppress(OSError):
                socket.socket.shutdown(opened, socket.SHUT_RDWR)

    @contextmanager
    def _response(
        self, method: str, url: str, server: str = "", accepted: Container[int] = (), **options: Any
    ) -> Iterator[httpx.Response]:
        extensions = {"trace": self._trace}
        with self._client.stream(method, url, extensions=extensions, **options) as response:
            if not response.is_success and response.status_code not in accepted:
                proxy = self._routes.proxy_for(response.url)
                raise error_from_status(server or self.space, response, proxy)
            yield response

    def _trace(self, step: str, info: dict[str, Any]) -> None:
        """Follow httpcore, which calls this before each step and after it."""
        if step.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")
        if self._is_aborted and step.endswith(("connect_tcp.started", "request_headers.started")):
            raise httpx.WriteError("aborted")
        if step.endswith("setup_socks5_connection.started"):
            # httpx sets no timeout here, and would wait forever for a server that is no proxy.
            self._handshake = self._shut_down_after(CONNECT_TIMEOUT)
        elif "setup_socks5_connection" in step:
            self._handshake.cancel()
            if step.endswith("failed") and self._socket is not None:
                self._socket.close()  # httpcore leaves it open

    def _shut_down_after(self, seconds: float) -> Timer:
        timer = Timer(seconds, self._shut_down)
        timer.daemon = True
        timer.start()
        return timer


def _chunks(response: httpx.Response) -> Iterator[bytes]:
    """Return a response's bytes as they arrive, decompressed."""
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding == "identity":
        return response.iter_raw()
    if encoding not in ("gzip", "deflate"):
        raise ValueError(f"an answer that is compressed with {encoding!r:.50}, not asked for")
    return response.iter_bytes()


_ssl_context = cache(httpx.create_ssl_context)  # takes 40 ms
