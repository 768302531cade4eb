"""The synchronous API. It also works inside a running event loop, and under gevent."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping
from contextlib import closing
from threading import Event, Lock
from typing import Any

from anyio import BusyResourceError
from typing_extensions import Unpack

from ._access import Access, Auth, Secret
from ._messages import Messages, to_messages
from ._models import to_provider
from ._options import QuestionOptions, require
from ._page.inspection import Inspection, inspect_plan
from ._reply import Reasoning, Update
from ._stream import FragmentStream
from ._tasks import to_sync
from ._worker import ask as ask_in_thread
from .provider import Provider, require_known


def ask(
    question: str | Messages,
    model: str | None = None,
    *,
    system: str | None = None,
    provider: type[Provider] | str | None = None,
    **options: Unpack[QuestionOptions],
) -> str:
    """Ask the model, wait for its complete reply, and return it.

    :param question: a text, or the chat so far as messages.
    :param model: a model of any provider, such as "qwen3-32b"; by default, that of `provider`, else
        Qwen3.
    :param system: the system prompt.
    :param provider: a provider or its name; by default, the model's own.
    :param options: other arguments of `Provider.create_async_generator`: files, space, api_key,
        timeout and so on. `on_status` and `on_reasoning` are called in this thread.
    :raises QwenGradioError: if the reply fails.
    :raises TypeError, ValueError: at once, if a parameter is wrong.
    """
    with stream(question, model, system=system, provider=provider, **options) as fragments:
        return read(fragments.stream)


def stream(
    question: str | Messages,
    model: str | None = None,
    *,
    system: str | None = None,
    provider: type[Provider] | str | None = None,
    **options: Unpack[QuestionOptions],
) -> Fragments:
    """Ask the model, and stream its reply. Parameters and errors are those of `ask`."""
    require(system=system)
    provider = to_provider(provider, model)
    require_known(provider, options.keys() - {"files"})
    messages = to_messages(question, system)
    return Fragments(provider.create_async_generator(model, messages, **options))


def inspect(
    space: str,
    *,
    api_name: str | int | None = None,
    api_key: str | Secret | None = None,
    auth: Auth | None = None,
    headers: Mapping[str, str] | None = None,
    proxy: str | None = None,
) -> Inspection:
    """Return what a Space offers, and how it would be asked. Print the result or use its fields.

    :param space: the Space, as `owner/name` or URL.
    :param api_name: the name or number of an endpoint; by default, the Space's chat.
    :param api_key, auth, headers, proxy: as for a provider.
    :raises QwenGradioError: if the Space cannot be read, or offers no usable chat.
    :raises TypeError, ValueError: at once, if a parameter is wrong.
    """
    given = {"api_key": api_key, "auth": auth, "headers": headers, "proxy": proxy}
    require(space=space, api_name=api_name, **given)
    from ._gradio.hub import listing_of  # imports gradio_client
    from ._gradio.space import describe

    access = Access.parse(space, **given)  # type: ignore[arg-type]
    found = describe(access)
    plan = found.plan(api_name)
    listing = listing_of(access)
    return inspect_plan(
        plan,
        former_name="" if found.space == access.space else access.space,
        url=found.client.src,
        gradio=str(found.client.config.get("version")),
        stage=listing.stage,
        hardware=listing.hardware,
    )


class Fragments(Iterator[str]):
    """The reply to one question, as an iterator of fragments.

    The question is asked when the first fragment is requested. The Space stops working on the reply
    after `close()`, the end of a `with` block or, at the latest, garbage collection.

    :ivar stream: the underlying stream, with the reply so far. Its callbacks are called in the
        thread that iterates.
    """

    def __init__(self, stream: FragmentStream) -> None:
        self.stream = stream
        self._is_read = Lock()
        self._process = os.getpid()

    def __next__(self) -> str:
        """Return the next fragment.

        :raises QwenGradioError: if the reply fails, or was closed before its end.
        :raises anyio.BusyResourceError: if another thread is waiting for a fragment.
        """
        while isinstance(piece := self.next_piece(), Reasoning):
            pass
        if piece is None:
            raise StopIteration
        return piece

    def next_piece(self) -> str | Reasoning | None:
        """Return the next fragment or piece of reasoning; None once the reply is complete.

        :raises QwenGradioError, anyio.BusyResourceError: as for a fragment.
        """
        if not self._is_read.acquire(blocking=False):
            raise BusyResourceError("iterating over")
        try:
            while self.stream._reply.name != "complete":
                update = self._next_update()
                for callback, argument in self.stream._callbacks(update):
                    _call(callback, argument)
                if isinstance(update, (str, Reasoning)):
                    return update
        except BaseException:
            self.close()
            raise
        finally:
            self._is_read.release()
        return None

    def close(self) -> None:
        """Stop the reply unless it is complete. Returns at once; any thread may call this.

        A thread that is waiting for a fragment gets a `StreamInterruptedError`.
        """
        self.stream.close()

    def __enter__(self) -> Fragments:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Fragments of {self.stream!r}>"

    def _next_update(self) -> Update:
        if os.getpid() != self._process:  # the worker thread is not in this child
            raise RuntimeError("This stream belongs to the parent process. Ask again in this one")
        reply = self.stream._reply
        ask_in_thread(self.stream._question, reply)
        while (update := reply.read(time.monotonic())) is None:
            arrived = Event()
            seconds = reply.wait_with(arrived.set, time.monotonic())
            if not arrived.wait(min(seconds, MAX_WAIT)) and seconds <= MAX_WAIT:
                reply.time_out(time.monotonic())
        return update


MAX_WAIT = 86400.0
"""Maximum seconds of one wait. Some systems reject longer ones."""


def read(stream: FragmentStream) -> str:
    """Wait for the complete reply, and return it."""
    for _ in pieces(stream):
        pass
    return stream.partial


def pieces(stream: FragmentStream) -> Generator[str | Reasoning, None, None]:
    """Yield fragments and reasoning in order of arrival."""
    with closing(Fragments(stream)) as fragments:
        while (piece := fragments.next_piece()) is not None:
            yield piece


async def _finish(result: Coroutine[Any, Any, object]) -> None:
    await result


def _call(callback: Callable[[Any], object], argument: Any) -> None:
    try:
        if isinstance(result := callback(argument), Coroutine):
            to_sync(_finish)(result)
    except StopIteration as error:  # it would look like the end of the reply
        raise RuntimeError("A callback raised StopIteration") from error
