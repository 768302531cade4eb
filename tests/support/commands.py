"""How tests run the command, also on a terminal."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .servers import PATIENCE

COMMAND = [sys.executable, "-m", "qwen_gradio"]


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], input=stdin, capture_output=True, text=True, timeout=4 * PATIENCE
    )


@contextmanager
def started(*arguments: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    with subprocess.Popen([*COMMAND, *arguments], **options) as process:
        try:
            yield process
        finally:
            process.kill()


def interrupt(process: subprocess.Popen[str]) -> None:
    """Send what Ctrl-C sends once a process waits."""
    _wait_until_it_waits(process)
    process.send_signal(signal.SIGINT)


def _wait_until_it_waits(process: subprocess.Popen[str]) -> None:
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

    def interrupt(self, process: subprocess.Popen[str]) -> None:
        """Press Ctrl-C once a command waits."""
        _wait_until_it_waits(process)
        self.type("\x03")

    def started(self, *arguments: str) -> Any:
        """Run a command with this as its controlling terminal, so that Ctrl-C reaches it."""
        import fcntl
        import termios

        def take_control() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        ends = {"stdin": self.its, "stdout": self.its, "stderr": self.its}
        return started(*arguments, **ends, start_new_session=True, preexec_fn=take_control)


on_terminals = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
