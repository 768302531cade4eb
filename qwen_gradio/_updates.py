"""What a worker reports: fragments, reasoning, statuses and the end. Nothing here does I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True)
class Progress:
    """The progress of a step of the Space's work: `index` of `length` `unit`s, or a `fraction`."""

    index: int | None
    length: int | None
    unit: str | None
    fraction: float | None
    description: str | None


@dataclass(frozen=True)
class StreamStatus:
    """A status message about a request. Fields that do not apply to its state are None.

    :ivar state: "queued", "processing" (the Space has begun), "progress", "log", "waking" (it is
        asleep or starting, and is waited for; `log` says which), or "retrying" (it did not accept
        the request, and is asked again in `eta` seconds; `log` says why).
    :ivar position: place in the queue while queued; 1 is next.
    :ivar queue_size: how many requests are in that queue.
    :ivar eta: seconds until the request is expected to be done, by the Space's estimate.
    :ivar progress: the steps of the Space's work that have begun.
    :ivar log: a message of the Space to its user, or a text that it shows in place of a reply that
        has not begun, such as "Thinking..."; `level` ("info", "warning") is its urgency.
    """

    state: Literal["queued", "processing", "progress", "log", "waking", "retrying"]
    position: int | None = None
    queue_size: int | None = None
    eta: float | None = None
    progress: tuple[Progress, ...] = ()
    log: str | None = None
    level: str | None = None

    def __str__(self) -> str:
        """The status as a line to show to a user."""
        match self.state:
            case "queued":
                place = "In the queue"
                if self.position is not None:
                    place += f": {self.position}"
                    place += "" if self.queue_size is None else f" of {self.queue_size}"
                return place if self.eta is None else f"{place}, about {self.eta:.0f} s to go"
            case "progress" if self.progress:
                step = self.progress[-1]
                done = "" if step.fraction is None else f" {step.fraction:.0%}"
                return f"{step.description or 'Working'}{done}"
            case "log" | "waking" if self.log:
                return self.log
            case "retrying":
                return f"{self.log}; asking again in {self.eta:.0f} s"
        return "The Space has begun"


@dataclass(frozen=True)
class Reasoning:
    """New text of what the model thinks before it answers."""

    text: str


@dataclass(frozen=True)
class End:
    """The last thing a worker reports; `error` says why the reply is not complete, if it is not."""

    error: Exception | None = None


Update: TypeAlias = "str | Reasoning | StreamStatus | End"
"""A fragment of the reply, what the model thinks, a status, or the end."""
