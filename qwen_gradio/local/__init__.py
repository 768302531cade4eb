"""The embedded Space: a Gradio app with Qwen2.5-Max's endpoints and a small offline model.

It needs the extra `local`, which is imported when the Space is started: Gradio takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .._extras import needing
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
    """Run the embedded Space during a `with` block, and give its URL.

    :param host: the address to listen on; any but 127.0.0.1 opens it to the network.
    :param port: the port; by default, the first free one from 7860.
    :param gguf: the file of a model to run in place of the stand-in.
    :param context: limit for a conversation in tokens, replies included; by default, the model's
        own, divided among the replies that are written at once.
    :param max_tokens: limit for a reply in tokens; by default, what the context has left.
    :raises ModuleNotFoundError: if the extra is not installed.
    :raises FileNotFoundError: if there is no such model.
    :raises ValueError: if the file is not a model that can be run, or the context is too small.
    :raises OSError: if the address cannot be listened on.
    """
    listen(host, port).close()  # raises now, and not after the model was loaded
    with needing("local"):
        from ._model import Model

        model = Model(gguf, context, max_tokens)  # raises before Gradio's slow import
        from ._space import serve
    with serve(model, host, port) as url:
        yield url
