"""Programs in `spaces/`, forked from a process that has imported Gradio: that takes seconds."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TypeAlias

ROOT = Path(__file__).parents[2]
WARM = ROOT / "tests" / "spaces" / "warm.py"


class Fork:
    """A program in a process of its own, with what tests use of `subprocess.Popen`."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        """:param env: of the process to fork from, if it is not running yet."""
        python, *arguments = command
        (its_input, to_it), (from_it, its_output) = os.pipe(), os.pipe()
        self.stdin, self.stdout = os.fdopen(to_it, "w"), os.fdopen(from_it)
        channel = _warm(python, frozenset(env.items()))
        socket.send_fds(channel, [json.dumps(arguments).encode()], [its_input, its_output])
        os.close(its_input)
        os.close(its_output)
        self._process = os.pidfd_open(int(self.stdout.readline()))

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            signal.pidfd_send_signal(self._process, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def poll(self) -> int | None:
        """None while it runs; how it ended is not known."""
        return 0 if select.select([self._process], [], [], 0)[0] else None

    def wait(self, timeout: float | None = None) -> int:
        if not select.select([self._process], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("fork", timeout or 0)
        return 0

    def __del__(self) -> None:
        os.close(self._process)


@cache
def _warm(python: str, env: frozenset[tuple[str, str]]) -> socket.socket:
    """Start the process to fork from, and return the socket that it takes command lines from."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        process = subprocess.Popen(
            [python, str(WARM)], stdin=its.fileno(), stderr=subprocess.DEVNULL, env=dict(env)
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


Program: TypeAlias = "Fork | subprocess.Popen[str]"


def started(command: Sequence[str], env: Mapping[str, str]) -> Program:
    """Start a program in `spaces/`, by a fork where that is known to work."""
    return Fork(command, env) if sys.platform == "linux" else started_anew(command, env)


def started_anew(command: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start any program that reads and writes as those in `spaces/` do."""
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env=env,
        text=True,
    )
