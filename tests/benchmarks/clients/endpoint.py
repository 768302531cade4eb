"""A minimal reader of the streams of an endpoint in OpenAI's format."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from . import Ask, Heard


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Ask]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(f"{url}/", connector=connector) as session:

        async def ask(query: str, heard: Heard) -> None:
            messages = [{"role": "user", "content": query}]
            body = {"model": "qwen-2.5-max", "messages": messages, "stream": True}
            async with session.post(
                "chat/completions", json=body, raise_for_status=True
            ) as response:
                async for line in response.content:
                    if line.startswith(b"data: {"):
                        (choice,) = json.loads(line[6:])["choices"]
                        if text := choice["delta"].get("content"):
                            heard(text)

        yield ask
