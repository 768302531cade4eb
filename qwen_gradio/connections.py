"""Connected Spaces: each is found and read once, for any number of sessions to share."""

from __future__ import annotations

import atexit
import json
import os
from functools import cache
from threading import Lock
from typing import Any

import httpx
from gradio_client import utils
from huggingface_hub import constants as hub

from .errors import AuthenticationError, SpaceUnavailableError
from .events import MAX_BYTES
from .faults import connecting, refusal
from .spaces import Access, ChatEndpoint, address_of

CONNECTIONS = httpx.Limits(max_connections=None, max_keepalive_connections=8)
"""Any number at once; few are kept between replies."""
MAX_SPACES = 32
"""More Spaces than this are not remembered."""


class Space:
    """A Space, the connections to it, and what it told of itself when a first session asked."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.url = address_of(access.space)
        self.http = httpx.Client(verify=_ssl_context(), proxy=access.proxy, limits=CONNECTIONS)
        self.lock = Lock()  # held while the Space is found and read
        self.config: dict[str, Any] | None = None
        self.info: dict[str, Any] | None = None
        self.endpoint: ChatEndpoint | None = None

    def __del__(self) -> None:
        if hasattr(self, "http"):
            self.http.close()

    def locate(self, timeout: httpx.Timeout) -> None:
        """Ask the Hugging Face hub for the URL, if only `owner/name` is known. It gets no token."""
        if self.url.startswith("http"):
            return
        try:
            told = self.request("GET", f"{hub.ENDPOINT}/api/spaces/{self.url}", timeout=timeout)
        except (AuthenticationError, SpaceUnavailableError) as error:
            raise SpaceUnavailableError(
                f"The hub shows no Space {self.url}. If it is private, give its URL and an api_key"
            ) from error
        stage = told.get("runtime", {}).get("stage")
        if stage in utils.INVALID_RUNTIME:
            raise SpaceUnavailableError(f"{self.url} is not running: the hub says {stage}")
        self.url = told["host"]

    def request(self, method: str, url: str, **kwargs: Any) -> Any:
        """Send a request and return the JSON of its answer, which is read up to `MAX_BYTES`."""
        with self.http.stream(method, url, **kwargs) as response:
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise ValueError(f"an answer of more than {MAX_BYTES} bytes")
        if not response.is_success:
            raise refusal(self.url, response)
        return json.loads(body)


def space_at(access: Access) -> Space:
    """The Space for this access, which is the same one at every call.

    :raises SpaceUnavailableError: if the proxy cannot be used.
    """
    with _lock:
        if access not in _spaces:
            with connecting(access.space):
                _spaces[access] = Space(access)
            if len(_spaces) > MAX_SPACES:
                del _spaces[next(iter(_spaces))]
        return _spaces[access]


def replace(space: Space) -> None:
    """Let `space_at` give this one from now on."""
    with _lock:
        _spaces[space.access] = space


def _close() -> None:
    for space in _spaces.values():
        space.http.close()


def _start_afresh() -> None:
    # What a forked child inherits is the parent's: its connections must not be used, nor closed
    # under a lock that a thread of the parent's may have held.
    global _lock, _spaces
    _inherited.append(_spaces)
    _lock, _spaces = Lock(), {}


_spaces: dict[Access, Space] = {}
_inherited: list[dict[Access, Space]] = []
_lock = Lock()
_ssl_context = cache(httpx.create_ssl_context)  # 40 ms of work, and the same for every Space
atexit.register(_close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)
