"""Serve apps by kind, when the tests ask for one."""

import gc
import json
import socket
import sys
import urllib.request

import gradio as gr
from gradio.context import Context
from launching import close, launch, tell
from parts import options


def free_port():
    """A port that no other app had a moment ago: the first free one would be the last app's."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


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
    gc.disable()  # all apps stay, and searching them for garbage would take a third of the time
    running = []
    for line in sys.stdin:  # until the tests close it, or are gone
        name = line.strip()
        running.append(kinds[name].build())
        tell(event="listening", tag=name, url=launch_anywhere(running[-1]))
    for app in running:
        close(app)
