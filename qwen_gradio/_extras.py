"""Name the extra to install when an optional dependency is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def require_extra(extra: str) -> Iterator[None]:
    """Translate a failed import in the `with` block into an error that names the extra.

    :raises ModuleNotFoundError: if a module is missing.
    """
    try:
        yield
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            f"{missing.name} is not installed. Run: pip install 'qwen-gradio[{extra}]'",
            name=missing.name,
        ) from None
