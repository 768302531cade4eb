"""The choice of a proxy for each request, as curl makes it, and errors that name the proxy."""

from __future__ import annotations

import os
import re
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from urllib.request import getproxies

from ..errors import SpaceUnavailableError
from .errors import root_of
from .seam import httpx


@dataclass(frozen=True)
class Proxy:
    """A proxy, and the setting that it comes from."""

    url: str = field(repr=False)
    setting: str

    def __str__(self) -> str:
        """Its host and port, without the user name and the password."""
        return self.url.partition("://")[2].rpartition("@")[2].partition("/")[0]

    def explain(self, error: Exception, request: httpx.Request) -> Exception:
        """Return an error that names the proxy, for an error of a request through it."""
        reason = str(error).rstrip(".")
        if isinstance(error, httpx.ProxyError):
            failure = f"did not connect to {request.url.host}: {reason}"
        elif type(error).__module__.startswith("socksio"):
            failure = f"does not answer as a SOCKS proxy: {error!r:.100}"
        elif not isinstance(error, httpx.TransportError):
            return error
        # A TLS handshake with the Space, through the proxy, fails with a `ConnectError`, too.
        elif isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)) and not isinstance(
            root_of(error), (ssl.SSLError, ConnectionResetError)
        ):
            failure = f"cannot be reached: {reason}"
        else:
            return type(error)(f"{reason} (through the proxy {self})", request=request)
        return httpx.ProxyError(
            f"The proxy {self} {failure}. Check the address, user name and password {self.setting}"
        )


class Routes(httpx.BaseTransport):
    """Send each request through the proxy for its URL, or through none.

    httpx itself raises for any setting that it does not know, even if the URL does not need it.

    :param proxy: the proxy for all requests, in place of those in the environment.
    """

    def __init__(self, verify: ssl.SSLContext | bool, proxy: str | None) -> None:
        self._verify = verify
        self._given = None if proxy is None else Proxy(_to_url(proxy), "given as proxy")
        self._opened: dict[Proxy | None, httpx.HTTPTransport] = {}

    def proxy_for(self, url: httpx.URL) -> Proxy | None:
        """Return the proxy for a URL, if any."""
        return self._given or proxy_in_environment(url)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        proxy = self.proxy_for(request.url)
        if proxy not in self._opened:
            self._opened[proxy] = self._open(proxy)
        try:
            return self._opened[proxy].handle_request(request)
        except Exception as error:
            if proxy is None or (explained := proxy.explain(error, request)) is error:
                raise
            raise explained from error

    def _open(self, proxy: Proxy | None) -> httpx.HTTPTransport:
        if proxy is None:
            return httpx.HTTPTransport(self._verify, trust_env=False)
        try:
            return httpx.HTTPTransport(self._verify, trust_env=False, proxy=proxy.url)
        except ImportError:
            what = "is a SOCKS proxy, which needs an extra. Run: pip install 'qwen-gradio[socks]'"
        except Exception:  # its message may contain the proxy's password
            what = "must be a URL such as http://host:port or socks5://host:port"
        raise SpaceUnavailableError(f"The proxy {proxy.setting} {what}")

    def close(self) -> None:
        for transport in self._opened.values():
            transport.close()


def proxy_in_environment(url: httpx.URL) -> Proxy | None:
    """Return the proxy that the environment, or else the system, sets for a URL, if any."""
    settings = getproxies()  # by "http", "https", "all" and "no"
    kind = url.scheme if settings.get(url.scheme) else "all"
    exempt = re.findall(r"[^\s,]+", settings.get("no", ""))
    if not settings.get(kind) or any(_matches(entry, url) for entry in exempt):
        return None
    names = (f"{kind}_proxy", f"{kind}_proxy".upper())
    name = next((name for name in names if os.environ.get(name)), "the system's settings")
    return Proxy(_to_url(settings[kind]), f"in {name}")


def _matches(entry: str, url: httpx.URL) -> bool:
    """Whether an entry of NO_PROXY, a name, an address or a network, matches a URL's host."""
    with suppress(ValueError):
        return ip_address(url.host) in ip_network(entry.strip("[]"), strict=False)
    port = url.port or (443 if url.scheme == "https" else 80)
    domain = "." + entry.lower().lstrip(".")  # a name stands for its subdomains, too
    return entry == "*" or f".{url.host}".endswith(domain) or f".{url.host}:{port}".endswith(domain)


def _to_url(given: str) -> str:
    scheme, _, rest = given.rpartition("://")
    if scheme in ("", "socks"):
        scheme = "socks5h" if scheme else "http"  # what curl and desktops mean by these
    return f"{scheme}://{rest}"
