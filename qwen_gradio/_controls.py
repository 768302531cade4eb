"""Strip control characters, so that a Space cannot drive the user's terminal."""

from __future__ import annotations

import re

CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""All but newline and tab."""


def without_controls(text: str) -> str:
    """Return text without control characters."""
    return CONTROL_CHARACTERS.sub("", text)
