"""Replies, written as they arrive or as JSON, while a spinner shows the status on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio

from .._controls import without_controls
from .._reply import StreamStatus
from .._stream import FragmentStream
from ..errors import QwenGradioError
from .terminal import note, notes, write

if TYPE_CHECKING:
    from rich.status import Status


async def write_reply(stream: FragmentStream) -> None:
    """Write the fragments of a reply as they arrive, and on a terminal the reasoning before it."""
    reply, reasoning = _Lines(write), _Lines(_write_reasoning)

    with _status_of(stream) as spinner:

        def think(text: str) -> None:
            spinner.stop()
            reasoning.add(text)

        if notes().is_terminal:
            stream.on_reasoning = think
        try:
            async for fragment in stream:
                spinner.stop()
                reasoning.end()
                reply.add(fragment)
        finally:
            spinner.stop()
            reasoning.end()
            reply.end()
    for file in stream.files:
        note(f"{file.mime_type}: {file.url}")


async def write_as_json(stream: FragmentStream) -> None:
    """Write the complete reply as one JSON object. If it fails, that is in the object, too."""
    reply = error = None
    began = anyio.current_time()
    try:
        with _status_of(stream):
            reply = await stream.text()
    except QwenGradioError as raised:
        error = raised
    result: dict[str, Any] = {
        "reply": reply,
        "reasoning": stream.reasoning,
        "model": stream.model,
        "space": stream.space,
        "seconds": round(anyio.current_time() - began, 3),
    }
    if stream.files:
        names = ("url", "mime_type", "alt")
        result["files"] = [{name: getattr(file, name) for name in names} for file in stream.files]
    if error is None:
        write(_json(result))
        return
    failure = {"error": type(error).__name__, "why": str(error), "partial": error.partial}
    write(_json({**result, **failure}))
    raise error


class _Lines:
    """Text that is written piece by piece, and whose last line can be ended."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._is_open = False

    def add(self, text: str) -> None:
        if text:
            self._write(text)
            self._is_open = not text.endswith("\n")

    def end(self) -> None:
        if self._is_open:
            self.add("\n")


@contextmanager
def _status_of(stream: FragmentStream) -> Iterator[Status]:
    """Show the status of a request until it is stopped, if standard error is a terminal.

    What the Space warns of, such as that it cut the reply off, is written after the reply.
    """
    from rich.markup import escape

    warnings: list[str] = []

    def show(status: StreamStatus) -> None:
        spinner.update(escape(without_controls(str(status))))
        if status.level == "warning":
            warnings.append(str(status))

    with notes().status("Connecting") as spinner:
        stream.on_status = show
        yield spinner
    for warning in warnings:
        note(warning)


def _write_reasoning(text: str) -> None:
    notes().out(without_controls(text), style="dim", end="", highlight=False)


def _json(value: dict[str, Any]) -> str:
    """Return a value as a line of JSON, without characters that the output cannot encode."""
    line = json.dumps(value, ensure_ascii=False)
    try:
        line.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        line = json.dumps(value)
    return f"{line}\n"
