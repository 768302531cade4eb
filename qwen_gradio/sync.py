"""A stream for callers that cannot await, whether or not an event loop runs around them."""

from __future__ import annotations

import atexit
import os
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import ExitStack, suppress
from functools import partial, wraps
from threading import Lock, Thread, current_thread
from typing import TYPE_CHECKING, NoReturn, ParamSpec, TypeVar
from weakref import WeakSet

from anyio import BusyResourceError
from anyio.from_thread import BlockingPortal, start_blocking_portal

from ._messages import Messages, to_messages
from ._options import Options, require
from ._stream import FragmentStream
from ._updates import Reasoning
from .provider import Provider, require_known, to_provider

if TYPE_CHECKING:
    from typing_extensions import Unpack

P = ParamSpec("P")
T = TypeVar("T")

LOOP = "qwen_gradio loop"
"""The name of the thread that a stream's event loop runs in here."""


def ask(
    question: str | Messages,
    model: str | None = None,
    *,
    system: str | None = None,
    provider: type[Provider] | str | None = None,
    **options: Unpack[Options],
) -> str:
    """Ask the model, wait for its complete reply, and return it.

    :param question: a text, or the chat so far as messages.
    :param model: a model of any provider's, such as "qwen3-32b"; by default, that of `provider`,
        else Qwen2.5-Max.
    :param system: the system prompt.
    :param provider: a provider, or its name; by default, the model's own.
    :param options: those of `Provider.create_async_generator`: space, api_key, timeout and so on.
        `on_status` and `on_reasoning` are called in another thread.
    :raises QwenGradioError: if the reply fails.
    :raises TypeError, ValueError: at once, if a parameter is wrong.
    """
    return read(_asked(question, model, system, provider, options))


def stream(
    question: str | Messages,
    model: str | None = None,
    *,
    system: str | None = None,
    provider: type[Provider] | str | None = None,
    **options: Unpack[Options],
) -> Fragments:
    """Ask the model, and read its reply as it is written. Takes what `ask` takes.

    :raises InvalidMessagesError, ModelNotFoundError, TypeError, ValueError: at once.
    """
    return Fragments(_asked(question, model, system, provider, options))


def _asked(
    question: str | Messages,
    model: str | None,
    system: str | None,
    provider: type[Provider] | str | None,
    options: Options,
) -> FragmentStream:
    require(system=system)
    provider = to_provider(provider, model)
    require_known(provider, options)
    return provider.create_async_generator(model, to_messages(question, system), **options)


class Fragments(Iterator[str]):
    """A reply as it is written: an iterator over the fragments of a stream.

    The question is asked when the first fragment is requested. `close()`, the end of a `with` block
    and, at the latest, garbage collection stop the Space's work on the reply.

    :ivar stream: the stream itself. It runs in an event loop in a thread of its own, which ends
        with the iterator.
    """

    def __init__(self, stream: FragmentStream) -> None:
        self.stream = stream
        self._pieces = pieces(stream)
        self._is_read = Lock()

    def __next__(self) -> str:
        """Return the next fragment.

        :raises QwenGradioError: if the reply fails, or was closed before its end.
        :raises anyio.BusyResourceError: if another thread waits for a fragment.
        """
        if not self._is_read.acquire(blocking=False):
            raise BusyResourceError("iterating over")
        try:
            self.stream._raise_if_closed()  # another thread may be closing what is read below
            for piece in self._pieces:
                if isinstance(piece, str):
                    return piece
        finally:
            self._is_read.release()
        self.stream._raise_if_closed()
        raise StopIteration

    def close(self) -> None:
        """Stop the reply, if it is not complete. Does not wait until the Space has stopped.

        Any thread may call it. A thread that waits for a fragment gets a `StreamInterruptedError`.
        """
        self.stream.close()
        with suppress(ValueError):  # another thread is in there, and leaves by itself
            self._pieces.close()

    def __enter__(self) -> Fragments:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Fragments of {self.stream!r}>"


def read(stream: FragmentStream) -> str:
    """Return the complete reply: the Space's final text.

    :raises QwenGradioError: if the reply fails.
    """
    return without_await(stream.text)()


def without_await(function: Callable[P, Awaitable[T]]) -> Callable[P, T]:
    """Make an async function callable without `await`, in an event loop in a thread of its own."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        with start_blocking_portal(name=LOOP) as portal:
            return portal.call(partial(function, *args, **kwargs))

    return call


def pieces(stream: FragmentStream) -> Generator[str | Reasoning, None, None]:
    """Yield fragments and reasoning in the order in which they arrive.

    :raises QwenGradioError: if the reply fails.
    """
    with ExitStack() as opened:
        portal = opened.enter_context(start_blocking_portal(name=LOOP))
        _portals.add(portal)
        opened.callback(stream.close)
        # An iterator that is still held when the interpreter exits would wait for a dead thread.
        atexit.register(opened.close)
        opened.callback(atexit.unregister, opened.close)
        try:
            while (piece := portal.call(stream.next_piece)) is not None:
                yield piece
        finally:
            # A loop's thread that collects this with other garbage cannot wait for its own end.
            if current_thread().name == LOOP:
                Thread(target=opened.pop_all().close).start()


def _disown() -> None:
    """Make streams raise in a forked child, which lacks the threads that their loops run in."""
    for portal in _portals:
        portal.call = _raise_in_child  # type: ignore[assignment]


def _raise_in_child(*args: object) -> NoReturn:
    raise RuntimeError("This stream belongs to the parent process. Ask again in this one")


_portals: WeakSet[BlockingPortal] = WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown)
