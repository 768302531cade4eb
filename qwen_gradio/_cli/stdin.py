"""Piped input, as a question or as a file of them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ..errors import InvalidItemsError
from .terminal import fail

STANDARD_INPUT = Path("-")
"""Standard input, on the command line."""

BLANK = b" \t\r\n\xef\xbb\xbf"
"""What may precede the first item: blank lines, and UTF-8's byte order mark."""


def with_piped_text(prompt: str | None) -> str:
    """Return the prompt followed by piped input; for "-" or None, only the input."""
    if prompt == "-":  # also what is typed
        return read(sys.stdin.read)
    piped = "" if sys.stdin.isatty() else read(sys.stdin.read)
    return "\n\n".join(text for text in (prompt, piped) if text and text.strip())


def read(read: Callable[[], str]) -> str:
    """Read from standard input. If it is not text, exit with code 1 and one line of explanation."""
    try:
        text = read()
    except UnicodeDecodeError as error:
        fail(f"standard input is not {error.encoding} text: {error.reason}")
    return text.removeprefix("\ufeff")  # UTF-8's byte order mark, which PowerShell adds


@contextmanager
def items_file(path: Path) -> Iterator[Path]:
    """Give the file to read items from: for "-", a copy of standard input.

    :raises InvalidItemsError: if the block does; this one begins with the file's name.
    """
    with ExitStack() as opened:
        source = str(path)
        if path == STANDARD_INPUT:
            folder = opened.enter_context(TemporaryDirectory(prefix="qwen-gradio-"))
            path, source = _copy_to(Path(folder))
        try:
            yield path
        except InvalidItemsError as error:
            raise InvalidItemsError(f"{source}: {error}") from None


def _copy_to(folder: Path) -> tuple[Path, str]:
    """Copy standard input to a file, whose suffix is that of its format, and describe it."""
    copy = folder / "items.txt"
    with copy.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    with copy.open("rb") as file:
        first = next(filter(None, (line.lstrip(BLANK) for line in file)), b"")[:1].decode("latin-1")
    if first not in ("{", "["):
        return copy, "standard input"
    # As text, an array that spans lines would be taken for a prompt on each of them.
    json_copy = copy.rename(copy.with_suffix(".json"))
    return json_copy, f"standard input, which begins with {first} as JSON does"
