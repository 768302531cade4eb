"""The lines typed in earlier dialogues, which the arrow keys bring back."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

MAX_LINES = 1000
"""How many lines are kept."""


class LineHistory:
    """The lines of this dialogue and of earlier ones, in a file that only the user can read.

    Where there is no readline, as on Windows, or no file, lines are just not kept.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        with suppress(ImportError, OSError, RuntimeError, ValueError):
            import readline  # lets `input` edit lines

            path = _state_directory() / "history"
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
            self._path = path
            # readline's own file would have another format on each of its implementations.
            lines = path.read_text("utf-8", errors="replace").splitlines()
            if len(lines) > MAX_LINES:
                lines = lines[-MAX_LINES:]
                path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
            for line in lines:
                readline.add_history(line)

    def add(self, line: str) -> None:
        """Keep a line for later dialogues. This one has it already."""
        if self._path is not None and line.strip():
            with (
                suppress(OSError),
                self._path.open("a", encoding="utf-8", errors="replace") as file,
            ):
                file.write(f"{line}\n")


def _state_directory() -> Path:
    """Return where this program keeps such files, by the XDG Base Directory Specification."""
    given = Path(os.environ.get("XDG_STATE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".local/state") / "qwen-gradio"
