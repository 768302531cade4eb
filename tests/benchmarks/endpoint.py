"""Measure the endpoint, next to the library itself: `python -m tests.benchmarks.endpoint`.

Both carry the same load, a hundred streams at once, in turns, on the same Space.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from statistics import median

from ..support.endpoints import endpoint_command
from .measures import LOADS, Figures, run
from .space import stamping_space

ROUNDS = 4
(LOAD,) = (load for load in LOADS if load.name == "hundred")


def megabytes(process: subprocess.Popen[str]) -> float:
    """The memory that a process has."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found, status
    return int(found[1]) / 1024


def main() -> None:
    """Measure, and print the figures."""
    figures: dict[str, list[Figures]] = {"ours": [], "endpoint": []}
    memory: list[float] = []
    with (
        stamping_space() as space,
        endpoint_command(QWEN_GRADIO_SPACE=space) as (process, url),
    ):
        for _ in range(ROUNDS):
            figures["ours"].append(run("ours", space, LOAD)[0])
            figures["endpoint"].append(run("endpoint", url, LOAD)[0])
            memory.append(megabytes(process))
    for name, rounds in figures.items():
        row = {key: median(each[key] for each in rounds) for key in ("lag", "p95", "complete")}
        sys.stdout.write(
            f"{name}: median lag {row['lag'] * 1000:.1f} ms, p95 {row['p95'] * 1000:.1f} ms, "
            f"{row['complete']:.0f} of {LOAD.streams} replies complete\n"
        )
    sys.stdout.write(f"memory after each round: {', '.join(f'{mb:.0f}' for mb in memory)} MB\n")


if __name__ == "__main__":
    main()
