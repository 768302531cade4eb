"""The figures as a Markdown table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .clients import CLIENTS
from .measures import Figures, Load

Results = Mapping[tuple[str, str], Figures]
"""Figures by the client's and the load's name."""


@dataclass(frozen=True)
class Row:
    """A line of the table: a figure of a load, and what is wanted of it.

    :ivar ratio: at most this many times the other's.
    :ivar limit: at most this much, whatever the other's.
    :ivar other: the client it is compared with.
    """

    title: str
    load: str
    figure: str
    unit: str
    ratio: float | None = None
    limit: float | None = None
    other: str = "reader"


ROWS = (
    Row("1 stream: first fragment", "first", "first", "ms", ratio=1.5),
    Row("1 stream: median lag", "one", "lag", "ms", ratio=1.3),
    Row("1 stream: p95 lag", "one", "p95", "ms", ratio=1.3),
    Row("20 streams: first fragment", "twenty", "first", "ms", ratio=1.5),
    Row("20 streams: median lag", "twenty", "lag", "ms", ratio=1.3),
    Row("20 streams: p95 lag", "twenty", "p95", "ms", ratio=1.3),
    Row("20 streams: CPU time", "twenty", "cpu", "s", ratio=2.5),
    Row("100 streams: complete", "hundred", "complete", ""),
    Row("100 streams: median lag", "hundred", "lag", "ms"),
    Row("100 streams: threads per stream", "hundred", "threads", "", limit=4),
    Row("100 streams: threads left after 5 s", "hundred", "left", "", limit=0),
    Row("1,000 streams, replayed: complete", "thousand", "complete", ""),
    Row("1,000 streams, replayed: p95 lag", "thousand", "p95", "ms", ratio=2),
    Row("1,000 streams, replayed: memory", "thousand", "memory", "MB", limit=150),
    Row("20,000 fragments, replayed: total time", "long", "total", "s"),
    Row("20,000 fragments, replayed: CPU time", "long", "cpu", "s"),
    Row("20,000 fragments, replayed: peak memory", "long", "memory", "MB", limit=8),
    Row("a one-fragment reply: CPU in its thread (reader: httpx)", "thread", "cpu", "ms", 1.25),
    Row("first call from afar: first fragment", "first call", "first", "s", 0.6, other="threads"),
    Row("cancelling, of a Space that no longer answers", "leaving", "cancel", "ms", limit=0.2),
    Row("exit during a reply, after the last line", "leaving", "exit", "s", limit=2),
    Row("the Space has stopped, after leaving", "leaving", "stop", "s", limit=4),
    Row("requests of a first call", "requests", "first", "", limit=4),
    Row("requests of a second call", "requests", "second", "", limit=2),
    Row("import, over a bare interpreter", "import", "seconds", "ms", limit=0.060),
)


def table(results: Results) -> str:
    """All figures, ours first, with ratios to the minimal reader's and the targets met."""
    run = {client for client, _ in results}
    others = [name for name in CLIENTS if name in run - {"ours", "reader"}]
    heads = ["", "ours", "reader", "ratio", "target", *others]
    titles = [CLIENTS.get(head, head) for head in heads]
    lines = [[row.title, *_compared(row, results), *_cells(row, others, results)] for row in ROWS]
    return markdown(titles, lines)


def counts(results: Results, loads: Sequence[Load]) -> str:
    """What was counted and does not depend on how fast the machine is."""
    heads = ["client", "load", "fragments in order", "threads left"]
    lines = []
    for load in loads:
        asked = load.turns * load.streams * load.fragments
        for name in CLIENTS:
            if figures := results.get((name, load.name)):
                arrived = f"{figures['fragments']:g} of {asked}"
                what = f"{load.streams} x {load.fragments} fragments"
                lines.append([CLIENTS[name], what, arrived, f"{figures['left']:g}"])
    return markdown(heads, lines)


def markdown(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table that is as readable as it stands: columns are padded, figures to the right."""
    widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
    rule = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    rows = [
        [
            cells[0].ljust(widths[0]),
            *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True)),
        ]
        for cells in (heads, rule, *lines)
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _compared(row: Row, results: Results) -> list[str]:
    ours, other = (
        results.get((name, row.load), {}).get(row.figure) for name in ("ours", row.other)
    )
    # Counts are not compared, and next to nothing cannot be.
    ratio = ours / other if ours and other and row.unit else None
    shown = "" if ratio is None else f"{ratio:.2f} x"
    return [*_cells(row, ("ours", "reader"), results), shown, _verdict(row, ours, ratio)]


def _verdict(row: Row, ours: float | None, ratio: float | None) -> str:
    if row.ratio is not None and ratio is not None:
        return f"<= {row.ratio:g} x, {_met(ratio <= row.ratio)}"
    if row.limit is not None and ours is not None:
        wanted = _shown(row.limit, row.unit)
        return f"<= {wanted}, {_met(ours <= row.limit)}"
    return ""


def _met(is_met: bool) -> str:
    return "met" if is_met else "**missed**"


def _cells(row: Row, clients: Sequence[str], results: Results) -> list[str]:
    figures = [results.get((client, row.load), {}).get(row.figure) for client in clients]
    return ["" if figure is None else _shown(figure, row.unit) for figure in figures]


def _shown(figure: float, unit: str) -> str:
    match unit:
        case "ms":
            return f"{figure * 1000:.1f} ms"
        case "s":
            return f"{figure:.2f} s"
        case "MB":
            return f"{figure:.1f} MB"
    return f"{round(figure, 1):g}"
