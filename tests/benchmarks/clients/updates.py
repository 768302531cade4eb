"""gradio_client's own way for asyncio, `async for update in job`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gradio_client import Client

from . import Ask, Heard, text_of

AT_ONCE = 250


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Ask]:
    client = Client(url, verbose=False, max_workers=AT_ONCE, analytics_enabled=False)

    async def ask(query: str, heard: Heard) -> None:
        length = 0
        async for update in client.submit(query, [], "", api_name="/model_chat"):
            if update.type == "output" and not update.final:
                text = text_of(update.outputs)
                heard(text[length:])
                length = len(text)

    yield ask
    client.close()
