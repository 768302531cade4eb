"""How tests run the command, also on a terminal."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from subprocess import PIPE
from tempfile import TemporaryFile
from typing import IO, Any

import pytest

from .forks import Fork, Program, channel
from .servers import PATIENCE

COMMAND = [sys.executable, "-m", "qwen_gradio"]
MODULES = (
    "qwen_gradio.batch",
    "qwen_gradio.cli",
    "qwen_gradio._gradio.space",
    "rich.progress",
    "typer",
)
"""What most commands import."""

ENVIRONMENT = dict(os.environ)
"""That of these tests, before any of them has changed it."""


def run(
    *arguments: object, stdin: str = "", stdout: IO[str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    with TemporaryFile("w+") as output, TemporaryFile("w+") as errors:
        ends: Any = {"stdin": PIPE, "stdout": stdout or output, "stderr": errors}
        with started(*arguments, cwd=cwd, **ends) as process:
            assert process.stdin is not None
            with suppress(BrokenPipeError), process.stdin:
                process.stdin.write(stdin)
            code = process.wait(4 * PATIENCE)
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(str(arguments), code, output.read(), errors.read())


@contextmanager
def started(
    *arguments: object, cwd: Path | None = None, is_on_terminal: bool = False, **ends: Any
) -> Iterator[Program]:
    """Run the command, and kill it at the end."""
    command = [*COMMAND, *map(str, arguments)]
    ends = {"stdout": PIPE, "stderr": PIPE, **ends}
    process: Program
    # An encoding is chosen when Python starts.
    if sys.platform == "linux" and "PYTHONIOENCODING" not in os.environ:
        forks = channel(sys.executable, MODULES, frozenset(ENVIRONMENT.items()))
        process = Fork(command, os.environ, forks, cwd or Path.cwd(), is_on_terminal, **ends)
    else:
        if is_on_terminal:
            ends |= {"start_new_session": True, "preexec_fn": _take_control}
        process = subprocess.Popen(command, cwd=cwd, errors="surrogateescape", **ends)
    with process:
        try:
            yield process
        finally:
            process.kill()


def _take_control() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def interrupt(process: Program) -> None:
    """Send what Ctrl-C sends once a process waits."""
    _wait_until_it_waits(process)
    process.send_signal(signal.SIGINT)


def _wait_until_it_waits(process: Program) -> None:
    """Python does not notice a signal that comes just before it waits, until it is woken.

    asyncio alone loses one in a thousand on a busy machine. A second Ctrl-C is noticed.
    """
    status = Path(f"/proc/{process.pid}/stat")
    while process.poll() is None and status.exists():
        if status.read_text().rpartition(")")[2].startswith(" S"):
            return
        time.sleep(0.01)


class Terminal:
    """A pseudo-terminal of 80 columns that a command runs on, and all that it has shown."""

    def __init__(self) -> None:
        import fcntl
        import pty
        import struct
        import termios

        self._ours, self.its = pty.openpty()
        fcntl.ioctl(self.its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.shown = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._ours)
        os.close(self.its)

    def wait_for(self, text: str, patience: float = PATIENCE) -> None:
        """Read until that text was shown."""
        while text not in self.shown:
            assert select.select([self._ours], [], [], patience)[0], self.shown
            self.shown += os.read(self._ours, 1000).decode()

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def interrupt(self, process: Program) -> None:
        """Press Ctrl-C once a command waits."""
        _wait_until_it_waits(process)
        self.type("\x03")

    def started(self, *arguments: object) -> AbstractContextManager[Program]:
        """Run a command with this as its controlling terminal, so that Ctrl-C reaches it."""
        ends: Any = {"stdin": self.its, "stdout": self.its, "stderr": self.its}
        return started(*arguments, **ends, is_on_terminal=True)


on_terminals = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
