"""Measure batches: `python -m tests.benchmarks.batches`.

Throughput is compared with the ideal: concurrency over the seconds that the minimal reader takes
for so many replies at once, of the same server. Each batch runs in a process of its own. Memory is
what is resident, as items go by.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from typing import Any

from qwen_gradio import batch

from ..support.fronts import Forward, Front, Request, answer
from ..support.servers import ROOT
from .client import megabytes
from .measures import SETTLE
from .processes import ClientProcess
from .space import question, replaying_space
from .table import markdown

FRAGMENTS, EVERY = 20, 0.05
CONCURRENCIES = (1, 8, 32)
TURNS = 16
"""How many replies each of those that are asked at once has to write."""


def main() -> None:
    """Measure, as the command line says."""
    parser = argparse.ArgumentParser("python -m tests.benchmarks.batches", description=__doc__)
    parser.add_argument(
        "--items", type=int, default=10_000, metavar="N", help="for the memory; default: 10,000"
    )
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure is not None:
        sys.stdout.write(json.dumps(_measured(**json.loads(options.measure))) + "\n")
        return
    with replaying_space() as url:  # a real one takes a tenth of a second until a reply begins
        _print_throughput(url)
        with Front(_behave, url) as front:
            front.requests = deque(maxlen=100)  # all of them would be what grows
            _print_memory(front.url, options.items)


def _print_throughput(url: str) -> None:
    lines = []
    for concurrency in CONCURRENCIES:
        items = TURNS * concurrency
        took = _in_a_process(
            url=url, items=items, concurrency=concurrency, fragments=FRAGMENTS, every=EVERY
        )
        ideal = concurrency / _reader_seconds(url, concurrency)
        rate = items / took["seconds"]
        cpu = took["cpu"] / items * 1000
        cells = [f"{rate:.2f}/s", f"{ideal:.2f}/s", f"{rate / ideal:.2f}", f"{cpu:.0f} ms"]
        lines.append([f"{concurrency} at once", *cells])
    heads = [f"{FRAGMENTS} fragments, {EVERY * 1000:.0f} ms each"]
    heads += ["replies", "ideal", "ratio", "CPU per item"]
    sys.stdout.write(f"{markdown(heads, lines)}\n\n")


def _reader_seconds(url: str, concurrency: int) -> float:
    """The mean seconds that a reply takes the minimal reader, which reads so many at once."""
    with ClientProcess("reader", url) as client:
        client.ask([question(1)])
        asked = [question(FRAGMENTS, EVERY)] * concurrency
        replies = [reply for _ in range(TURNS) for reply in client.ask(asked).replies]
    return mean(reply.arrived[-1] - reply.asked for reply in replies)


def _behave(request: Request) -> bytes | Forward:
    """Answer questions at once: Gradio itself becomes slower with each that it was asked."""
    if request.path.endswith("/queue/join"):
        return answer("200 OK", '{"event_id": "e"}')
    if request.path.endswith("/queue/data"):
        output = {"data": ["", [["?", "a short reply"]], ""]}
        event = {"msg": "process_completed", "event_id": "e", "success": True, "output": output}
        return answer("200 OK", f"data: {json.dumps(event)}\n\n", "text/event-stream")
    return Forward()


def _print_memory(url: str, items: int) -> None:
    took = _in_a_process(url=url, items=items, concurrency=16, fragments=1, every=0.0)
    lines = [[f"{done:,} items", f"{resident:.0f} MB"] for done, resident in took["resident"]]
    sys.stdout.write(f"{markdown(['memory after', 'resident'], lines)}\n")


def _in_a_process(**what: Any) -> dict[str, Any]:
    command = [sys.executable, "-m", __spec__.name, "--measure", json.dumps(what)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout))


def _measured(
    url: str, items: int, concurrency: int, fragments: int, every: float
) -> dict[str, Any]:
    """Run one batch; its seconds, the CPU seconds in it, and what was resident as it went on."""
    resident: list[tuple[int, float]] = []
    ended = threading.Event()

    def watch(out: Path) -> None:
        """Note the memory after each tenth of the rows, by their lines in the file."""
        rows = 0
        with out.open("rb") as file:
            while not ended.wait(SETTLE / 10) or file.peek(1):
                for _ in file:
                    rows += 1
                    if rows % (items // 10 or 1) == 0:
                        resident.append((rows, megabytes("VmRSS")))

    def prompts() -> Iterator[str]:
        for _ in range(items):
            yield question(fragments, every)

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "replies.jsonl")
        batch.run_sync([question(1)], Path(folder, "warm.jsonl"), space=url, progress=False)
        out.touch()
        watching = threading.Thread(target=watch, args=[out])
        watching.start()
        cpu, began = time.process_time(), time.perf_counter()
        outcome = batch.run_sync(prompts(), out, space=url, concurrency=concurrency, progress=False)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        ended.set()
        watching.join()
    assert outcome.answered == items, outcome
    return {"seconds": seconds, "cpu": cpu, "resident": resident}


if __name__ == "__main__":
    main()
