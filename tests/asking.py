"""How tests ask a Space."""

from __future__ import annotations

from typing import Any

from qwen_gradio import FragmentStream, Qwen_Qwen_2_5_Max

from .servers import ScriptedSpace, ZooSpace


def ask(
    space: str | ScriptedSpace | ZooSpace, *messages: dict[str, Any], **options: Any
) -> FragmentStream:
    """Ask a Space as a registry does, and once unless `max_retries` says otherwise."""
    url = space if isinstance(space, str) else space.url
    options = {"max_retries": 0, **options}
    return Qwen_Qwen_2_5_Max.create_async_generator(
        "qwen-2-5-max", list(messages), space=url, **options
    )
