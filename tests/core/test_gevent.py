"""Sync calls in a program whose threads and sockets gevent has replaced with its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ..support.servers import PATIENCE, ScriptedSpace, script, tag_of

EARLY = "from gevent import monkey; monkey.patch_all()\n"
LATE = f"import qwen_gradio, qwen_gradio._gradio.reply\n{EARLY}"
"""gevent should patch before anything else is imported, and some programs do it later."""

PROGRAM = """
import sys
import gevent, qwen_gradio

space, together, hang = sys.argv[1:]

def tick():
    global ticks
    while True:
        ticks += 1
        gevent.sleep(0.01)

ticks = 0
gevent.spawn(tick)
asked = [gevent.spawn(qwen_gradio.ask, together, space=space) for _ in range(2)]
print(*[greenlet.get() for greenlet in asked])
try:
    qwen_gradio.ask(hang, space=space, timeout=1)
except qwen_gradio.StreamTimeoutError as error:
    print(str(error).endswith("within timeout=1 seconds"))
with qwen_gradio.stream(hang, space=space) as fragments:
    print(next(fragments))
print(ticks > 10)
"""


@pytest.mark.parametrize("patch", [EARLY, LATE], ids=["early", "late"])
def test_sync_calls_let_other_greenlets_run(scripted: ScriptedSpace, patch: str) -> None:
    together = script(say=["x"], meet=[f"gevent {len(patch)}", 2])
    hang = script(say=["a", "b"], every=0.1, finish="hang")
    done = subprocess.run(
        [sys.executable, "-c", patch + PROGRAM, scripted.url, together["content"], hang["content"]],
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
    )
    assert (done.stdout, done.stderr) == ("x x\nTrue\nab\nTrue\n", "")
    scripted.wait_for("stopped", tag_of(hang))
