"""What a caller holds: the reply as an async stream of text fragments."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable, Generator
from html import escape
from types import TracebackType
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from ._updates import StreamStatus, Update
from ._worker import Worker
from .errors import QwenGradioError, StreamInterruptedError, StreamTimeoutError


class FragmentStream(AsyncIterator[str]):
    """The reply to one question, as it is written: fragments that, joined, are the reply.

    The question is asked when the stream is first awaited, entered or iterated, and not again. The
    stream runs in the event loop it is iterated in, of asyncio or trio.

    :ivar on_status: called in the event loop with each `StreamStatus`, as it is read; may be set.

    Leaving the loop over it, `aclose()`, the end of an `async with` block, cancellation, an error
    and, at the latest, garbage collection stop the Space's work on the reply.
    """

    def __init__(
        self,
        worker: Worker,
        *,
        timeout: float | None,
        stream_timeout: float | None,
        on_status: Callable[[StreamStatus], object] | None,
    ) -> None:
        self._worker = worker
        self._timeout = timeout
        self._stream_timeout = float("inf") if stream_timeout is None else stream_timeout
        self.on_status = on_status
        self._on_complete: Callable[[str], object] | None = None  # a Chat's, which remembers
        self._deadline = float("inf")
        self._ended = False
        self._whole = False
        self._guard = anyio.ResourceGuard("iterating over")

    def __await__(self) -> Generator[Any, Any, FragmentStream]:
        """Ask, and return the stream itself."""
        self._start()
        return self
        yield  # makes this a generator, as __await__ must return one

    def __aiter__(self) -> AsyncIterator[str]:
        return _Loop(self)

    async def __anext__(self) -> str:
        """The next fragment.

        :raises QwenGradioError: if the reply cannot be had, or not to its end.
        """
        with self._guard:
            return await self._next_fragment()

    async def _next_fragment(self) -> str:
        while not self._ended:
            try:
                update = await self._next_update()
                self._refuse_if_left()  # by another task or thread, while this one waited
                if isinstance(update, str):
                    return update
                if isinstance(update, StreamStatus):
                    if self.on_status is not None:
                        self.on_status(update)
                    continue
                self._ended = True
                self._whole = update.error is None
                if update.error is not None:
                    raise update.error
                if self._on_complete is not None:
                    self._on_complete(self.partial)
            except QwenGradioError as error:
                self._close()
                self._described(error)
                raise
            except BaseException:
                self._close()
                raise
        raise StopAsyncIteration

    @property
    def space(self) -> str:
        """The Space that is asked, as it was given."""
        return self._worker.access.space

    @property
    def partial(self) -> str:
        """The reply, as far as it has arrived; it may be ahead of the fragments that were read."""
        return self._worker.text

    async def text(self) -> str:
        """Wait for the whole reply, and return it.

        It is the Space's final text, also if fragments of it were read before, or taken back.

        :raises QwenGradioError: if the reply cannot be had, or not to its end.
        """
        async for _ in self:
            pass
        return self.partial

    async def aclose(self) -> None:
        """Stop the reply, if it is not complete. Does not wait until the Space has stopped.

        Who waits for a fragment meanwhile gets a `StreamInterruptedError`.
        """
        self._close()
        await checkpoint()

    async def __aenter__(self) -> FragmentStream:
        return await self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()

    def __del__(self) -> None:
        if self._worker.started and not self._ended:
            self._close()
            warnings.warn(
                f"A reply from {self.space} was abandoned, and is stopped. Read it to "
                "its end, or use `async with` or `aclose()`",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )

    def __reduce__(self) -> Any:
        raise TypeError("A stream cannot be copied or pickled")

    def __repr__(self) -> str:
        state = "complete" if self._whole else "closed" if self._ended else "open"
        arrived = f"{len(self.partial)} characters"
        return f"<FragmentStream from {self.space}: {state}, {arrived}>"

    def _repr_html_(self) -> str:
        """What a notebook shows of a stream that is a cell's last line."""
        how = "" if self._ended else "<br><code>await qwen_gradio.notebook.show(stream)</code>"
        return f"<code>{escape(repr(self))}</code>{how}"

    def _start(self) -> None:
        if not self._worker.started and not self._ended:
            self._worker.start()
            if self._timeout is not None:
                self._deadline = anyio.current_time() + self._timeout

    async def _next_update(self) -> Update:
        self._start()
        in_time = self._timeout is None or anyio.current_time() < self._deadline
        if in_time and (update := self._worker.updates.get_nowait()) is not None:
            await checkpoint()  # however fast updates come, other tasks get their turn
            return update
        if in_time:
            silence_ends = anyio.current_time() + self._stream_timeout
            with anyio.CancelScope(deadline=min(self._deadline, silence_ends)):
                return await self._worker.updates.get()
        raise self._timed_out()

    def _timed_out(self) -> StreamTimeoutError:
        if anyio.current_time() >= self._deadline:
            what = f"did not complete its reply within timeout={self._timeout} seconds"
        else:
            what = f"sent no update for stream_timeout={self._stream_timeout} seconds"
        return StreamTimeoutError(f"{self.space} {what}")

    def _refuse_if_left(self) -> None:
        if self._ended and not self._whole:
            closed = StreamInterruptedError(
                "This stream was closed before its end, by an error or by leaving a loop over it. "
                "Ask again for a new one"
            )
            raise self._described(closed)

    def _described(self, error: QwenGradioError) -> QwenGradioError:
        error.space, error.partial = self.space, self.partial
        return error

    def _close(self) -> None:
        if not self._ended:
            self._ended = True
            self._worker.stop()


class _Loop(AsyncIterator[str]):
    """One `async for` over a stream. Python drops it when the loop is left: so the stream stops."""

    def __init__(self, stream: FragmentStream) -> None:
        self._stream = stream
        self._refused = False

    async def __anext__(self) -> str:
        try:
            fragment = await anext(self._stream, None)
        except anyio.BusyResourceError:  # another loop reads already, and may go on
            self._refused = True
            raise
        if fragment is None:
            self._stream._refuse_if_left()  # what was left, before the loop or amid it, is no end
            raise StopAsyncIteration
        return fragment

    def __del__(self) -> None:
        if not self._refused:
            self._stream._close()
