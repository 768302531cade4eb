"""Read piped input, as a question or as a file of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

from ..errors import InvalidItemsError
from .terminal import fail

STANDARD_INPUT = Path("-")
"""Standard input, on the command line."""

BLANK = b" \t\r\n\xef\xbb\xbf"
"""Bytes before the first item: blank lines, and UTF-8's byte order mark."""


def with_piped_text(prompt: str | None) -> str:
    """Return the prompt followed by piped input; for "-" or None, only the input."""
    if prompt == "-":  # on a terminal, too
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
    is_piped = path == STANDARD_INPUT
    with TemporaryDirectory(prefix="qwen-gradio-") if is_piped else nullcontext("") as folder:
        source = str(path)
        if is_piped:
            source = "standard input"
            path = Path(folder, "items.txt")
            items = sys.stdin.buffer.read()
            if (first := items.lstrip(BLANK)[:1]) in (b"{", b"["):
                source += f", which begins with {first.decode()} as JSON does"
                path = path.with_suffix(".json")
            path.write_bytes(items)
        try:
            yield path
        except InvalidItemsError as error:
            raise InvalidItemsError(f"{source}: {error}") from None
