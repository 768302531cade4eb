"""One client in a process of its own: `python -m tests.benchmarks.client NAME URL`.

Each line of standard input is a JSON list of queries. They are asked at once, and a line of
standard output tells what came of them. A first line with a short query warms the connection.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import re
import sys
import time
from array import array
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from .clients import Ask


class Arrivals:
    """When the fragments of a reply were written and when they arrived.

    Arrays, as whatever is kept here counts as the client's memory.
    """

    def __init__(self) -> None:
        self.asked = time.monotonic()
        self.numbers = array("l")
        self.stamps = array("d")
        self.arrived = array("d")

    def heard(self, text: str) -> None:
        now = time.monotonic()
        for piece in text.split():
            number, stamp = piece.split(":")
            self.numbers.append(int(number))
            self.stamps.append(float(stamp))
            self.arrived.append(now)

    def as_json(self) -> dict[str, Any]:
        return {
            "asked": self.asked,
            "numbers": self.numbers.tolist(),
            "stamps": self.stamps.tolist(),
            "arrived": self.arrived.tolist(),
        }


async def _reply(ask: Ask, query: str) -> Arrivals:
    arrivals = Arrivals()
    await ask(query, arrivals.heard)
    return arrivals


async def _measured(ask: Ask, queries: list[str]) -> dict[str, Any]:
    _forget_peak()
    memory, cpu = megabytes("VmRSS"), time.process_time()
    replies = await asyncio.gather(*(_reply(ask, query) for query in queries))
    cpu, memory = time.process_time() - cpu, megabytes("VmHWM") - memory
    return {"replies": [reply.as_json() for reply in replies], "cpu": cpu, "memory": memory}


def _forget_peak() -> None:
    """Let VmHWM begin again at what the process needs now: so Linux does, told 5.

    What was freed before is given back, or a reply that fits there would seem to take no memory.
    """
    gc.collect()
    with suppress(AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def megabytes(field: str) -> float:
    """What Linux tells of this process's memory, by its name for it."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found, field
    return int(found[1]) / 1024


async def main(name: str, url: str) -> None:
    """Ask what standard input says, until it ends."""
    connected = import_module(f".clients.{name}", __package__).connected
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with connected(url) as ask:
        async for line in lines:
            sys.stdout.write(json.dumps(await _measured(ask, json.loads(line))) + "\n")
            sys.stdout.flush()
    pipe.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
