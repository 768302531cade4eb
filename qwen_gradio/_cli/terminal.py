"""What commands write besides replies: notes and errors. None of it can control a terminal."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from rich.console import Console

from ..errors import QwenGradioError

CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""All but newline and tab. A terminal takes commands in them, which a Space must not give."""

notes = Console(stderr=True, highlight=False)


def write(text: str) -> None:
    sys.stdout.write(_without_controls(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


def _without_controls(text: str) -> str:
    return CONTROL_CHARACTERS.sub("", text)


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
