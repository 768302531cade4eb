"""HTTP for one reply, with limits on bytes and time. Any thread can abort it."""

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
    """A reply's connection to its Space, reused by all of its requests.

    :param timeout: maximum seconds without data during a request.
    :ivar received: the bytes of events received so far, after decompression.
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
            # Some proxies compress anyway; `request` and `events` limit the decompressed bytes.
            headers={"Accept-Encoding": "identity"},
        )

    @property
    def cookies(self) -> CookieJar:
        """The cookies received so far. Each is sent only to the host that set it."""
        return self._client.cookies.jar

    def use_cookies(self, cookies: Iterable[Cookie]) -> None:
        """Also send these cookies."""
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
        """Send a request, and return its complete response.

        :param options: httpx's options; `server`, the name for errors of a server other than the
            Space; and `accepted`, other statuses to return than success.
        :raises QwenGradioError: for any other status.
        :raises TooLargeError: if the response has more than `max_bytes`.
        """
        with self._response(method, url, **options) as response:
            deadline = time.monotonic() + self.timeout  # starts after the upload, which may be long
            body = bytearray()
            for chunk in _chunks(response):
                body += chunk
                if len(body) > max_bytes:
                    raise TooLargeError(f"a response of more than {max_bytes} bytes")
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("the response took too long")
        return httpx.Response(
            response.status_code,
            headers=[pair for pair in response.headers.multi_items() if pair[0] not in ENCODED],
            content=bytes(body),
            request=response.request,
        )

    def events(self, url: str, **options: Any) -> Generator[dict[str, Any], None, None]:
        """Yield the events of an event stream as they arrive.

        :raises ValueError: if the response is not an event stream, or an event is too large.
        """
        timeout = httpx.Timeout(self.timeout, read=max(self.timeout, MAX_QUEUE_SILENCE))
        with self._response("GET", url, timeout=timeout, **options) as response:
            kind = response.headers.get("content-type", "")
            if not kind.startswith("text/event-stream"):
                raise ValueError(f"a response of the type {kind!r:.100}, not an event stream")
            yield from read_events(self._count(_chunks(response)))

    def _count(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.received += len(chunk)
            yield chunk

    def abort(self) -> None:
        """Abort this request and reject further ones. Returns at once; any thread may call this.

        During a name lookup or a connection attempt, it takes effect only afterwards.
        """
        self._is_aborted = True
        self._shut_down()

    def reopen(self, timeout: float) -> None:
        """Allow requests again after `abort`, with a new connection and timeout in seconds."""
        self._is_aborted = False
        self.timeout = timeout
        self._client.timeout = httpx.Timeout(timeout)

    @contextmanager
    def time_limit(self, seconds: float) -> Iterator[None]:
        """Abort a request in the `with` block that takes longer, and close its connection."""
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
        # A forked child shares the parent's sockets. It must not shut them down.
        if (opened := self._socket) is not None and self._process == os.getpid():
            # Closing it would not wake the thread that reads from it. SSLSocket's own shutdown
            # would remove the TLS state that this thread still uses.
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
        """Track the connection. httpcore calls this before and after each step."""
        if step.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")
        if self._is_aborted and step.endswith(("connect_tcp.started", "request_headers.started")):
            raise httpx.WriteError("aborted")
        if step.endswith("setup_socks5_connection.started"):
            # httpx sets no timeout here. If the server is not a proxy, it would wait forever.
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
    """Return the decompressed bytes of a response as they arrive."""
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding == "identity":
        return response.iter_raw()
    if encoding not in ("gzip", "deflate"):
        raise ValueError(f"a response with the unsupported content-encoding {encoding!r:.50}")
    return response.iter_bytes()


_ssl_context = cache(httpx.create_ssl_context)  # takes 40 ms
