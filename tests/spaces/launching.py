"""Serves an app on loopback."""


def launch(app, **options):
    """Return the app's URL."""
    # Gradio 6 looks for questions each millisecond, which keeps every twenty idle apps as busy as
    # one that works; there are dozens at once. Gradio 5 looked each 50 ms.
    app._queue.sleep_when_free = 0.01
    _, url, _ = app.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **options)
    return url.rstrip("/")
