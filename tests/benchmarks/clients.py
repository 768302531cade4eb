"""The ways to read a reply that are compared: `python -m tests.benchmarks.clients NAME URL LOAD`.

Each returns `ask(query, heard)`, which calls `heard` with each piece of new text as it arrives, and
returns when the reply is complete. The program carries a load, and prints what came of it as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import aiohttp
import httpx
from gradio_client import Client

from qwen_gradio import Qwen_Qwen_2_5_Max, batch

from .loads import Load, question

Heard: TypeAlias = Callable[[str], None]
Ask: TypeAlias = Callable[[str, Heard], Awaitable[None]]


def ours(url: str) -> Ask:
    """This package, as its users call it."""

    async def ask(query: str, heard: Heard) -> None:
        messages = [{"role": "user", "content": query}]
        async for fragment in Qwen_Qwen_2_5_Max.create_async_generator(None, messages, space=url):
            heard(fragment)

    return ask


def reader(url: str) -> Ask:
    """The least code that reads the stamping Space's events: what the others are measured against.

    It knows the function's number and that the text is only appended to, and has no timeouts, no
    retries and no way to stop.
    """
    http = _session(_api(url))

    async def ask(query: str, heard: Heard) -> None:
        joined, where = _requests(query)
        async with http.post("queue/join", json=joined):
            pass
        has_begun = False
        buffer = b""
        async with http.get("queue/data", params=where) as response:
            async for chunk in response.content.iter_any():
                *blocks, buffer = (buffer + chunk).split(b"\n\n")
                for event in (json.loads(block.removeprefix(b"data: ")) for block in blocks):
                    if event["msg"] == "process_generating":
                        data = event["output"]["data"]
                        # The first event has the outputs, the others how they differ.
                        heard("".join(e[2] for e in data[1]) if has_begun else _text(data))
                        has_begun = True

    return ask


def threads(url: str) -> Ask:
    """gradio_client as its guide has it, `for output in job`, in a thread for each reply."""
    client = Client(url, verbose=False, max_workers=250, analytics_enabled=False)

    def read(query: str, heard: Heard) -> None:
        length = 0
        for output in client.submit(query, [], "", api_name="/model_chat"):
            text = _text(output)
            heard(text[length:])
            length = len(text)

    return _in_threads(read)


def updates(url: str) -> Ask:
    """gradio_client's own way for asyncio, `async for update in job`."""
    client = Client(url, verbose=False, max_workers=250, analytics_enabled=False)

    async def ask(query: str, heard: Heard) -> None:
        length = 0
        async for update in client.submit(query, [], "", api_name="/model_chat"):
            if update.type == "output" and not update.final:
                text = _text(update.outputs)
                heard(text[length:])
                length = len(text)

    return ask


def endpoint(url: str) -> Ask:
    """A minimal reader of this package's endpoint, in OpenAI's format."""
    http = _session(f"{url}/")

    async def ask(query: str, heard: Heard) -> None:
        messages = [{"role": "user", "content": query}]
        body = {"model": "qwen-2.5-max", "messages": messages, "stream": True}
        async with http.post("chat/completions", json=body) as response:
            async for line in response.content:
                if line.startswith(b"data: {"):
                    (choice,) = json.loads(line[6:])["choices"]
                    heard(choice["delta"].get("content") or "")

    return ask


def httpx_alone(url: str) -> Ask:
    """The same two requests in a thread, with the library that gradio_client makes them with."""
    api, ssl_context = _api(url), httpx.create_ssl_context()

    def read(query: str, heard: Heard) -> None:
        joined, where = _requests(query)
        with httpx.Client(base_url=api, verify=ssl_context, timeout=60) as http:
            http.post("queue/join", json=joined).raise_for_status()
            with http.stream("GET", "queue/data", params=where) as response:
                for line in filter(None, response.iter_lines()):
                    event = json.loads(line.removeprefix("data: "))
                    if event["msg"] == "process_completed":
                        heard(_text(event["output"]["data"]))

    return _in_threads(read)


