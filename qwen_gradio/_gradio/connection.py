"""HTTP for one session, bounded in bytes and time, which any thread can break off."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from http.cookiejar import Cookie
from typing import Any

import httpx

from .._access import Access
from ..errors import SpaceUnavailableError
from .events import MAX_BYTES, read_events
from .faults import refusal

CONNECT_TIMEOUT = 10.0


class Connection:
    """A session's way to its Space: one connection at a time, kept from request to request.

    :param timeout: seconds that the Space may be silent within a request.
    """

    def __init__(self, access: Access, timeout: float) -> None:
        self.space = access.space
        self._timeout = timeout
        self._socket: socket.socket | None = None
        self._broken_off = False
        self._process = os.getpid()
        try:
            verify = _ssl_context()
        except OSError as error:
            raise SpaceUnavailableError(
                f"Nothing can be verified with the certificates in SSL_CERT_FILE or SSL_CERT_DIR: "
                f"{error}"
            ) from error
        try:
            self._client = httpx.Client(
                verify=verify,
                proxy=access.proxy,
                timeout=httpx.Timeout(timeout, connect=CONNECT_TIMEOUT),
                # A few bytes that inflate to gigabytes are refused below.
                headers={"Accept-Encoding": "identity"},
            )
        except ImportError:
            raise SpaceUnavailableError(
                "A SOCKS proxy needs an extra. Run: pip install 'qwen-gradio[socks]'"
            ) from None
        except Exception:  # whose words may have the proxy's password
            raise SpaceUnavailableError(
                "proxy, or one in the environment (HTTP_PROXY and others, NO_PROXY), must be a URL "
                "such as http://host:port or socks5://host:port"
            ) from None

    @property
    def cookies(self) -> list[Cookie]:
        """The cookies that were set here; each is sent to the host that it came from."""
        return list(self._client.cookies.jar)

    def use_cookies(self, cookies: Iterable[Cookie]) -> None:
        """Send these cookies, too."""
        for cookie in cookies:
            self._client.cookies.jar.set_cookie(cookie)

    def request(self, method: str, url: str, **options: Any) -> Any:
        """Send a request, and return the JSON of its answer.

        :raises QwenGradioError: if it is refused.
        :raises ValueError: if the answer is larger than `MAX_BYTES`, or not JSON.
        """
        ends = time.monotonic() + options.get("timeout", self._timeout)
        with self._response(method, url, **options) as response:
            body = bytearray()
            for chunk in response.iter_raw():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise ValueError(f"an answer of more than {MAX_BYTES} bytes")
                if time.monotonic() > ends:
                    raise httpx.ReadTimeout("the answer took too long")
        return json.loads(body)

    def events(self, url: str, **options: Any) -> Iterator[dict[str, Any]]:
        """The events of an event stream, as they come."""
        with self._response("GET", url, **options) as response:
            yield from read_events(response.iter_raw())

    def break_off(self) -> None:
        """End whatever is under way, from any thread and without waiting."""
        self._broken_off = True
        # A forked child shares the parent's sockets, and must not speak for it.
        if (opened := self._socket) is not None and self._process == os.getpid():
            # Closing it would not wake a thread that reads from it. SSLSocket's own shutdown would
            # take away the TLS state under that thread's feet.
            with suppress(OSError):
                socket.socket.shutdown(opened, socket.SHUT_RDWR)

    def mend(self) -> None:
        """Allow requests again after `break_off`, on a new connection."""
        self._broken_off = False

    def close(self) -> None:
        """Close the connection, in the thread that used it."""
        self._socket = None
        self._client.close()

    @contextmanager
    def _response(self, method: str, url: str, **options: Any) -> Iterator[httpx.Response]:
        extensions = {"trace": self._note}
        with self._client.stream(method, url, extensions=extensions, **options) as response:
            if not response.is_success:
                raise refusal(self.space, response)
            if response.headers.get("content-encoding", "identity") != "identity":
                raise ValueError("an answer that is compressed, which was not asked for")
            yield response

    def _note(self, step: str, info: Mapping[str, Any]) -> None:
        """Keep the socket that httpx has opened, so that it can be shut down in every phase."""
        if step.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")
        if self._broken_off and step.endswith(("connect_tcp.started", "request_headers.started")):
            raise httpx.WriteError("broken off")


_ssl_context = cache(httpx.create_ssl_context)  # 40 ms of work, and the same for every session
