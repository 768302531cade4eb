"""How tests ask a Space."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Literal

import pytest

from qwen_gradio import FragmentStream, Qwen_Qwen_2_5_Max, StreamTimeoutError

from .servers import PATIENCE, ScriptedSpace, ZooSpace

on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"])
"""For what takes long, in a file that otherwise runs on trio as well."""


def ask(
    space: str | ScriptedSpace | ZooSpace, *messages: dict[str, Any], **options: Any
) -> FragmentStream:
    """Ask a Space as a registry does, and once unless `max_retries` says otherwise."""
    url = space if isinstance(space, str) else space.url
    options = {"max_retries": 0, **options}
    return Qwen_Qwen_2_5_Max.create_async_generator(
        "qwen-2-5-max", list(messages), space=url, **options
    )


async def begun(
    space: ScriptedSpace, question: dict[str, Any], option: Literal["timeout", "stream_timeout"]
) -> FragmentStream:
    """Return a stream whose first fragment, "x", has arrived, and which may now time out.

    Its timeout is a second, or more where the Space needs more for that fragment.
    """
    for seconds in (1.0, 10.0, PATIENCE):
        stream = await ask(space, question, **{option: seconds})
        with suppress(StreamTimeoutError):
            assert await stream.__anext__() == "x"
            return stream
    raise AssertionError("The Space began no reply")