CLIENTS = {each.__name__: each for each in (ours, reader, threads, updates, endpoint)}
CLIENTS |= {"batch": ours, "httpx": httpx_alone}


def _session(url: str) -> aiohttp.ClientSession:
    connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=None)
    return aiohttp.ClientSession(url, connector=connector, timeout=timeout, raise_for_status=True)


def _api(url: str) -> str:
    """The address of the queue, which Gradio 4 has at the root."""
    return f"{url}{httpx.get(f'{url}/config').json().get('api_prefix', '')}/"


def _requests(query: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The body of the request that asks, and the parameters of that for the events."""
    where = {"session_hash": secrets.token_hex(6)}
    return {"data": [query, [], ""], "fn_index": 0, **where}, where


def _in_threads(read: Callable[[str, Heard], None]) -> Ask:
    """Read each reply in a thread that ends with it: what is left is the client's."""

    async def ask(query: str, heard: Heard) -> None:
        with ThreadPoolExecutor(1) as thread:
            await asyncio.get_running_loop().run_in_executor(thread, read, query, heard)

    return ask


def _text(outputs: Any) -> str:
    """The text of the reply in a stamping Space's outputs, which Gradio 6 has in a list."""
    content = outputs[1][-1]["content"]
    return str(content if isinstance(content, str) else content[0]["text"])


async def _reply(ask: Ask, query: str, timeout: float | None = None) -> dict[str, Any]:
    """Ask, and note when each fragment was written and when it arrived."""
    asked, stamps, arrived = time.monotonic(), list[float](), list[float]()

    def heard(text: str) -> None:
        now = time.monotonic()
        for piece in text.split():
            number, stamp = piece.split(":")
            if int(number) != len(stamps):
                raise ValueError(f"fragment {number} follows {len(stamps)} others")
            stamps.append(float(stamp))
            arrived.append(now)

    error = None
    asking = asyncio.ensure_future(ask(query, heard))
    await asyncio.wait([asking], timeout=timeout)
    if not asking.done():
        error = "nothing within 20 s"
    elif raised := asking.exception():
        error = type(raised).__name__
    return {"asked": asked, "stamps": stamps, "arrived": arrived, "error": error}


async def _replies(ask: Ask, load: Load) -> list[dict[str, Any]]:
    replies = []
    queries = iter(load.queries())

    async def ask_in_turn() -> None:
        for query in queries:
            # Of the 22 seconds, the reply is written for two at most.
            replies.append(await _reply(ask, query, timeout=22 if load.ending else None))

    await asyncio.gather(*(ask_in_turn() for _ in range(load.streams)))
    return replies


async def _batch(url: str, load: Load) -> list[dict[str, Any]]:
    """Ask as `qwen-gradio batch` does; how late fragments are is not known."""
    queries, at_once = load.queries(), load.streams
    rows = await batch.run(queries, space=url, concurrency=at_once, progress=False)

    async def repeat(text: str, heard: Heard) -> None:
        heard(text)

    return [await _reply(repeat, row["reply"] or "") for row in rows]


async def main(name: str, url: str, options: str) -> None:
    load = Load(**json.loads(options))
    ask = CLIENTS[name](url)
    await _reply(ask, question(3, 0.02))
    await asyncio.sleep(0.5)  # for what a client does after a reply
    threads = threading.active_count()
    began, cpu, main_cpu = time.monotonic(), time.process_time(), time.thread_time()
    replies = await (_batch(url, load) if name == "batch" else _replies(ask, load))
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    thread_cpu = (cpu - (time.thread_time() - main_cpu)) / len(replies)
    end = time.monotonic() + 5
    while threading.active_count() > threads and time.monotonic() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    outcome = {"replies": replies, "seconds": seconds, "cpu": cpu, "thread_cpu": thread_cpu}
    sys.stdout.write(json.dumps({**outcome, "left": threading.active_count() - threads}))
    sys.stdout.flush()
    os._exit(0)  # whatever a client leaves running


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
