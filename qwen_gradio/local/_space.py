"""The embedded Space's app: Qwen2.5-Max's endpoints and a chat page, on a local model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr

from ._model import MAX_REPLIES, Model

DEFAULT_SYSTEM = "You are a helpful assistant."
Turns = list[dict[str, Any]]

ABOUT = """# qwen-gradio, on this computer
The model here is **{name}**{stand_in}. It answers at `/model_chat`, like
[Qwen/Qwen2.5-Max-Demo](https://huggingface.co/spaces/Qwen/Qwen2.5-Max-Demo)."""
STAND_IN = """, a small stand-in that runs offline. **It is not Qwen**, and it is often wrong. To
run a better one, such as a Qwen2.5 Instruct GGUF, use `qwen-gradio serve --gguf FILE`"""


def build(model: Model) -> Any:
    """Return the Gradio app for a model."""

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
                # Gradio dedents content that is a string, so it is given as a list of parts.
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
            "concurrency_limit": MAX_REPLIES,
            "concurrency_id": "model",
        }
        events: Any = [
            query.submit(api_name="model_chat", **chat),
            send.click(api_name="model_chat_1", **chat),
        ]
        stop.click(None, cancels=events, api_visibility="private")
        clear.click(list, outputs=chatbot, cancels=events, queue=False, api_visibility="private")
    return app


@contextmanager
def running(
    *, host: str = "127.0.0.1", port: int | None = None, gguf: Path | None = None
) -> Iterator[str]:
    """Run the embedded Space during a `with` block, and give its URL.

    :param host: the address to listen on; any but 127.0.0.1 opens it to the network.
    :param port: the port; by default, the first free one from 7860.
    :param gguf: the file of a model to run in place of the stand-in.
    :raises FileNotFoundError: if there is no such model.
    :raises ValueError: if the file is not a model that can be run.
    :raises OSError: if the port is in use.
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
    """Return the text of a turn, whose content is a list of parts in Gradio 6."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)
