"""A reply in a notebook, as Markdown that grows while it is written."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Generator, Sequence
from functools import cache
from html import escape
from typing import Any

import anyio

from ._stream import FragmentStream
from ._tasks import task_group
from ._updates import StreamStatus
from .sync import Fragments, without_await

try:
    from IPython import get_ipython
    from IPython.display import display
    from IPython.terminal.interactiveshell import TerminalInteractiveShell
    from markdown_it import MarkdownIt
    from markdown_it.token import Token
    from mdit_py_plugins.dollarmath import dollarmath_plugin
    from mdit_py_plugins.texmath import texmath_plugin
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"{missing.name} is not installed. Run: pip install 'qwen-gradio[notebook]'"
    ) from None

REDRAW_EVERY = 0.05
"""Seconds between two redraws, at the least."""


class Shown(str):
    """A reply that was shown. The cell that showed it does not do so again if it ends in it."""

    def __init__(self, text: str) -> None:
        self._cell = _cell()

    def __await__(self) -> Generator[Any, Any, Shown]:
        return self
        yield  # makes this a generator, as __await__ must return one

    def _ipython_display_(self) -> None:
        if _cell() != self._cell:
            display(str(self))  # type: ignore[no-untyped-call]


def show(stream: FragmentStream | Fragments) -> Any:
    """Show a reply in the cell's output while it is written, and return its text.

    Before it begins, the place in the queue and the time left are shown. Interrupting the cell
    stops the Space's work on the reply. IPython on a terminal gets the text alone.

    :param stream: what a provider, a `Chat` or `qwen_gradio.stream` gives.
    :return: the text. In a cell with `await`, and in an `async def`, it is to be awaited:
        `await show(stream)`. Elsewhere, and there in a comprehension before Python 3.12,
        `show(stream)` waits for the reply by itself.
    :raises QwenGradioError: if the reply cannot be had, or not to its end.
    :raises RuntimeError: outside of IPython.
    """
    if get_ipython() is None:
        raise RuntimeError("show is for notebooks; elsewhere, loop over qwen_gradio.stream(...)")
    source = stream.stream if isinstance(stream, Fragments) else stream
    if _caller_can_await():
        return _show(source)
    return without_await(_show)(source)


async def _show(stream: FragmentStream) -> Shown:
    if isinstance(get_ipython(), TerminalInteractiveShell):  # where nothing can be drawn anew
        await _write(stream)
    else:
        await _draw(stream)
    return Shown(stream.partial)


async def _write(stream: FragmentStream) -> None:
    try:
        async for fragment in stream:
            sys.stdout.write(fragment)
            sys.stdout.flush()
    finally:
        sys.stdout.write("\n")


async def _draw(stream: FragmentStream) -> None:
    view = _View(stream)
    told = stream.on_status

    def tell(status: StreamStatus) -> None:
        view.status = str(status)
        view.changed.set()
        if told is not None:
            told(status)

    stream.on_status = tell
    try:
        async with task_group() as drawing:
            drawing.start_soon(view.keep_up)
            async for _ in stream:
                view.changed.set()
            drawing.cancel_scope.cancel()
    finally:
        stream.on_status = told
        view.status = ""
        view.draw()


class _View:
    """A stream's place in a cell's output."""

    def __init__(self, stream: FragmentStream) -> None:
        self.status = "Connecting"
        self.changed = anyio.Event()
        self._stream = stream
        self._handle: Any = display(  # type: ignore[no-untyped-call]
            self._bundle(), raw=True, display_id=True
        )

    async def keep_up(self) -> None:
        while True:
            await self.changed.wait()
            self.changed = anyio.Event()
            self.draw()
            await anyio.sleep(REDRAW_EVERY)

    def draw(self) -> None:
        self._handle.update(self._bundle(), raw=True)

    def _bundle(self) -> dict[str, str]:
        text = self._stream.partial
        if not text:
            return {"text/plain": self.status}
        return {"text/plain": text, "text/markdown": text, "text/html": _markdown().render(text)}


@cache
def _markdown() -> MarkdownIt:
    """Markdown to HTML, in which a reply can neither run scripts nor load images.

    Notebooks trust what their own cells put out, and would run what is in there.
    """
    markdown = MarkdownIt("js-default").disable("image")
    texmath_plugin(markdown, delimiters="brackets")
    dollarmath_plugin(markdown, allow_space=False, allow_digits=False)
    markdown.add_render_rule("math_inline", _math("\\(", "\\)"))
    markdown.add_render_rule("math_block", _math("\\[", "\\]"))
    return markdown


def _math(opened: str, closed: str) -> Callable[..., str]:
    """A formula as notebooks find it, and typeset it."""

    def render(_: Any, tokens: Sequence[Token], index: int, *rest: Any) -> str:
        return opened + escape(tokens[index].content) + closed

    return render


def _cell() -> int:
    """The number of the cell that runs."""
    return int(get_ipython().execution_count)


def _caller_can_await() -> bool:
    """Whether `show` was called from code that can await, as a cell with `await` in it is."""
    flags = sys._getframe(2).f_code.co_flags
    return bool(flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR))
