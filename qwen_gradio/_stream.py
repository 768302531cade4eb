"""What a caller holds: the reply as an async stream of text fragments."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from html import escape
from types import TracebackType
from typing import Any, Literal, TypeVar

import anyio
from anyio.lowlevel import checkpoint

from ._updates import End, Reasoning, StreamStatus, Update
from ._worker import Worker
from .errors import QwenGradioError, StreamInterruptedError, StreamTimeoutError

T = TypeVar("T")


class FragmentStream(AsyncIterator[str]):
    """The reply to one question, as it is written: fragments that, joined, are the reply.

    Where a Space takes text back, they go on after the longest common start; `text()` and `partial`
    are then without what was taken back.

    The question is asked when the stream is first awaited, entered or iterated, and not again. The
    stream runs in the event loop it is iterated in, of asyncio or trio.

    :ivar on_status: called in the event loop with each `StreamStatus`, as it is read; may be set.
    :ivar on_reasoning: called there with each new piece of `reasoning`; may be set.
    :ivar on_complete: called there with the reply, once it is complete; may be set. All three are
        awaited if they are async functions.

    `close()`, `aclose()`, the end of an `async with` block, cancellation, an error, leaving the
    loop over it and, at the latest, garbage collection stop the Space's work on the reply. Leaving
    a loop does so at once only where Python frees objects at once, as CPython does.
    """

    def __init__(
        self,
        worker: Worker,
        *,
        timeout: float | None,
        stream_timeout: float | None,
        on_status: Callable[[StreamStatus], object] | None = None,
        on_reasoning: Callable[[str], object] | None = None,
    ) -> None:
        self._worker = worker
        self._deadline = _Deadline(timeout, stream_timeout)
        self.on_status = on_status
        self.on_reasoning = on_reasoning
        self.on_complete: Callable[[str], object] | None = None
        self._remember: Callable[[str], object] | None = None  # a conversation's, before that
        self._state: Literal["open", "complete", "closed"] = "open"
        self._guard = anyio.ResourceGuard("iterating over")

    def __await__(self) -> Generator[Any, Any, FragmentStream]:
        """Ask, and return the stream itself."""
        self._start()
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
        """Return what arrives next, a fragment or reasoning; None once the reply is complete.

        :raises QwenGradioError: if the reply fails, or the stream was closed before its end.
        """
        with self._guard:
            while self._state != "complete":
                self._raise_if_closed()
                try:
                    update = await self._next_update()
                    self._raise_if_closed()  # by another task or thread, while this one waited
                    if isinstance(update, str):
                        return update
                    if isinstance(update, Reasoning):
                        await _call(self.on_reasoning, update.text)
                        return update
                    await self._take(update)
                except QwenGradioError as error:
                    self.close()
                    self._describe(error)
                    raise
                except BaseException:
                    self.close()
                    raise
        return None

    async def _take(self, update: StreamStatus | End) -> None:
        if isinstance(update, StreamStatus):
            await _call(self.on_status, update)
        elif update.error is not None:
            raise update.error
        else:
            self._state = "complete"
            await _call(self._remember, self.partial)
            await _call(self.on_complete, self.partial)

    @property
    def space(self) -> str:
        """The Space that is asked, as it was given."""
        return self._worker.access.space

    @property
    def partial(self) -> str:
        """The reply so far; it may be ahead of the fragments that were read."""
        return self._worker.text

    @property
    def reasoning(self) -> str:
        """What the model thought before it answered, so far; "" where the Space shows none."""
        return self._worker.reasoning

    async def text(self) -> str:
        """Wait for the complete reply, and return it.

        It is the Space's final text, also if fragments of it were read before, or taken back.

        :raises QwenGradioError: if the reply fails, or the stream was closed before its end.
        """
        async for _ in self:
            pass
        return self.partial

    def close(self) -> None:
        """Stop the reply, if it is not complete. Never waits; any thread may call it.

        A task that waits for a fragment gets a `StreamInterruptedError`.
        """
        if self._state == "open":
            self._state = "closed"
            self._worker.stop()

    async def aclose(self) -> None:
        """Stop the reply, if it is not complete. Does not wait until the Space has stopped."""
        self.close()
        await checkpoint()

    async def __aenter__(self) -> FragmentStream:
        return await self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if self._worker.is_started and self._state == "open":
            self.close()
            warnings.warn(
                f"A reply from {self.space} was not read to its end, and is stopped. Read all of "
                "it, or use `async with` or `aclose()`",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )

    def __reduce__(self) -> Any:
        raise TypeError("A stream cannot be copied or pickled")

    def __repr__(self) -> str:
        arrived = f"{len(self.partial)} characters"
        return f"<FragmentStream from {self.space}: {self._state}, {arrived}>"

    def _repr_html_(self) -> str:
        """What a notebook shows of a stream that is a cell's last line."""
        hint = "<br><code>await qwen_gradio.notebook.show(stream)</code>"
        return f"<code>{escape(repr(self))}</code>{hint if self._state == 'open' else ''}"

    def _start(self) -> None:
        if not self._worker.is_started and self._state == "open":
            self._worker.start()
            self._deadline.start()

    async def _next_update(self) -> Update:
        self._start()
        if not self._deadline.is_over():
            if (update := self._worker.updates.get_nowait()) is not None:
                await checkpoint()  # however fast updates come, other tasks get their turn
                return update
            with anyio.CancelScope(deadline=self._deadline.of_next_update()):
                return await self._worker.updates.get()
        raise self._deadline.error(self.space)

    def _raise_if_closed(self) -> None:
        if self._state == "closed":
            closed = StreamInterruptedError(
                "This stream was closed before its end, by an error, a time-out or by leaving a "
                "loop over it. Ask again for a new one"
            )
            raise self._describe(closed)

    def _describe(self, error: QwenGradioError) -> QwenGradioError:
        error.space, error.partial = self.space, self.partial
        return error


