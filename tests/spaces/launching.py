"""Serve an app on loopback, and report to the tests."""

import json
import sys


def tell(**what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def launch(app, **options):
    """Launch an app, and return its URL."""
    server, url, _ = app.launch(
        server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **options
    )
    # Gradio 6 looks for questions each millisecond, which takes 3 to 6 % of a core for each idle
    # app, and dozens are idle at once. Gradio 5 looked each 50 ms.
    server.get_blocks()._queue.sleep_when_free = 0.01
    return url.rstrip("/")


def close(app):
    """Close an app, which a `gr.Server` makes only when it is launched."""
    (app if hasattr(app, "close") else app.get_blocks()).close()
