"""A server that replays the event streams of a real Gradio: `python -m tests.benchmarks.replay`.

A Gradio server begins about seven replies a second, which would be all that is measured of a
thousand streams. This one does nothing for a reply but write it: at its start, it records what a
stamping Space answers to each request, and from then on gives that, with new stamps.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import secrets
import socket
import sys
import time
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from .space import question, stamping_space

RECORDED = 3
"""How many fragments are recorded; those after the first are alike but for their stamp."""
STAMPS = re.compile(rb"(?:\d+:\d+\.\d+ )+")


@dataclass(frozen=True)
class Recording:
    """What a Space said: about itself, and event by event in a reply.

    :ivar before: the events before the first fragment.
    :ivar first: the event with the first fragment, and `further` one with another.
    :ivar after: the events that complete the reply; one of them has all of the text.
    """

    config: bytes
    info: bytes
    event_id: bytes
    before: bytes
    first: bytes
    further: bytes
    after: bytes


async def recorded(url: str) -> Recording:
    """Ask a stamping Space for a short reply, and record it."""
    session = secrets.token_hex(6)
    async with aiohttp.ClientSession() as http:

        async def read(path: str, **options: object) -> bytes:
            async with http.get(url + path, raise_for_status=True, **options) as response:
                return await response.read()

        config, info = await read("/config"), await read("/gradio_api/info")
        asked = {
            "data": [question(RECORDED), [], ""],
            "fn_index": 0,
            "session_hash": session,
        }
        async with http.post(f"{url}/gradio_api/queue/join", json=asked) as response:
            event_id = (await response.json())["event_id"].encode()
        events = await read("/gradio_api/queue/data", params={"session_hash": session})
    blocks = [block + b"\n\n" for block in events.split(b"\n\n") if block]
    written = [block for block in blocks if b'"process_generating"' in block]
    # Gradio ends a reply's diffs with an empty one.
    fragments = [block for block in written if len(STAMPS.findall(block)) == 1]
    first, last = blocks.index(fragments[0]), blocks.index(fragments[-1])
    assert len(fragments) == RECORDED, len(fragments)
    return Recording(
        config,
        info,
        event_id,
        b"".join(blocks[:first]),
        *fragments[:2],
        b"".join(block for block in blocks[last + 1 :] if block not in written),
    )


def app_of(recording: Recording, url: str) -> web.Application:
    """The server; its `url` takes the place of the recorded one in `config`."""
    recorded_root = json.loads(recording.config).get("root", "")
    config = recording.config.replace(recorded_root.encode(), url.encode())
    asked: dict[str, tuple[bytes, dict[str, float]]] = {}

    async def join(request: web.Request) -> web.Response:
        body = await request.json()
        event_id = secrets.token_hex(16)
        asked[body["session_hash"]] = event_id.encode(), json.loads(body["data"][0])
        return web.json_response({"event_id": event_id})

    async def data(request: web.Request) -> web.StreamResponse:
        event_id, script = asked.pop(request.query["session_hash"])
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)

        async def write(events: bytes) -> None:
            await response.write(events.replace(recording.event_id, event_id))

        await write(recording.before)
        text = bytearray()
        for number in range(int(script["fragments"])):
            await asyncio.sleep(script["every"] * random.uniform(0.5, 1.5))
            stamp = b"%d:%.6f " % (number, time.monotonic())
            text += stamp
            fragment = recording.further if number else recording.first
            await write(STAMPS.sub(stamp, fragment))
        await write(STAMPS.sub(bytes(text), recording.after))
        return response

    async def say(body: bytes) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.add_routes(
        [
            web.get("/config", lambda _: say(config)),
            web.get("/gradio_api/info", lambda _: say(recording.info)),
            web.post("/gradio_api/queue/join", join),
            web.get("/gradio_api/queue/data", data),
            web.post("/gradio_api/cancel", lambda _: say(b'{"success": true}')),
        ]
    )
    return app


async def main() -> None:
    """Serve until standard input ends."""
    with stamping_space() as url:
        recording = await recorded(url)
    listener = socket_on_loopback()
    here = f"http://127.0.0.1:{listener.getsockname()[1]}"
    runner = web.AppRunner(app_of(recording, here), access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener, backlog=2048).start()
    sys.stdout.write(json.dumps({"url": here}) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


def socket_on_loopback() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    return listener


if __name__ == "__main__":
    asyncio.run(main())
