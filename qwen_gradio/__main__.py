"""The command `qwen-gradio`, which is also `python -m qwen_gradio`."""

from __future__ import annotations

import signal


def main() -> None:
    """Import and run the command. Until it can handle Ctrl-C itself, Ctrl-C just ends it."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .cli import main as run

    signal.signal(signal.SIGINT, handler)
    run()


if __name__ == "__main__":
    main()
