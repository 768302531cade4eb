"""Send the requests that gradio_client makes in a reply's thread over that reply's connection.

gradio_client/client.py knows httpx by the module-level name `httpx`, and calls its `get` and
`post`. That name is replaced with an object which passes everything on to the real module, except
for these two in a thread that is inside `requests_over`. It is an ordinary object, so that what
others patch on it holds in every thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

import gradio_client.client as gradio_module
from huggingface_hub import utils as hub_utils

if TYPE_CHECKING:
    import httpx as httpx
else:  # the module that gradio_client uses, httpx or a successor of another name
    httpx = getattr(gradio_module.httpx, "__wrapped__", gradio_module.httpx)

_thread = threading.local()


class _PassThrough:
    """The replacement for httpx in gradio_client/client.py."""

    def __init__(self, wrapped: ModuleType) -> None:
        self.__wrapped__ = wrapped

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)

    def get(self, url: str, **options: Any) -> Any:
        return _sender_of_thread(self.__wrapped__.get, "GET")(url, **options)

    def post(self, url: str, **options: Any) -> Any:
        return _sender_of_thread(self.__wrapped__.post, "POST")(url, **options)


@contextmanager
def requests_over(request: Callable[..., httpx.Response], src: str) -> Iterator[None]:
    """Send gradio_client's requests in this thread with `request`, and none of them elsewhere.

    :param request: called with the method, the URL and httpx's options.
    :param src: the Space's URL, which every request's URL must start with. For an app that gives no
        version, gradio_client would post its configuration and the token to a third host.
    :raises ValueError: from within, for a request to another host.
    """
    _install()

    def send(
        method: str, url: str, *, cookies: Any = None, verify: Any = None, **options: Any
    ) -> httpx.Response:
        # Cookies and certificates are the connection's. gradio_client's cookies know no domains.
        if not url.startswith(src):
            raise ValueError(f"a request that leads elsewhere, to {url!r:.200}")
        return request(method, url, **options)

    before = getattr(_thread, "send", None)
    _thread.send = send
    try:
        yield
    finally:
        _thread.send = before


def _sender_of_thread(original: Callable[..., Any], method: str) -> Callable[..., Any]:
    send = getattr(_thread, "send", None)
    return original if send is None else lambda url, **options: send(method, url, **options)


def _build_hf_headers(**options: Any) -> dict[str, str]:
    # huggingface_hub's own function asks the Hub for agents, describes this process in the user
    # agent, and uses the token saved on disk.
    if getattr(_thread, "send", None) is None:
        return dict(hub_utils.build_hf_headers(**options))  # type: ignore[attr-defined]
    headers = {"user-agent": f"{options['library_name']}/{options['library_version']}"}
    if token := options["token"]:
        headers["authorization"] = f"Bearer {token}"
    return headers


def _install() -> None:
    """Patch gradio_client, also after a reload of its module."""
    if isinstance(gradio_module.httpx, ModuleType):
        gradio_module.httpx = _PassThrough(gradio_module.httpx)
        gradio_module.build_hf_headers = _build_hf_headers
