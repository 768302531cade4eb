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

from .clients import CLIENTS
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
from .space import stamping_space
from .table import counts, table

PICTURE = Path(__file__).with_name("arrivals.svg")
SLOW = ("threads", "updates")
"""Clients that keep every output: the long reply takes them minutes and gigabytes."""


def main() -> None:
    """Measure, as the command line says."""
    options = _options()
    clients = _runnable(options.only)
    with stamping_space() as url:
        if options.quick:
            results, _ = _measured(url, clients, QUICK_LOADS, 1, options.all)
            sys.stdout.write(f"{counts(results, QUICK_LOADS)}\n")
            return
        results, replies = _measured(url, clients, LOADS, options.rounds, options.all)
        for name in clients:
            first, second = (len(paths) for paths in requests(name, url))
            results[name, "requests"] = {"first": first, "second": second}
    if "ours" in clients:
        results["ours", "leaving"] = leaving()
        results["ours", "import"] = {"seconds": import_time()}
    sys.stdout.write(f"{table(results)}\n")
    if options.picture is not None:
        from .arrivals import draw  # matplotlib takes a while, and the quick run has no use for it

        draw(replies, options.picture)


def _measured(
    url: str, clients: Sequence[str], loads: Sequence[Load], rounds: int, everything: bool
) -> tuple[dict[tuple[str, str], Figures], dict[str, Reply]]:
    """The figures by client and load, and by client a reply from one stream, for the picture."""
    taken: dict[tuple[str, str], list[Figures]] = defaultdict(list)
    replies: dict[str, Reply] = {}
    for number in range(1, rounds + 1):
        for load in loads:
            for name in clients:
                if load.name == "long" and name in SLOW and not everything:
                    continue
                sys.stderr.write(f"round {number} of {rounds}: {load.name}: {CLIENTS[name]}\n")
                figures, reply = run(name, url, load)
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
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="default: 3")
    parser.add_argument(
        "--all",
        action="store_true",
        help=f"give the long reply to {' and '.join(SLOW)}, too, which takes gigabytes",
    )
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
