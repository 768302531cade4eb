"""How soon a reply that is left lets go: of the caller, of the interpreter, of the Space."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from typing import Any

from qwen_gradio import Qwen_Qwen_2_5_Max
from qwen_gradio._stream import FragmentStream

from ..support.servers import ROOT, ScriptedSpace, script, tag_of
from .measures import SETTLE, Figures

TIMES = 10

PROGRAM = """
import asyncio, sys, time
from tests.benchmarks.leaving import begun
async def main():
    global stream
    stream = await begun(sys.argv[1], {"role": "user", "content": sys.argv[2]})
asyncio.run(main())
print(time.monotonic(), flush=True)
"""


def leaving(times: int = TIMES) -> Figures:
    """Seconds from leaving a reply, the longest of several times.

    `cancel` is until the caller goes on, of a Space that no longer answers; `exit` until the
    interpreter has exited, and `stop` until the Space has stopped.
    """
    space = ScriptedSpace()
    try:
        measures = {"cancel": _cancel, "exit": _exit, "stop": _stop}
        return {
            name: max(measure(space) for _ in range(times)) for name, measure in measures.items()
        }
    finally:
        space.process.send_signal(signal.SIGCONT)
        space.close()


async def begun(url: str, question: dict[str, Any]) -> FragmentStream:
    """A reply whose first fragment has arrived."""
    stream = await Qwen_Qwen_2_5_Max.create_async_generator(None, [question], space=url)
    await stream.__anext__()
    return stream


def _endless() -> dict[str, Any]:
    return script(say=["x"], finish="hang")


def _cancel(space: ScriptedSpace) -> float:
    async def main() -> float:
        stream = await begun(space.url, _endless())
        reading = asyncio.create_task(stream.text())
        space.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(SETTLE)
        left = time.monotonic()
        reading.cancel()
        await asyncio.wait([reading])
        return left

    left = asyncio.run(main())
    taken = time.monotonic() - left
    space.process.send_signal(signal.SIGCONT)
    time.sleep(SETTLE)
    return taken


def _exit(space: ScriptedSpace) -> float:
    command = [sys.executable, "-c", PROGRAM, space.url, _endless()["content"]]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return time.monotonic() - float(done.stdout)


def _stop(space: ScriptedSpace) -> float:
    question = _endless()

    async def main() -> float:
        stream = await begun(space.url, question)
        left = time.monotonic()
        await stream.aclose()
        return left

    left = asyncio.run(main())
    space.wait_for("stopped", tag_of(question))
    return time.monotonic() - left
