"""Text from elsewhere, as it may be written to a terminal. Pure."""

from __future__ import annotations

import re

CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""All but newline and tab. A terminal takes commands in them, which a Space must not give."""


def without_controls(text: str) -> str:
    """Remove the characters by which a terminal is controlled."""
    return CONTROL_CHARACTERS.sub("", text)


def one_line(text: str) -> str:
    """Return a text without them, and without line breaks."""
    return " ".join(without_controls(text).split())
