"""The least code that reads a Space's event stream right: what the others are measured against.

It knows the endpoint's number and that a reply is the second output's last turn, asks the Space
nothing about itself, and has no time-outs, no retries and no way to stop.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from . import Ask, Heard, text_of


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Ask]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(f"{url}/gradio_api/", connector=connector) as http:

        async def ask(query: str, heard: Heard) -> None:
            session_hash = secrets.token_hex(6)
            question = {"data": [query, [], ""], "fn_index": 0, "session_hash": session_hash}
            async with http.post("queue/join", json=question, raise_for_status=True):
                pass
            outputs: list[Any] = []
            length = 0
            async for event in _events(http, session_hash):
                if event["msg"] == "process_generating":
                    outputs = _updated(outputs, event["output"]["data"])
                    text = text_of(outputs)
                    heard(text[length:])
                    length = len(text)
                elif event["msg"] == "unexpected_error" or not event.get("success", True):
                    raise RuntimeError(event)

        yield ask


async def _events(http: aiohttp.ClientSession, session_hash: str) -> AsyncIterator[dict[str, Any]]:
    no_limit = aiohttp.ClientTimeout(total=None)
    where = {"session_hash": session_hash}
    async with http.get(
        "queue/data", params=where, timeout=no_limit, raise_for_status=True
    ) as response:
        buffer = b""
        async for chunk in response.content.iter_any():
            *blocks, buffer = (buffer + chunk).split(b"\n\n")
            for block in blocks:
                yield json.loads(block.removeprefix(b"data: "))


def _updated(outputs: list[Any], news: list[Any]) -> list[Any]:
    """The outputs after an event: the first has them whole, the others how they differ."""
    if not outputs:
        return news
    return [_patched(output, edits) for output, edits in zip(outputs, news, strict=True)]


def _patched(value: Any, edits: list[Any]) -> Any:
    for action, path, new in edits:
        if not path:
            value = value + new if action == "append" else new
            continue
        holder = value
        for key in path[:-1]:
            holder = holder[key]
        if action == "append":
            holder[path[-1]] += new
        elif action == "replace" or (action == "add" and isinstance(holder, dict)):
            holder[path[-1]] = new
        elif action == "add":
            holder.insert(path[-1], new)
        elif action == "delete":
            del holder[path[-1]]
    return value
