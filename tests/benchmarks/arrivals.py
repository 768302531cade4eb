"""A picture of fragments arriving over time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure

from .clients import CLIENTS
from .processes import Reply

OURS, OTHERS, FAINT = "#c2410c", "#334155", "#94a3b8"


class _Row(NamedTuple):
    title: str
    moments: list[float]
    colour: str
    note: str


def draw(replies: Mapping[str, Reply], path: Path) -> None:
    """Draw one reply for each client, below what the Space wrote, each fragment a mark.

    :param replies: by the client's name.
    :param path: where to; its suffix says in which format.
    """
    written = next(iter(replies.values()))
    rows = [_Row("written by the Space", _since(written, written.stamps), FAINT, "median lag")]
    for name in CLIENTS:
        if name in replies:
            reply = replies[name]
            lag = median(a - s for s, a in zip(reply.stamps, reply.arrived, strict=True))
            colour = OURS if name == "ours" else OTHERS
            title = CLIENTS[name].strip("`")
            rows.append(_Row(title, _since(reply, reply.arrived), colour, f"{lag * 1000:.0f} ms"))

    # The same figures give the same file, and letters are shapes: readers need no such font.
    mpl.rcParams.update({"svg.hashsalt": "arrivals", "font.size": 11})
    figure = Figure(figsize=(11, 0.9 + 0.52 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    for place, row in enumerate(rows):
        axes.eventplot(
            row.moments, lineoffsets=-place, linelengths=0.62, linewidths=1.4, colors=row.colour
        )
        beside = axes.get_yaxis_transform()
        axes.text(1.015, -place, row.note, color=row.colour, va="center", transform=beside)
    axes.set_yticks([-place for place in range(len(rows))], [row.title for row in rows])
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_color(row.colour)
    axes.set_xlim(left=0)
    axes.set_xlabel("seconds since the question")
    axes.grid(axis="x", color="#e2e8f0", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.spines["bottom"].set_color("#cbd5e1")
    undated = {"Date": None} if path.suffix == ".svg" else None
    figure.savefig(path, facecolor="white", dpi=110, metadata=undated)


def _since(reply: Reply, moments: list[float]) -> list[float]:
    return [moment - reply.asked for moment in moments]
