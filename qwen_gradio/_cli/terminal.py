"""Write notes and errors, without control characters."""

from __future__ import annotations

import errno
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, NoReturn

import typer

from .._controls import strip_controls
from ..errors import QwenGradioError

if TYPE_CHECKING:
    from rich.console import Console


@cache
def notes() -> Console:
    """Return the console for notes and errors. rich is too slow to import for shell completion."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def write(text: str) -> None:
    """Write to standard output, and flush it."""
    sys.stdout.write(strip_controls(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


@contextmanager
def report_errors() -> Iterator[None]:
    """On an error of ours or of a file, exit with code 1 and one line of explanation."""
    try:
        yield
    except (QwenGradioError, OSError) as error:
        if getattr(error, "errno", None) == errno.EPIPE:  # the reader has closed the pipe
            raise
        fail(str(error))


def fail(why: str) -> NoReturn:
    """Exit with code 1 and one line of explanation."""
    note(" ".join(why.split()))
    raise typer.Exit(1)


def note(text: str) -> None:
    """Write a line to standard error."""
    notes().print(f"qwen-gradio: {strip_controls(text)}", markup=False, soft_wrap=True)


def log_to_notes() -> None:
    """Write the package's log as notes."""
    handler = _Notes()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("qwen_gradio")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)


class _Notes(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        note(self.format(record))
