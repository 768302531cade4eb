"""What is said where an optional dependency is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needing(extra: str) -> Iterator[None]:
    """Name the extra to install where a module that is imported in the `with` block is missing.

    :raises ModuleNotFoundError: if one is.
    """
    try:
        yield
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            f"{missing.name} is not installed. Run: pip install 'qwen-gradio[{extra}]'",
            name=missing.name,
        ) from None
