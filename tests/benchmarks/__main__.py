"""Measure every client on the same Space, and print the table.

Clients take turns, each load in a fresh process, and that for several rounds: whatever else the
machine does meets all of them. The figures are the medians of the rounds.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from .clients import CLIENTS
from .first_call import first_call
from .leaving import leaving
from .measures import (
    LOADS,
    QUICK_LOADS,
    Figures,
    Load,
    import_time,
    medians,
    requests,
    run,
)
from .processes import NotRunError, Reply, install_javascript_client
from .space import GRADIOS, replaying_space, stamping_space
from .table import counts, table
from .thread_cpu import thread_cpu

PICTURE = Path(__file__).with_name("arrivals.svg")
LEAN = ("ours", "reader")
"""Clients that are given what is replayed: the others keep every output, or end without one."""
FROM_AFAR = {"ours", "threads"}
"""Clients whose first call is measured over a distance."""


def main() -> None:
    """Measure, as the command line says."""
    options = _options()
    clients = _runnable(options.only)
    loads = QUICK_LOADS if options.quick else LOADS
    with stamping_space(options.gradio) as url, replaying_space() as replayed:
        results, replies = _measured(url, replayed, clients, loads, options)
        if options.quick:
            sys.stdout.write(f"{counts(results, QUICK_LOADS)}\n")
            return
        for name in clients:
            first, second = (len(paths) for paths in requests(name, url))
            results[name, "requests"] = {"first": first, "second": second}
        for name in FROM_AFAR.intersection(clients):
            seconds = median(first_call(name, url) for _ in range(options.rounds))
            results[name, "first call"] = {"first": seconds}
        if "ours" in clients:
            results["ours", "leaving"] = leaving()
            results["ours", "import"] = {"seconds": import_time()}
            cpu = thread_cpu(replayed)
            results["ours", "thread"] = {"cpu": cpu["ours"]}
            results["reader", "thread"] = {"cpu": cpu["httpx"]}
    sys.stdout.write(f"Gradio {options.gradio}\n\n{table(results)}\n")
    if options.picture is not None:
        from .arrivals import draw  # matplotlib takes a while, and the quick run has no use for it

        draw(replies, options.picture)


def _measured(
    url: str,
    replayed: str,
    clients: Sequence[str],
    loads: Sequence[Load],
    options: argparse.Namespace,
) -> tuple[dict[tuple[str, str], Figures], dict[str, Reply]]:
    """The figures by client and load, and by client a reply from one stream, for the picture."""
    taken: dict[tuple[str, str], list[Figures]] = defaultdict(list)
    replies: dict[str, Reply] = {}
    rounds = 1 if options.quick else options.rounds
    for number in range(1, rounds + 1):
        for load in loads:
            for name in clients:
                if load.is_replayed and name not in LEAN:
                    continue
                sys.stderr.write(f"round {number} of {rounds}: {load.name}: {CLIENTS[name]}\n")
                figures, reply = run(name, replayed if load.is_replayed else url, load)
                taken[name, load.name].append(figures)
                if load.name == "one":
                    replies[name] = reply
    return {which: medians(figures) for which, figures in taken.items()}, replies


def _runnable(wanted: Iterable[str]) -> list[str]:
    """The clients that can be run here. Of any other, write why it cannot."""
    clients = list(wanted)
    if "javascript" in clients:
        try:
            install_javascript_client()
        except NotRunError as error:
            clients.remove("javascript")
            sys.stdout.write(f"{CLIENTS['javascript']}: not run: {error}.\n\n")
    return clients


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a short run that prints counts and no seconds"
    )
    parser.add_argument(
        "--only",
        type=_names,
        default=list(CLIENTS),
        metavar="A,B",
        help=f"run only these of {', '.join(CLIENTS)}",
    )
    parser.add_argument(
        "--gradio", choices=GRADIOS, default=GRADIOS[0], help=f"default: {GRADIOS[0]}"
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="default: 3")
    parser.add_argument(
        "--picture",
        type=Path,
        default=PICTURE,
        metavar="FILE",
        help="where to draw the fragments' arrivals; default: arrivals.svg beside this file",
    )
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(CLIENTS):
        raise argparse.ArgumentTypeError(f"no such client: {', '.join(sorted(unknown))}")
    return names


if __name__ == "__main__":
    main()
