"""What callers see of a Space that fails, by way to ask it: `python -m tests.benchmarks.faults`.

The Space writes two fragments, and then its code raises, or it is killed.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from importlib import import_module

from ..support.servers import ROOT, ScriptedSpace, query
from .clients import CLIENTS
from .table import markdown

PYTHON_CLIENTS = ("ours", "threads", "updates")
PATIENCE = 20
"""Seconds after which a caller counts as waiting forever."""
ENDINGS = {"its code raises": "fail", "it is killed": "hang"}


def main() -> None:
    """Measure, and print the table."""
    lines = [
        [ending, *(_seen(name, finish) for name in PYTHON_CLIENTS)]
        for ending, finish in ENDINGS.items()
    ]
    heads = ["after two fragments", *(CLIENTS[name] for name in PYTHON_CLIENTS)]
    sys.stdout.write(f"{markdown(heads, lines)}\n")


def _seen(name: str, finish: str) -> str:
    """What a caller sees, in words."""
    space = ScriptedSpace()
    command = [sys.executable, "-m", __spec__.name, name, space.url, finish]
    try:
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as caller:
            assert caller.stdout is not None
            assert "asked" in caller.stdout.readline()
            if finish == "hang":
                space.process.kill()
            began = time.monotonic()
            try:
                said = caller.communicate(timeout=PATIENCE)[0]
            except subprocess.TimeoutExpired:
                caller.kill()
                return f"nothing within {PATIENCE} s"
            return f"{said.strip()}, after {time.monotonic() - began:.1f} s"
    finally:
        space.close()


async def _ask(name: str, url: str, finish: str) -> None:
    """Ask, and say how it ended."""
    connected = import_module(f".clients.{name}", __package__).connected
    fragments = []

    def heard(text: str) -> None:
        fragments.append(text)
        if len(fragments) == 1:
            sys.stdout.write("asked\n")
            sys.stdout.flush()

    async with connected(url) as ask:
        try:
            await ask(query(say=["one ", "two "], every=0.5, finish=finish), heard)
        except Exception as error:
            sys.stdout.write(type(error).__name__)
        else:
            sys.stdout.write("a complete reply")
        sys.stdout.flush()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(_ask(*sys.argv[1:]))
    else:
        main()
