"""Forks programs of this folder, as it has imported Gradio already, which takes seconds.

Standard input is a socket. Each message on it is a program's command line in JSON, and comes with
what is to be the program's standard input and output. Its first line of output is its process id.
"""

import json
import os
import runpy
import signal
import socket
import sys

import gradio  # noqa: F401

channel = socket.socket(fileno=0)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how a child ended
while True:
    message, ends, _, _ = socket.recv_fds(channel, 2**16, 2)
    if not message:  # the tests are over
        break
    if os.fork() == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        channel.detach()
        for standard, end in enumerate(ends):
            os.dup2(end, standard)
            os.close(end)
        sys.stdout.write(f"{os.getpid()}\n")
        sys.stdout.flush()
        sys.argv = json.loads(message)
        runpy.run_path(sys.argv[0], run_name="__main__")
        break
    for end in ends:
        os.close(end)