async def _call(callback: Callable[[T], object] | None, argument: T) -> None:
    try:
        result = None if callback is None else callback(argument)
        if isinstance(result, Coroutine):
            await result
    except StopAsyncIteration as error:  # it would end the caller's loop, as a reply's end does
        raise RuntimeError("A callback raised StopAsyncIteration") from error


class _Deadline:
    """When a stream gives up: `timeout` after its start, or `stream_timeout` without an update."""

    def __init__(self, timeout: float | None, stream_timeout: float | None) -> None:
        self._timeout = timeout
        self._stream_timeout = float("inf") if stream_timeout is None else stream_timeout
        self._at = float("inf")

    def start(self) -> None:
        """Count `timeout` from now on."""
        if self._timeout is not None:
            self._at = anyio.current_time() + self._timeout

    def is_over(self) -> bool:
        """Whether `timeout` has passed."""
        return self._timeout is not None and anyio.current_time() >= self._at

    def of_next_update(self) -> float:
        """The time until which to wait for an update that is not there yet."""
        return min(self._at, anyio.current_time() + self._stream_timeout)

    def error(self, space: str) -> StreamTimeoutError:
        """The error once that time has passed."""
        if self.is_over():
            what = f"did not complete its reply within timeout={self._timeout} seconds"
        else:
            what = f"sent no update for stream_timeout={self._stream_timeout} seconds"
        return StreamTimeoutError(f"{space} {what}")


class _Loop(AsyncIterator[str]):
    """One `async for` over a stream. Python drops it when the loop is left: so the stream stops."""

    def __init__(self, stream: FragmentStream) -> None:
        self._stream = stream
        self._is_second_reader = False

    async def __anext__(self) -> str:
        try:
            return await self._stream.__anext__()
        except anyio.BusyResourceError:  # the loop that reads already goes on
            self._is_second_reader = True
            raise

    def __del__(self) -> None:
        if not self._is_second_reader:
            self._stream.close()
