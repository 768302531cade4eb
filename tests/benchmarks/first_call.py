"""The first call of a process, over a distance: `python -m tests.benchmarks.first_call NAME URL`.

Prints the seconds from asking until the first fragment. Libraries are imported before by every
client alike: this package would import them when it first asks, a program of the other kind on
its first line.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from importlib import import_module

from ..support.servers import ROOT
from .proxy import proxied
from .space import question

CONNECTING, ONE_WAY = 0.2, 0.05
"""Seconds for each new connection, as TCP and TLS take at 100 ms, and for each direction."""
LIBRARIES = ("gradio_client", "httpcore")
"""Imported before the clock starts."""


def first_call(name: str, url: str) -> float:
    """Seconds until the first fragment of the first call of a new process."""
    with proxied(url, connecting=CONNECTING, one_way=ONE_WAY) as (distant, _):
        done = subprocess.run(
            [sys.executable, "-m", __name__, name, distant],
            cwd=ROOT,
            env=os.environ | {"GRADIO_ANALYTICS_ENABLED": "False", "NO_PROXY": "127.0.0.1"},
            check=True,
            capture_output=True,
            text=True,
        )
    return float(done.stdout)


async def main(name: str, url: str) -> None:
    """Ask once, and print how long the first fragment took."""
    for library in LIBRARIES:
        import_module(library)
    connected = import_module(f".clients.{name}", __package__).connected
    arrived: list[float] = []
    asked = time.monotonic()
    async with connected(url) as ask:
        await ask(question(2), lambda text: arrived.append(time.monotonic()))
    sys.stdout.write(f"{arrived[0] - asked}\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
