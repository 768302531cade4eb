"""The embedded Space: the real one's endpoints, and a page to chat on, over a small model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr

from ._model import PARALLEL, Model

DEFAULT_SYSTEM = "You are a helpful assistant."
Turns = list[dict[str, Any]]

ABOUT = """# qwen-gradio, on this computer
The model here is **{name}**{stand_in}. It answers at `/model_chat`, as
[Qwen/Qwen2.5-Max-Demo](https://huggingface.co/spaces/Qwen/Qwen2.5-Max-Demo) does."""
STAND_IN = """, a small stand-in that runs offline. **It is not Qwen**, and it is often wrong. For a
better one, `qwen-gradio serve --gguf FILE` takes any chat model, such as a Qwen2.5 Instruct GGUF"""


def build(model: Model) -> Any:
    """The Gradio app around a model."""

    def model_chat(
        query: str, history: Turns | None, system: str | None
    ) -> Iterator[tuple[str, Turns, str]]:
        history = history or []
        system = system or DEFAULT_SYSTEM
        messages = [
            {"role": "system", "content": system},
            *({"role": turn["role"], "content": _text(turn["content"])} for turn in history),
            {"role": "user", "content": query},
        ]
        history = [*history, {"role": "user", "content": query}]
        yield "", history, system
        text = ""
        try:
            for token in model.stream(messages):
                text += token
                # Content given as a string would lose its indentation: Gradio dedents that.
                reply = [{"type": "text", "text": text}]
                yield "", [*history, {"role": "assistant", "content": reply}], system
        except RuntimeError as error:
            raise gr.Error(str(error), print_exception=False) from error

    with gr.Blocks(title="qwen-gradio", analytics_enabled=False, fill_height=True) as app:
        gr.Markdown(ABOUT.format(name=model.name, stand_in=STAND_IN if model.is_stand_in else ""))
        chatbot = gr.Chatbot(label=model.name, scale=1, feedback_options=None)
        with gr.Row():
            query = gr.Textbox(
                label="Your message", placeholder="Ask something", autofocus=True, scale=6
            )
            send = gr.Button("Send", variant="primary", scale=1, min_width=80)
            stop = gr.Button("Stop", variant="stop", scale=1, min_width=80)
            clear = gr.Button("New chat", scale=1, min_width=80)
        system = gr.Textbox(DEFAULT_SYSTEM, label="System prompt")
        chat: dict[str, Any] = {
            "fn": model_chat,
            "inputs": [query, chatbot, system],
            "outputs": [query, chatbot, system],
            "concurrency_limit": PARALLEL,
            "concurrency_id": "model",
        }
        asked: Any = [
            query.submit(api_name="model_chat", **chat),
            send.click(api_name="model_chat_1", **chat),
        ]
        stop.click(None, cancels=asked, api_visibility="private")
        clear.click(list, outputs=chatbot, cancels=asked, queue=False, api_visibility="private")
    return app


@contextmanager
def running(
    *, host: str = "127.0.0.1", port: int | None = None, gguf: Path | None = None
) -> Iterator[str]:
    """Run the embedded Space, and give its URL.

    :param host: the address to listen on; others than 127.0.0.1 open it to the network.
    :param port: the port; else the first that is free from 7860 on.
    :param gguf: another model than the stand-in.
    :raises FileNotFoundError: if there is no such model.
    :raises ValueError: if the file is not a model.
    :raises OSError: if the port is taken.
    """
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    app = build(Model(gguf))
    try:
        _, url, _ = app.launch(
            server_name=host,
            server_port=port,
            share=False,
            prevent_thread_lock=True,
            inline=False,
            quiet=True,
            show_error=True,
            footer_links=["api"],
        )
        yield url.rstrip("/")
    finally:
        app.close(verbose=False)


def _text(content: Any) -> str:
    """A turn's text: Gradio 6 gives content as a list of parts."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)
