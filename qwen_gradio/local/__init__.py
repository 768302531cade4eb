"""The embedded Space: a Gradio app with Qwen2.5-Max's endpoints and a small offline model.

It requires the extra `local`. Gradio is imported when the Space starts, because that takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .._extras import require_extra
from .._listening import listen

__all__ = ["running"]


@contextmanager
def running(
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    gguf: Path | None = None,
    context: int | None = None,
    max_tokens: int | None = None,
) -> Iterator[str]:
    """Run the embedded Space during a `with` block, and yield its URL.

    :param host: the address to listen on. Any address but 127.0.0.1 opens it to the network.
    :param port: the port; by default, the first free one from 7860.
    :param gguf: the file of a model to run instead of the stand-in.
    :param context: limit for a conversation in tokens, including replies; by default, the model's
        own limit, divided by the number of concurrent replies.
    :param max_tokens: limit for a reply in tokens; by default, the rest of the context.
    :raises ModuleNotFoundError: if the extra is not installed.
    :raises FileNotFoundError: if there is no such model.
    :raises ValueError: if the file is not a usable model, or the context is too small.
    :raises OSError: if the address cannot be used.
    """
    listen(host, port).close()  # raises now, not after loading the model
    with require_extra("local"):
        from ._model import Model

        model = Model(gguf, context, max_tokens)  # raises before Gradio's slow import
        from ._space import serve
    with serve(model, host, port) as url:
        yield url
