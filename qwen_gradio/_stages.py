"""What a Space's stage on the hub means for someone who asks it. Nothing here does I/O."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """A stage in which a Space does not answer.

    :ivar text: what follows the Space's name in a sentence.
    :ivar is_starting: whether the Space will answer if it is waited for.
    """

    text: str
    is_starting: bool = False


STAGES = {
    "SLEEPING": Stage("is asleep and is being woken", is_starting=True),
    "STOPPED": Stage("is stopped and is being started", is_starting=True),
    "BUILDING": Stage("is being built", is_starting=True),
    "APP_STARTING": Stage("is starting", is_starting=True),
    "PAUSED": Stage("is paused, and only its owner can restart it"),
    "NO_APP_FILE": Stage("has no app"),
    "CONFIG_ERROR": Stage("has an invalid configuration"),
    "BUILD_ERROR": Stage("could not be built"),
    "RUNTIME_ERROR": Stage("has crashed"),
    "DELETING": Stage("is being deleted"),
}
"""In any other stage the Space runs, or the stage is unknown: its own answer counts."""


def is_starting(stage: str) -> bool:
    """Whether a Space in this stage will answer if it is waited for."""
    return stage in STAGES and STAGES[stage].is_starting


def progress_of(stage: str) -> str:
    """Describe to a user what is being waited for."""
    if stage in STAGES:
        return f"The Space {STAGES[stage].text}"
    return "The Space has started but does not answer yet"
