"""Show a reply in a notebook, as Markdown that is redrawn while the reply streams."""

from __future__ import annotations

import inspect
import sys
from base64 import b64encode
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from functools import cache
from html import escape
from typing import Any

import anyio

from ._controls import strip_controls
from ._extras import require_extra
from ._files.media import type_of_bytes
from ._reply import StreamStatus
from ._reply_files import ReplyFile
from ._stream import FragmentStream
from ._tasks import task_group, to_sync
from .errors import QwenGradioError
from .sync import Fragments

with require_extra("notebook"):
    from IPython import get_ipython
    from IPython.display import display
    from IPython.terminal.interactiveshell import TerminalInteractiveShell
    from markdown_it import MarkdownIt
    from markdown_it.token import Token
    from mdit_py_plugins.dollarmath import dollarmath_plugin
    from mdit_py_plugins.texmath import texmath_plugin

MIN_REDRAW_INTERVAL = 0.05
"""Minimum seconds between two redraws."""
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""Types of pictures to draw. SVG is missing because notebooks run the scripts in it."""


class Shown(str):
    """A reply that was shown. If it is the result of the same cell, it is not displayed again."""

    def __init__(self, text: str) -> None:
        self._cell = _cell()

    def __await__(self) -> Generator[Any, Any, Shown]:
        return self
        yield  # makes this a generator, as __await__ must return one

    def _ipython_display_(self) -> None:
        if _cell() != self._cell:
            display(str(self))  # type: ignore[no-untyped-call]


def show(stream: FragmentStream | Fragments) -> Any:
    """Stream a reply to the cell's output, and return its text.

    Until the reply begins, the output shows the position in the queue and then the last line of the
    reasoning. In the end, the reasoning is folded above the reply. Pictures from the Space itself
    are drawn below the reply; other files become links. Interrupting the cell stops the Space. On a
    terminal, IPython writes only the reply and the URLs of its files.

    :param stream: the stream of a provider, a `Chat` or `qwen_gradio.stream`.
    :return: the text. In a cell with `await` and in an `async def`, use `await show(stream)`.
        Elsewhere, and in comprehensions before Python 3.12, use `show(stream)`.
    :raises QwenGradioError: if the reply fails or is not complete.
    :raises RuntimeError: outside of IPython.
    """
    if get_ipython() is None:
        raise RuntimeError("show() needs IPython. Elsewhere, loop over qwen_gradio.stream(...)")
    if _caller_can_await():
        return _show(stream)
    return to_sync(_show)(stream)


async def _show(given: FragmentStream | Fragments) -> Shown:
    # `given` must stay alive: Fragments close their stream when they are freed.
    stream = given.stream if isinstance(given, Fragments) else given
    if isinstance(get_ipython(), TerminalInteractiveShell):  # a terminal cannot redraw
        await _write(stream)
    else:
        await _draw(stream)
    return Shown(stream.partial)


async def _write(stream: FragmentStream) -> None:
    try:
        async for fragment in stream:
            sys.stdout.write(strip_controls(fragment))
            sys.stdout.flush()
    finally:
        sys.stdout.write("\n")
    for file in stream.files:
        sys.stdout.write(strip_controls(f"{file.mime_type}: {file.url}") + "\n")


async def _draw(stream: FragmentStream) -> None:
    view = _View(stream)
    users_on_status = stream.on_status

    def on_status(status: StreamStatus) -> object:
        view.status = str(status)
        view.changed.set()
        return None if users_on_status is None else users_on_status(status)

    stream.on_status = on_status
    try:
        async with task_group() as drawing:
            drawing.start_soon(view.redraw)
            while await stream.next_piece() is not None:
                view.changed.set()
            drawing.cancel_scope.cancel()
    finally:
        stream.on_status = users_on_status
        view.status = ""
        view.draw()
    for file in stream.files:
        await _draw_file(file)


async def _draw_file(file: ReplyFile) -> None:
    name = file.alt or file.url
    link = (
        f'<a href="{escape(file.url)}" rel="noopener">{escape(name)}</a> ({escape(file.mime_type)})'
    )
    shown = {"text/plain": f"{file.mime_type}: {file.url}", "text/html": link}
    if file.mime_type.startswith("image/"):
        with suppress(QwenGradioError):  # such as for a file on another host; the link remains
            data = await file.read()
            if (kind := type_of_bytes(data)) in PICTURES:
                shown = {"text/plain": name, kind: b64encode(data).decode()}
    display(shown, raw=True)  # type: ignore[no-untyped-call]


class _View:
    """A stream's display in a cell's output."""

    def __init__(self, stream: FragmentStream) -> None:
        self.status = "Connecting"
        self.changed = anyio.Event()
        self._stream = stream
        self._handle: Any = display(  # type: ignore[no-untyped-call]
            self._bundle(), raw=True, display_id=True
        )

    async def redraw(self) -> None:
        while True:
            await self.changed.wait()
            self.changed = anyio.Event()
            self.draw()
            await anyio.sleep(MIN_REDRAW_INTERVAL)

    def draw(self) -> None:
        self._handle.update(self._bundle(), raw=True)

    def _bundle(self) -> dict[str, str]:
        text, reasoning = self._stream.partial, self._stream.reasoning
        if not text and not reasoning:
            return {"text/plain": self.status}
        if not text:
            line = reasoning.strip().rpartition("\n")[2]
            return {"text/plain": line, "text/html": _fold(line, reasoning)}
        html = _markdown().render(text)
        if reasoning:
            html = _fold("Reasoning", reasoning) + html
        return {"text/plain": text, "text/markdown": text, "text/html": html}


def _fold(summary: str, reasoning: str) -> str:
    return (
        f"<details><summary>{escape(summary)}</summary>"
        f'<div style="white-space: pre-wrap">{escape(reasoning)}</div></details>\n'
    )


@cache
def _markdown() -> MarkdownIt:
    """Return a renderer whose HTML can neither run scripts nor load images.

    Notebooks trust the output of their own cells, and would run scripts in it.
    """
    markdown = MarkdownIt("js-default").disable("image")
    texmath_plugin(markdown, delimiters="brackets")
    dollarmath_plugin(markdown, allow_space=False, allow_digits=False)
    markdown.add_render_rule("math_inline", _math("\\(", "\\)"))
    markdown.add_render_rule("math_block", _math("\\[", "\\]"))
    return markdown


def _math(opened: str, closed: str) -> Callable[..., str]:
    """Return a render rule that writes formulas between delimiters that notebooks typeset."""

    def render(_: Any, tokens: Sequence[Token], index: int, *rest: Any) -> str:
        return opened + escape(tokens[index].content) + closed

    return render


def _cell() -> int:
    """Return the number of the running cell."""
    return int(get_ipython().execution_count)


def _caller_can_await() -> bool:
    """Return whether `show` was called from a coroutine, such as a cell with `await`."""
    flags = sys._getframe(2).f_code.co_flags
    return bool(flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR))
