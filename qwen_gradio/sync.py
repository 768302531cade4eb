"""A stream for callers that cannot await, whether or not an event loop runs around them."""

from __future__ import annotations

import atexit
from collections.abc import Generator
from contextlib import ExitStack

from anyio.from_thread import start_blocking_portal

from .streams import FragmentStream


def iterate(stream: FragmentStream) -> Generator[str, None, None]:
    """The fragments of a reply, each as it comes. Closing the iterator stops the Space.

    The stream runs in an event loop in a thread of its own, which ends with the iterator.

    :raises QwenGradioError: if the reply cannot be had, or not to its end.
    """

    async def following() -> str | None:
        return await anext(stream, None)

    with ExitStack() as opened:
        portal = opened.enter_context(start_blocking_portal(name="qwen_gradio loop"))
        opened.callback(portal.call, stream.aclose)
        # An iterator that is still held when the interpreter exits would wait for a dead thread.
        atexit.register(opened.close)
        opened.callback(atexit.unregister, opened.close)
        while (fragment := portal.call(following)) is not None:
            yield fragment


def read(stream: FragmentStream) -> str:
    """The whole reply: the Space's final text.

    :raises QwenGradioError: if the reply cannot be had, or not to its end.
    """
    with start_blocking_portal(name="qwen_gradio loop") as portal:
        return portal.call(stream.text)
