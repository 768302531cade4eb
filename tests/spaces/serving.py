"""Serve apps by kind, when the tests ask for one."""

import gc
import json
import secrets
import socket
import sys
import urllib.request
from contextlib import suppress

import gradio as gr
from gradio.context import Context
from launching import close, launch, tell
from parts import options


def free_port():
    """Return a port that no app has just had, and that no outgoing connection will get."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def launch_anywhere(app):
    return launch(app, server_port=free_port(), show_error=True)


def describe(kinds):
    """Report each kind's own description, as a client would read it."""
    for name, kind in kinds.items():
        Context.id = 0  # components' numbers must not depend on the kinds before this one
        app = kind.build()
        url = launch_anywhere(app)
        prefix = "/gradio_api" if int(gr.__version__.split(".")[0]) >= 5 else ""
        config, info = (
            json.load(urllib.request.urlopen(url + path)) for path in ("/config", f"{prefix}/info")
        )
        tell(event="described", tag=name, config=config, info=info, page_calls=kind.calls)
        close(app)


def run(kinds):
    if options.describe:
        describe(kinds)
        return
    gc.disable()  # apps are never freed; searching them for garbage would take a third of the time
    running = []
    for line in sys.stdin:  # until the tests close it, or are gone
        name = line.strip()
        running.append(kinds[name].build())
        tell(event="listening", tag=name, url=launch_anywhere(running[-1]))
    for app in running:
        close(app)
