"""Measure every client on the same Space, and print the table.

Clients take turns, each load in a fresh process and on a fresh Space, and that for several rounds:
whatever else the machine does affects all of them. The figures are the medians of the rounds.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from statistics import median, median_low
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from ..support.endpoints import endpoint_command
from .loads import LOADS, Load, Reply, run, stamping_space

TITLES = {
    "ours": "qwen_gradio",
    "threads": "`for output in job`",
    "updates": "`async for update in job`",
    "reader": "reader",
    "endpoint": "endpoint",
}
COLUMNS = {"batch": "ours", "httpx": "reader"}
"""Clients that have no column of their own."""
ROWS = (
    ("from the app to your code, median", "one", "lag", "ms"),
    ("the same, 20 streams at once", "twenty", "lag", "ms"),
    ("first fragment, 20 streams at once", "twenty", "first", "s"),
    ("the app raises an error after two fragments", "raise", "seen", ""),
    ("the Space is killed meanwhile", "die", "seen", ""),
    ("threads left 5 s after 100 streams", "hundred", "left", ""),
    ("CPU time, 20 streams at once", "twenty", "cpu", "s"),
    ("median lag, 100 streams at once", "hundred", "lag", "ms"),
    ("a one-fragment reply: CPU in its thread (reader: httpx)", "short", "thread_cpu", "ms"),
    ("a batch, 8 at once (reader: the ideal)", "batch", "rate", "/s"),
)
"""Titles, loads, figures and their units. The first six are the table of the package's README."""


def main() -> None:
    """Measure, as the command line says."""
    parser = argparse.ArgumentParser("python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short loads, for their counts alone")
    parser.add_argument("--only", metavar="A,B", help=f"these of {', '.join(TITLES)}")
    parser.add_argument("--gradio", default="6", help="6 (default), or 5.49.1 or 4.44.1")
    parser.add_argument("--rounds", type=int, default=3, help="five minutes each (default: 3)")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the fragments' arrivals")
    options = parser.parse_args()
    clients = options.only.split(",") if options.only else list(TITLES)
    if unknown := set(clients) - set(TITLES):
        parser.error(f"no such client: {', '.join(unknown)}")
    taken: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    are_as_wanted = True
    quick = [load._replace(streams=min(load.streams, 20), turns=1) for load in LOADS]
    for load in quick if options.quick else LOADS * options.rounds:
        for name in load.clients:
            column = COLUMNS.get(name, name)
            if column not in clients:
                continue
            figures = _measure(name, load, options.gradio)
            taken[column, load.name].append(figures)
            are_as_wanted &= _check(name, load, figures)
    if not options.quick:
        _print_table(taken)
    if options.picture:
        names = [name for name in TITLES if (name, "one") in taken]
        _draw({name: taken[name, "one"][-1]["reply"] for name in names}, options.picture)
    if not are_as_wanted:
        sys.exit("Not every reply ended as it should, or a thread is left: see above")


def _measure(name: str, load: Load, gradio: str) -> dict[str, Any]:
    """Have a client ask a fresh Space: Gradio becomes slower with each question."""
    with ExitStack() as serving:
        url = serving.enter_context(stamping_space(gradio))
        if name == "endpoint":
            _, url = serving.enter_context(endpoint_command(QWEN_GRADIO_SPACE=url))
        return run(name, url, load)


def _check(name: str, load: Load, figures: dict[str, Any]) -> bool:
    """Report what is counted, and whether it is as it should be."""
    complete, left = figures["complete"], figures["left"]
    wanted = 0 if load.ending else len(load.queries())
    counts = f"{complete} of {wanted} replies complete, {left} threads left"
    sys.stderr.write(f"{load.name}: {name}: {counts}; the first: {figures['seen']}\n")
    # What others make of faults, and leave behind, is for the table.
    if name != "ours":
        return load.ending is not None or complete == wanted
    return (complete, left) == (wanted, 0)


def _print_table(taken: Mapping[tuple[str, str], list[dict[str, Any]]]) -> None:
    columns = [name for name in TITLES if any(column == name for column, _ in taken)]
    _print_row("", *(TITLES[name] for name in columns), "qwen_gradio to reader")
    _print_row("---", *["--:"] * (len(columns) + 1))
    for title, load, figure, unit in ROWS:
        found = {
            name: median_low(figures[figure] for figures in taken[name, load])
            for name in columns
            if (name, load) in taken
        }
        cells = [_shown(found[name], unit) if name in found else "" for name in columns]
        is_compared = unit and {"ours", "reader"} <= found.keys()
        _print_row(title, *cells, f"{found['ours'] / found['reader']:.2f}" if is_compared else "")


def _print_row(*cells: str) -> None:
    sys.stdout.write(f"| {' | '.join(cells)} |\n")


def _shown(value: Any, unit: str) -> str:
    if unit == "ms":
        return f"{value * 1000:.1f} ms"
    if unit:
        return f"{value:.2f} {unit}"
    return f"`{value}`" if str(value).endswith("Error") else str(value)


def _draw(replies: Mapping[str, Reply], path: Path) -> None:
    """Draw one reply of each client below what the Space wrote, each fragment a mark."""
    first = next(iter(replies.values()))
    rows = [("written by the Space", "median lag", first.asked, first.stamps)]
    for name, reply in replies.items():
        lag = f"{median(reply.lags()) * 1000:.0f} ms"
        rows.append((TITLES[name].strip("`"), lag, reply.asked, reply.arrived))
    # The same figures give the same file, and letters are shapes: readers need no such font.
    mpl.rcParams.update({"svg.hashsalt": "arrivals", "font.size": 11})
    figure = Figure(figsize=(11, 0.9 + 0.52 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    for place, (_, lag, asked, moments) in enumerate(rows):
        colour = ("#94a3b8", "#c2410c")[place] if place < 2 else "#334155"
        since = [moment - asked for moment in moments]
        axes.eventplot(since, lineoffsets=-place, linelengths=0.62, linewidths=1.4, colors=colour)
        axes.text(1.015, -place, lag, va="center", transform=axes.get_yaxis_transform())
    axes.set_yticks([-place for place in range(len(rows))], [title for title, *_ in rows])
    axes.set_xlim(left=0)
    axes.set_xlabel("seconds since the question")
    axes.spines[["left", "right", "top"]].set_visible(False)
    figure.savefig(path, facecolor="white", metadata={"Date": None})


if __name__ == "__main__":
    main()
