"""gradio_client as its guide has it, `for output in job`, in a thread for each reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from gradio_client import Client

from . import Ask, Heard, text_of

AT_ONCE = 250


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Ask]:
    loop = asyncio.get_running_loop()
    client = Client(url, verbose=False, max_workers=AT_ONCE, analytics_enabled=False)

    def read(query: str, heard: Heard) -> None:
        length = 0
        for output in client.submit(query, [], "", api_name="/model_chat"):
            text = text_of(output)
            heard(text[length:])
            length = len(text)

    async def ask(query: str, heard: Heard) -> None:
        await loop.run_in_executor(pool, read, query, heard)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield ask
    client.close()
