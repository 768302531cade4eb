"""Programs, forked from a process that has imported what they import: that takes seconds."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import IO, Any, TypeAlias

from typing_extensions import Self

ROOT = Path(__file__).parents[2]
WARM = ROOT / "tests" / "spaces" / "warm.py"


class Fork:
    """A program in a process of its own, with what tests use of `subprocess.Popen`."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        channel: socket.socket,
        cwd: Path = ROOT,
        is_on_terminal: bool = False,
        stdin: IO[Any] | int | None = None,
        stdout: IO[Any] | int | None = None,
        stderr: IO[Any] | int | None = None,
    ) -> None:
        """:param channel: to the process to fork from.
        :param is_on_terminal: whether standard input becomes the program's terminal.
        """
        program = {
            "command": command[1:],
            "env": dict(env),
            "cwd": str(cwd),
            "terminal": is_on_terminal,
        }
        self.returncode: int | None = None
        self._waiting = threading.Lock()
        with ExitStack() as given:
            self.stdin, its_input = _end(stdin, 0, given)
            self.stdout, its_output = _end(stdout, 1, given)
            self.stderr, its_errors = _end(stderr, 2, given)
            reported, its_report = os.pipe()
            given.callback(os.close, its_report)
            ends = [its_input, its_output, its_errors, its_report]
            socket.send_fds(channel, [json.dumps(program).encode()], ends)
        self._report = os.fdopen(reported, "rb", buffering=0)
        self.pid = int(self._report.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for file in (self.stdin, self.stdout, self.stderr):
            if file is not None:
                with suppress(BrokenPipeError):
                    file.close()
        self.wait()
        self._report.close()

    def __del__(self) -> None:
        self._report.close()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._report], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            with self._waiting:  # another thread may wait as well
                if self.returncode is None:
                    self.returncode = int(self._report.readline())
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Return what it writes, which must be little."""
        self.wait(timeout)
        output, errors = (file.read() if file else "" for file in (self.stdout, self.stderr))
        return output, errors


def _end(given: IO[Any] | int | None, standard: int, opened: ExitStack) -> tuple[Any, int]:
    """Return our end of a pipe, if one is wanted, and the descriptor that the program gets."""
    if given is None:
        return None, standard
    if given == PIPE:
        reading, writing = os.pipe()
        ours, its = (writing, reading) if standard == 0 else (reading, writing)
        opened.callback(os.close, its)
        return os.fdopen(ours, "w" if standard == 0 else "r", errors="surrogateescape"), its
    if given == DEVNULL:
        return None, opened.enter_context(Path(os.devnull).open("r+")).fileno()
    return None, given if isinstance(given, int) else given.fileno()


@cache
def channel(
    python: str, modules: tuple[str, ...], env: frozenset[tuple[str, str]]
) -> socket.socket:
    """Start a process to fork from, and return the socket that it takes programs from."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        # Output to a file would be sought, as Python takes a program's to be what its own was.
        ends: Any = dict.fromkeys(("stdin", "stdout", "stderr"), its.fileno())
        command = [python, str(WARM), *modules]
        process = subprocess.Popen(command, cwd=ROOT, env=dict(env), **ends)

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


Program: TypeAlias = "Fork | subprocess.Popen[str]"


PIPES: dict[str, Any] = {"stdin": PIPE, "stdout": PIPE, "stderr": DEVNULL}


def started(command: Sequence[str], env: Mapping[str, str]) -> Program:
    """Start a program in `spaces/`, by a fork where that is known to work."""
    if sys.platform != "linux":
        return started_anew(command, env)
    return Fork(command, env, channel(command[0], ("gradio",), frozenset(env.items())), **PIPES)


def started_anew(command: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start any program that reads and writes as those in `spaces/` do."""
    return subprocess.Popen(command, cwd=ROOT, env=env, text=True, **PIPES)
