"""The async reader of a reply: a stream of text fragments."""

from __future__ import annotations

import time
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from contextlib import suppress
from dataclasses import replace
from html import escape
from typing import Any

import anyio
from anyio.lowlevel import checkpoint, current_token

from ._page.session import Session
from ._reply import End, Reasoning, ReplyState, StreamStatus, Update
from ._reply_files import ReplyFile
from ._tasks import allow_interrupt
from ._worker import Question, ask


class FragmentStream(AsyncIterator[str]):
    """The reply to one question, as an async iterator of fragments. Joined, they are the reply.

    Whitespace, cursors, counters and placeholders that come and go never appear twice. If a Space
    takes back words that were already emitted, they stay, and the new text follows. `text()` and
    `partial` are always the text on the page.

    The question is asked once, when the stream is first awaited, entered or iterated, on asyncio
    or trio.

    The Space stops working on the reply after `close()`, `aclose()`, the end of an `async with`
    block, cancellation, an error, leaving a loop over the stream or, at the latest, garbage
    collection. In CPython, leaving a loop takes effect at once.

    :ivar on_status: called in the event loop with each `StreamStatus` as it is read.
    :ivar on_reasoning: called in the event loop with each new piece of `reasoning`.
    :ivar on_complete: called in the event loop with the complete reply. All three callbacks may be
        assigned at any time, and are awaited if they are async functions.
    """

    def __init__(
        self,
        question: Question,
        *,
        on_status: Callable[[StreamStatus], object] | None = None,
        on_reasoning: Callable[[str], object] | None = None,
    ) -> None:
        self.on_status = on_status
        self.on_reasoning = on_reasoning
        self.on_complete: Callable[[str], object] | None = None
        self._remember: Callable[[str], object] | None = None  # called before `on_complete`
        self._question = question
        self._reply = ReplyState(question.access.space, question.timeout, question.stream_timeout)
        self._guard = anyio.ResourceGuard("iterating over")

    def __await__(self) -> Generator[Any, Any, FragmentStream]:
        """Ask, and return the stream itself."""
        ask(self._question, self._reply)
        return self
        yield  # makes this a generator, as __await__ must return one

    def __aiter__(self) -> AsyncIterator[str]:
        return _Loop(self)

    async def __anext__(self) -> str:
        """Return the next fragment.

        :raises StopAsyncIteration: if the reply is complete.
        :raises QwenGradioError: if the reply fails, or the stream was closed before its end.
        """
        while isinstance(piece := await self.next_piece(), Reasoning):
            pass
        if piece is None:
            raise StopAsyncIteration
        return piece

    async def next_piece(self) -> str | Reasoning | None:
        """Return the next fragment or piece of reasoning; None once the reply is complete.

        :raises QwenGradioError: as for a fragment.
        """
        with self._guard:
            while self._reply.name != "complete":
                try:
                    update = await self._next_update()
                    for callback, argument in self._callbacks(update):
                        await _call(callback, argument)
                except BaseException:
                    self.close()
                    raise
                if isinstance(update, (str, Reasoning)):
                    return update
        return None

    def _callbacks(self, update: Update) -> list[tuple[Callable[[Any], object], Any]]:
        """Return the callbacks for an update, each with its argument."""
        wanted: list[tuple[Callable[[Any], object] | None, Any]] = []
        match update:
            case StreamStatus():
                wanted = [(self.on_status, update)]
            case Reasoning(text):
                wanted = [(self.on_reasoning, text)]
            case End():
                wanted = [(self._remember, self.partial), (self.on_complete, self.partial)]
        return [(callback, argument) for callback, argument in wanted if callback is not None]

    @property
    def space(self) -> str:
        """The Space as given by the caller; its new name once the Hub reports one."""
        return self._reply.space

    @property
    def model(self) -> str | None:
        """The model; None if `space` is not the provider's own and no model was named."""
        return self._question.model

    @property
    def partial(self) -> str:
        """The reply so far; may be ahead of the fragments read."""
        return self._reply.text

    @property
    def reasoning(self) -> str:
        """The reasoning so far; "" if the Space shows none."""
        return self._reply.reasoning

    @property
    def files(self) -> list[ReplyFile]:
        """The files that came with the reply, such as pictures, once it is complete."""
        access, timeout = self._question.access, self._question.request_timeout
        return [
            ReplyFile(file.url, file.mime_type, file.alt, access, timeout)
            for file in self._reply.files
        ]

    @property
    def unused_options(self) -> frozenset[str]:
        """The options, such as `max_tokens`, for which the Space has no input, once it is asked."""
        return self._reply.unused_options

    def continue_session(self, session: Session, remember: Callable[[str], object]) -> None:
        """Make the question a turn of a conversation; call `remember` with the complete reply."""
        self._question = replace(self._question, session=session)
        self._remember = remember

    async def text(self) -> str:
        """Wait for the complete reply, and return it, including fragments already read.

        :raises QwenGradioError: as for a fragment.
        """
        async for _ in self:
            pass
        return self.partial

    def close(self) -> None:
        """Stop the reply unless it is complete. Returns at once; any thread may call this.

        A task that is waiting for a fragment gets a `StreamInterruptedError`.
        """
        self._reply.close()

    async def aclose(self) -> None:
        """Do what `close` does."""
        self.close()
        await checkpoint()

    async def __aenter__(self) -> FragmentStream:
        return await self

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self._reply.name == "open":
            self.close()
            warnings.warn(
                f"A reply from {self.space} was stopped because it was not read to its end. Read "
                "all of it, or use `async with` or `aclose()`",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )

    def __reduce__(self) -> Any:
        raise TypeError("A stream cannot be copied or pickled")

    def __repr__(self) -> str:
        arrived = f"{len(self.partial)} characters"
        return f"<FragmentStream from {self.space}: {self._reply.name}, {arrived}>"

    def _repr_html_(self) -> str:
        """Return the display of a stream that is the last line of a notebook cell."""
        hint = "<br><code>await qwen_gradio.notebook.show(stream)</code>"
        can_be_shown = self._reply.name in ("new", "open")
        return f"<code>{escape(repr(self))}</code>{hint if can_be_shown else ''}"

    async def _next_update(self) -> Update:
        ask(self._question, self._reply)
        if self._reply.has_update:
            await checkpoint()  # lets other tasks run even if there is always an update
        while (update := self._reply.read(time.monotonic())) is None:
            event = anyio.Event()
            seconds = self._reply.wait_with(_waker(event), time.monotonic())
            with anyio.move_on_after(seconds) as waiting, allow_interrupt():
                await event.wait()
            if waiting.cancelled_caught:
                self._reply.time_out(time.monotonic())
        return update


def _waker(event: anyio.Event) -> Callable[[], object]:
    """Return a function that sets `event` from another thread, without blocking."""
    loop: Any = current_token().native_token
    call_soon = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon

    def wake() -> None:
        with suppress(RuntimeError):  # the event loop was closed
            call_soon(event.set)

    return wake


async def _call(callback: Callable[[Any], object], argument: Any) -> None:
    try:
        if isinstance(result := callback(argument), Coroutine):
            await result
    except StopAsyncIteration as error:  # it would look like the end of the reply
        raise RuntimeError("A callback raised StopAsyncIteration") from error


class _Loop(AsyncIterator[str]):
    """One `async for` over a stream. Python frees it when the loop ends; this stops the stream."""

    def __init__(self, stream: FragmentStream) -> None:
        self._stream = stream
        self._is_second_reader = False

    async def __anext__(self) -> str:
        try:
            return await self._stream.__anext__()
        except anyio.BusyResourceError:  # the other loop must not be stopped
            self._is_second_reader = True
            raise

    def __del__(self) -> None:
        if not self._is_second_reader:
            self._stream.close()
