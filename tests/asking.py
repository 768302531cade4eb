"""How tests ask a Space."""

from __future__ import annotations

from typing import Any

from qwen_gradio import Qwen_Qwen_2_5_Max
from qwen_gradio._stream import FragmentStream


def ask(space: str, *messages: dict[str, Any], **options: Any) -> FragmentStream:
    """Ask the Space at a URL, as a registry does."""
    return Qwen_Qwen_2_5_Max.create_async_generator(
        "qwen-2-5-max", list(messages), space=space, **options
    )
