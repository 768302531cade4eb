"""What clients are asked to do, and the figures that come of it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import TypeAlias

from ..support.servers import ROOT
from .processes import ClientProcess, Reply
from .proxy import proxied
from .space import question

Figures: TypeAlias = dict[str, float]

WARM_UP = question(3, 0.02)
SETTLE = 0.5
"""Seconds for what a client does after a reply, so that it is not counted for the next one."""


@dataclass(frozen=True)
class Load:
    """Questions for a client: `streams` at once, and that `turns` times.

    :ivar every: seconds before each of a reply's fragments, on average.
    :ivar rest: seconds until the threads that are left are counted.
    :ivar is_replayed: whether it is a server that replays that is asked.
    """

    name: str
    streams: int
    fragments: int
    every: float
    turns: int = 1
    rest: float = SETTLE
    is_replayed: bool = False


LOADS = (
    Load("first", streams=1, fragments=2, every=0.05, turns=15),
    Load("one", streams=1, fragments=100, every=0.033, turns=3),
    Load("twenty", streams=20, fragments=100, every=0.033),
    Load("hundred", streams=100, fragments=10, every=0.5, rest=5.0),
    Load("thousand", streams=1_000, fragments=20, every=0.5, rest=5.0, is_replayed=True),
    Load("long", streams=1, fragments=20_000, every=0.0, is_replayed=True),
)
QUICK_LOADS = (
    Load("one", streams=1, fragments=30, every=0.033),
    Load("twenty", streams=5, fragments=30, every=0.033),
    Load("hundred", streams=20, fragments=5, every=0.1, rest=2.0),
    Load("long", streams=1, fragments=2_000, every=0.0, is_replayed=True),
)


def run(name: str, url: str, load: Load) -> tuple[Figures, Reply]:
    """Have a fresh, warm client carry a load; the figures, and one of its replies.

    Figures are in seconds and megabytes, `fragments` those that arrived in their order, and
    `threads` by stream.
    """
    with ClientProcess(name, url) as client:
        client.ask([WARM_UP])
        time.sleep(SETTLE)
        at_rest = client.threads()
        questions = [question(load.fragments, load.every)] * load.streams
        outcomes = []
        for _ in range(load.turns):
            outcomes.append(client.ask(questions))
            time.sleep(load.rest / load.turns)
        left = client.threads() - at_rest
    replies = [reply for outcome in outcomes for reply in outcome.replies]
    lags = [
        arrived - written
        for reply in replies
        for written, arrived in zip(reply.stamps, reply.arrived, strict=True)
    ]
    figures = {
        "first": median(reply.arrived[0] - reply.asked for reply in replies),
        "lag": median(lags),
        "p95": quantiles(lags, n=20)[-1],
        "total": max(reply.arrived[-1] - reply.asked for reply in replies),
        "cpu": sum(outcome.cpu for outcome in outcomes),
        "memory": max(outcome.memory for outcome in outcomes),
        "threads": max(outcome.threads for outcome in outcomes) / load.streams,
        "left": left,
        "complete": sum(in_order(reply) == load.fragments for reply in replies),
        "fragments": sum(map(in_order, replies)),
    }
    return figures, replies[0]


def in_order(reply: Reply) -> int:
    """How many fragments arrived, up to the first that is missing or out of order."""
    steps = enumerate(reply.numbers)
    return next((place for place, number in steps if number != place), len(reply.numbers))


def requests(name: str, url: str) -> tuple[list[str], list[str]]:
    """The paths that a client requests for its first reply from a Space, and for its second."""
    with proxied(url) as (via, paths), ClientProcess(name, via) as client:
        client.ask([WARM_UP])
        time.sleep(SETTLE)
        first = paths.copy()
        client.ask([WARM_UP])
        time.sleep(SETTLE)
        return first, paths[len(first) :]


def import_time(times: int = 15) -> float:
    """Seconds that importing the provider takes, beyond those of starting Python."""

    def seconds(code: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
        return time.perf_counter() - began

    codes = ("pass", "from qwen_gradio import Qwen_Qwen_2_5_Max")
    pairs = [[seconds(code) for code in codes] for _ in range(times)]
    return median(ours for _, ours in pairs) - median(bare for bare, _ in pairs)


def medians(rounds: Sequence[Figures]) -> Figures:
    """The median of each figure over the rounds."""
    return {name: median(figures[name] for figures in rounds) for name in rounds[0]}
