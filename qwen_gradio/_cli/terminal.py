"""What commands write and read: replies, notes, errors, standard input."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from .._stream import FragmentStream
from .._updates import StreamStatus
from ..errors import QwenGradioError

CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""All but newline and tab. A terminal takes commands in them, which a Space must not give."""

notes = Console(stderr=True, highlight=False)


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


async def write_reply(stream: FragmentStream) -> None:
    """Write the fragments of a reply as they arrive, and on a terminal the reasoning before it."""
    spinner = notes.status("Connecting")  # shows nothing unless standard error is a terminal
    reply, reasoning = _Lines(write), _Lines(_write_reasoning)

    def show(status: StreamStatus) -> None:
        spinner.update(escape(_without_controls(str(status))))

    def think(text: str) -> None:
        spinner.stop()
        reasoning.add(text)

    stream.on_status = show
    if notes.is_terminal:
        stream.on_reasoning = think
    spinner.start()
    try:
        async for fragment in stream:
            spinner.stop()
            reasoning.end()
            reply.add(fragment)
    finally:
        spinner.stop()
        reasoning.end()
        reply.end()


def write(text: str) -> None:
    sys.stdout.write(_without_controls(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


def _write_reasoning(text: str) -> None:
    notes.out(_without_controls(text), style="dim", end="", highlight=False)


def _without_controls(text: str) -> str:
    return CONTROL_CHARACTERS.sub("", text)


def with_piped_text(prompt: str) -> str:
    """Return the prompt, followed by what is piped to standard input; "-" is the latter alone."""
    if prompt == "-":
        return read(sys.stdin.read)
    piped = "" if sys.stdin.isatty() else read(sys.stdin.read)
    return f"{prompt}\n\n{piped}" if piped.strip() else prompt


def read(read: Callable[[], str]) -> str:
    """Read from standard input."""
    try:
        return read()
    except UnicodeDecodeError as error:
        fail(f"standard input is not {error.encoding} text: {error.reason}")


@contextmanager
def reported_errors() -> Iterator[None]:
    """Turn errors of ours and of files into exit code 1 and one line of explanation."""
    try:
        yield
    except QwenGradioError as error:
        fail(str(error))
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader has closed the pipe
            raise
        fail(str(error))


def fail(why: str) -> NoReturn:
    note(" ".join(why.split()))
    raise typer.Exit(1)


def note(text: str) -> None:
    notes.print(f"qwen-gradio: {_without_controls(text)}", markup=False, soft_wrap=True)
