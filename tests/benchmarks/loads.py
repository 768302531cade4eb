"""The Space, what clients ask it, and the figures that come of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from ..support.forks import started
from ..support.servers import QUIET, ROOT, UNTRACED, python_with

USUAL = ("ours", "threads", "updates")


@contextmanager
def stamping_space(gradio: str) -> Iterator[str]:
    """The URL of a stamping Space, while it runs."""
    program = str(Path(__file__).with_name("stamping.py"))
    process = started([python_with(gradio), program], UNTRACED | QUIET)
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        try:
            lines = (line for line in process.stdout if line.startswith("{"))
            yield json.loads(next(lines))["url"]
        finally:
            process.kill()  # Gradio takes seconds to close an app
            process.wait()


def question(fragments: int, every: float, ending: str | None = None) -> str:
    """The query for a reply, whose fragments take `every` seconds each on average.

    :param ending: "raise" an error after them, or let the Space "die"; otherwise it completes.
    """
    return json.dumps({"fragments": fragments, "every": every, "ending": ending})


class Load(NamedTuple):
    """`turns * streams` questions, of which `streams` are asked at once, and who is to ask them."""

    name: str
    streams: int
    fragments: int
    every: float
    turns: int = 1
    ending: str | None = None
    clients: tuple[str, ...] = (*USUAL, "reader")

    def queries(self) -> list[str]:
        one = question(self.fragments, self.every, self.ending)
        return [one] * (self.turns * self.streams)


LOADS = (
    Load("one", streams=1, fragments=100, every=0.033, turns=3),
    Load("twenty", streams=20, fragments=100, every=0.033),
    Load("raise", streams=1, fragments=2, every=0.5, ending="raise", clients=USUAL),
    Load("die", streams=1, fragments=2, every=0.5, ending="die", clients=USUAL),
    Load("hundred", streams=100, fragments=10, every=0.5, clients=(*USUAL, "reader", "endpoint")),
    Load("short", streams=1, fragments=1, every=0.0, turns=60, clients=("ours", "httpx")),
    # So long, as a Gradio server begins only about seven replies a second.
    Load("batch", streams=8, fragments=20, every=0.1, turns=8, clients=("batch", "reader")),
)


class Reply(NamedTuple):
    """When the question was asked, when each fragment was written and arrived, and an error."""

    asked: float
    stamps: list[float]
    arrived: list[float]
    error: str | None

    def lags(self) -> list[float]:
        return [a - s for s, a in zip(self.stamps, self.arrived, strict=True)]


def run(name: str, url: str, load: Load) -> dict[str, Any]:
    """Have a client carry a load in a fresh process, and return the figures.

    `first`, `lag` and `cpu` are seconds, and `thread_cpu` those of a reply outside the main thread;
    `rate` is in replies a second. `complete` and `left` count replies and threads. `reply` is one
    of the replies, and `seen` what the caller sees of its end.
    """
    options = json.dumps(load._asdict())
    done = subprocess.run(
        [sys.executable, "-m", f"{__package__}.clients", name, url, options],
        cwd=ROOT,
        env=os.environ | QUIET | {"NO_PROXY": "127.0.0.1"},
        stdout=subprocess.PIPE,
        check=True,
        timeout=900,
    )
    outcome = json.loads(done.stdout)
    replies = [Reply(**reply) for reply in outcome.pop("replies")]
    return {
        "first": median(reply.arrived[0] - reply.asked for reply in replies if reply.arrived),
        "lag": median(lag for reply in replies for lag in reply.lags()),
        "rate": len(replies) / outcome["seconds"],
        "complete": sum(len(r.stamps) == load.fragments and not r.error for r in replies),
        "reply": replies[0],
        "seen": replies[0].error or "looks complete",
        **outcome,
    }
