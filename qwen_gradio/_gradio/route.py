"""Which way a request takes, so that an error can name the proxy that failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .seam import httpx

DEFAULT_PORTS = {"http": 80, "https": 443}


class Route:
    """The way that requests take: through which proxy, if any, for errors to name it.

    Which one is httpx's decision, from the environment, too: it is seen in where httpcore connects.

    :param setting: where users would set a proxy.
    """

    def __init__(self, setting: str) -> None:
        self._setting = setting
        self._target: tuple[str, int] = ("", 0)
        self._proxies: dict[tuple[str, int], str | None] = {}  # a connection serves many requests
        self._step = ""

    @property
    def proxy(self) -> str | None:
        """The host and port of the proxy that the last request went through."""
        return self._proxies.get(self._target)

    @contextmanager
    def to(self, url: str) -> Iterator[None]:
        """Name the proxy in what httpx raises until a request is answered."""
        parsed = httpx.URL(url)
        self._target = (
            parsed.raw_host.decode(),
            parsed.port or DEFAULT_PORTS.get(parsed.scheme, 0),
        )
        try:
            yield
        except Exception as error:
            if self.proxy is None or (named := self._named(error)) is None:
                raise
            raise named from error

    def trace(self, step: str, info: Mapping[str, Any]) -> None:
        """Notice where httpcore connects, and what it does."""
        self._step = step
        if step.endswith("connect_tcp.started"):
            peer = (info["host"], info["port"])
            self._proxies[self._target] = None if peer == self._target else f"{peer[0]}:{peer[1]}"

    def _named(self, error: Exception) -> httpx.TransportError | None:
        reason = str(error).rstrip(".")
        if self._step.endswith("connect_tcp.failed"):
            failure = f"cannot be reached: {reason}"
        elif isinstance(error, httpx.ProxyError):
            failure = f"did not connect to {self._target[0]}: {reason}"
        elif self._step.endswith("setup_socks5_connection.failed"):
            failure = f"does not answer as a SOCKS proxy: {error!r:.100}"
        elif isinstance(error, httpx.TransportError):
            return type(error)(f"{reason} (through the proxy {self.proxy})", request=error.request)
        else:
            return None
        return httpx.ProxyError(
            f"The proxy {self.proxy} {failure}. Check the address, user name and password "
            f"{self._setting}"
        )
