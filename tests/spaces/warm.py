"""Forks programs, as it has imported already what they import, which takes seconds.

Its arguments are the modules to import. Standard input is a socket. Each message on it is a program
in JSON: the `command` after the interpreter, `env`, `cwd`, and whether standard input becomes its
`terminal`. With it come what is to be the program's standard input, output and error, and a pipe
for two lines: its process id, and its exit code.
"""

import fcntl
import importlib
import io
import json
import os
import runpy
import signal
import socket
import sys
import termios
from typing import Any

for name in sys.argv[1:]:
    importlib.import_module(name)


def prepare(program: dict[str, Any], ends: list[int]) -> None:
    """Make this process what the program's would be."""
    for standard, end in enumerate(ends):
        os.dup2(end, standard)
        os.close(end)
    assert isinstance(sys.stdout, io.TextIOWrapper)
    sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())
    if program["terminal"]:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(program["cwd"])
    os.environ.clear()
    os.environ.update(program["env"])
    if "huggingface_hub" in sys.modules:  # it read the environment when it was imported
        importlib.reload(sys.modules["huggingface_hub.constants"])


def run(how: str, *arguments: str) -> None:
    if how == "-m":
        sys.argv = [*arguments]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [how, *arguments]
        runpy.run_path(how, run_name="__main__")


channel = socket.socket(fileno=0)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how the watching processes ended
while True:
    message, given, _, _ = socket.recv_fds(channel, 2**17, 4)
    if not message:  # the tests are over
        break
    *ends, report = given
    if os.fork() == 0:  # a process that waits for the program's end
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        channel.detach()
        process = os.fork()
        if process == 0:
            os.close(report)
            program = json.loads(message)
            prepare(program, ends)
            run(*program["command"])
            break
        for end in (0, *ends):
            os.close(end)
        os.write(report, b"%d\n" % process)
        _, status = os.waitpid(process, 0)
        os.write(report, b"%d\n" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    for end in (*ends, report):
        os.close(end)
