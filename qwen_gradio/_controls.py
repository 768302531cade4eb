"""Strip control characters: a Space must not control the user's terminal."""

from __future__ import annotations

import re

CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""All but newline and tab."""


def strip_controls(text: str) -> str:
    """Return text without control characters."""
    return CONTROL_CHARACTERS.sub("", text)
