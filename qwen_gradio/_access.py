"""A Space's address, and how to reach it. Nothing here does I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, runtime_checkable
from urllib.parse import urlsplit, urlunsplit

from .errors import AuthenticationError, SpaceUnavailableError

HUB_PAGE = re.compile(r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/spaces/([^/?#]+/[^/?#]+)")
OWNER_AND_NAME = re.compile(r"[\w.-]*\w[\w.-]*/[\w.-]*\w[\w.-]*")
SPACES_DOMAIN = "hf.space"
"""Where the public hub serves its Spaces, each at a subdomain."""
PROXY_SCHEMES = ("http", "https", "socks", "socks5", "socks5h")
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VALUE = re.compile(r"[!-~](?:[ \t!-~]*[!-~])?|")
TOKEN = re.compile(r"\bhf_[0-9A-Za-z]{16}")
OWN_HEADERS = {
    *("host", "user-agent", "accept-encoding", "content-type", "content-length"),
    *("connection", "transfer-encoding", "cookie", "x-hf-authorization", "x-gradio-user"),
}
"""Headers that this package, gradio_client or httpx sets."""


@runtime_checkable
class Secret(Protocol):
    """A hidden text, such as pydantic's `SecretStr`."""

    def get_secret_value(self) -> str: ...


Auth: TypeAlias = tuple[str, str | Secret] | str | Secret
"""User and password, or both in one text with a colon between them."""


@dataclass(frozen=True)
class Access:
    """A Space's address and how to reach it. Equal ones share the Space's description.

    :ivar headers: sent with every request to the Space, and to no other server.
    :ivar ssl_verify: whether to check certificates, or an `ssl.SSLContext` to check them with.
    """

    space: str
    api_key: str | None = field(default=None, repr=False)
    proxy: str | None = field(default=None, repr=False)
    auth: tuple[str, str] | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    oauth_token: str | None = field(default=None, repr=False)
    ssl_verify: Any = True

    @classmethod
    def parse(
        cls,
        space: str,
        api_key: str | Secret | None = None,
        proxy: str | None = None,
        auth: Auth | None = None,
        headers: Mapping[str, str] | None = None,
        oauth_token: str | Secret | None = None,
        ssl_verify: Any = True,
    ) -> Access:
        """Check a caller's parameters, and return the access that they describe.

        :raises SpaceUnavailableError: if `space` is not the address of a Space.
        :raises AuthenticationError: if `api_key` or `oauth_token` cannot be a token.
        :raises ValueError: if `auth`, `proxy` or a header cannot be used.
        """
        if not isinstance(ssl_verify, bool) and not hasattr(ssl_verify, "wrap_socket"):
            found = type(ssl_verify).__name__
            raise TypeError(f"ssl_verify must be True, False or an ssl.SSLContext, not {found}")
        return cls(
            address_of(space),
            _parse_token("api_key", api_key),
            _parse_proxy(proxy) if proxy else None,
            None if auth is None else _parse_auth(auth),
            _parse_headers(headers or {}),
            _parse_token("oauth_token", oauth_token),
            ssl_verify,
        )

    @property
    def hub_key(self) -> str | None:
        """The Space's name in the Hub's API; None if it is not on the Hub."""
        if not is_url(self.space):
            return self.space
        host = urlsplit(self.space).hostname or ""
        return f"by-subdomain/{host.partition('.')[0]}" if is_on_hub(host) else None


def address_of(space: str) -> str:
    """Return a Space's `owner/name` or URL, from either or from the URL of its page on the Hub.

    :raises SpaceUnavailableError: if it is none of them.
    """
    space = space.strip()
    if page := HUB_PAGE.match(space):
        return page[1]
    if OWNER_AND_NAME.fullmatch(space):
        return space
    if not is_url(space):
        raise SpaceUnavailableError(
            f'{space!r} is not a Space: give its "owner/name" or its URL with http:// or https://'
        )
    try:
        url = urlsplit(space)
        if not url.hostname or url.port == 0:  # reading an invalid port raises
            raise ValueError("it needs a host, and a port from 1 to 65535 if any")
    except ValueError as error:
        raise SpaceUnavailableError(f"The Space's URL is not valid: {error}") from None
    if url.username is not None:  # messages show the URL, and must not show a password
        raise SpaceUnavailableError("A Space's URL cannot contain a user: give auth instead")
    return urlunsplit((url.scheme, url.netloc, url.path, "", "")).rstrip("/")


def _parse_proxy(given: str) -> str:
    """Check a proxy's URL. The error does not show it, as it may have a password."""
    with suppress(ValueError):
        url = urlsplit(given)
        if url.scheme in PROXY_SCHEMES and url.hostname and url.port != 0:
            return given
    raise ValueError(f"proxy must be a URL with a host, of the scheme {', '.join(PROXY_SCHEMES)}")


def _reveal(given: str | Secret) -> str:
    return given if isinstance(given, str) else given.get_secret_value()


def _parse_auth(auth: Auth) -> tuple[str, str]:
    is_pair = isinstance(auth, (tuple, list))
    pair: Any = auth if is_pair else _reveal(auth).split(":", 1)  # type: ignore[arg-type]
    if len(pair) != 2 or not all(isinstance(part, (str, Secret)) for part in pair):
        what = "is not a pair" if is_pair else "has no colon"
        raise ValueError(f'auth {what}: give (user, password) or "user:password"')
    user, password = map(_reveal, pair)
    return user, password


def _parse_token(name: str, given: str | Secret | None) -> str | None:
    """Return the token without whitespace around it, as a token from a file has."""
    token = _reveal(given or "").strip()
    if not token.isascii() or not token.isprintable():
        raise AuthenticationError(f"{name} contains characters that cannot be in a token")
    return token or None


def _parse_headers(given: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return headers as pairs, unless one cannot be sent, is reserved, or has a token."""
    for name, value in given.items():
        if not (isinstance(name, str) and HEADER_NAME.fullmatch(name)):
            raise ValueError(f"headers: {name!r:.100} cannot be the name of a header")
        if not (isinstance(value, str) and HEADER_VALUE.fullmatch(value)):
            raise ValueError(f"headers: the value of {name} cannot be sent: it must be ASCII text")
        if TOKEN.search(value):
            raise ValueError(f"headers: {name} contains a token: pass it as api_key")
        if name.lower() in OWN_HEADERS:
            raise ValueError(f"headers: {name} cannot be set")
    return tuple(given.items())


def is_on_hub(host: str) -> bool:
    """Whether a host is one of the public hub's Spaces."""
    return host.partition(".")[2] == SPACES_DOMAIN


def is_url(space: str) -> bool:
    """Whether a Space is given by its URL."""
    return space.lower().startswith(("http://", "https://"))
