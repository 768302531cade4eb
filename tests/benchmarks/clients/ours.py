"""This package, as its users call it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from qwen_gradio import Qwen_Qwen_2_5_Max

from . import Ask, Heard


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Ask]:
    async def ask(query: str, heard: Heard) -> None:
        messages = [{"role": "user", "content": query}]
        async for fragment in Qwen_Qwen_2_5_Max.create_async_generator(None, messages, space=url):
            heard(fragment)

    yield ask
