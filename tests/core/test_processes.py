"""Threads, forks, exits, and a thousand streams in one process."""

from __future__ import annotations

import json
import os
import threading

import anyio
import pytest

from ..support.asking import ask
from ..support.programs import program
from ..support.servers import ScriptedSpace, script, tag_of

pytestmark = pytest.mark.anyio


def test_threads_have_loops_of_their_own(scripted: ScriptedSpace, anyio_backend: str) -> None:
    replies: list[str] = []

    async def look() -> None:
        replies.append(await ask(scripted.url, script(say=["here"])).text())

    threads = [
        threading.Thread(target=anyio.run, args=[look], kwargs={"backend": anyio_backend})
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replies == ["here"] * 8


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on Windows")
def test_a_forked_child_asks_on_connections_of_its_own(scripted: ScriptedSpace) -> None:
    done = program(
        scripted.url,
        """
import os
print(asyncio.run(ask("before").text()), flush=True)
child = os.fork()
reply = asyncio.run(ask("after").text())
if child:
    os.waitpid(child, 0)
print(reply)
""",
    )
    assert done.stdout.split() == ["before", "after", "after"]
    assert done.stderr == ""


def test_the_interpreter_exits_during_a_reply(scripted: ScriptedSpace) -> None:
    question = script(say=["x", "y"], finish="hang")
    done = program(
        scripted.url,
        """
async def main():
    global stream
    stream = await ask(sys.argv[2])
    print(await anext(stream))
asyncio.run(main())
""",
        question["content"],
    )
    assert (done.returncode, done.stdout.strip()) == (0, "xy")
    scripted.wait_for("stopped", tag_of(question))


@pytest.mark.slow
def test_a_thousand_streams_leave_nothing_behind(scripted: ScriptedSpace) -> None:
    done = program(
        scripted.url,
        """
import gc, json, threading, time
from pathlib import Path

def held():
    gc.collect()
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))

async def one(number):
    if number % 3 == 0:
        return await ask("whole").text()
    finish = "hang" if number % 3 == 1 else "fail"
    stream = ask(json.dumps({"say": ["x", "y"], "every": 0.01, "finish": finish}))
    try:
        async for _ in stream:
            break
        if number % 3 == 2:
            await stream.text()
    except Exception as error:
        assert type(error).__module__ == "qwen_gradio.errors", error

async def many(count):
    for start in range(0, count, 10):
        await asyncio.gather(*(one(number) for number in range(start, start + 10)))

async def main():
    await many(1000)
    for _ in range(200):
        await asyncio.sleep(0.05)
        if held()[0] <= 2:
            break
    print(json.dumps(held()))
asyncio.run(main())
""",
    )
    assert done.stderr == ""
    threads, files = json.loads(done.stdout)
    assert threads <= 2
    assert files <= 30  # standard streams, the loop's, and the few connections that are kept
