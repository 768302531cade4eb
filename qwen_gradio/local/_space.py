"""The embedded Space's app: Qwen2.5-Max's endpoints and a chat page, on a local model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from ._model import Model, TruncatedError

DEFAULT_SYSTEM = "You are a helpful assistant."
MAX_WAITING = 32
"""Replies that are written or wait for the model: Gradio has 40 threads for all its work."""
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
        if not query.strip():
            raise gr.Error("The message is empty", print_exception=False)
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
                # The text boxes are left alone: the user may be typing in them.
                yield gr.skip(), [*history, {"role": "assistant", "content": reply}], gr.skip()
        except TruncatedError as error:
            gr.Warning(str(error))
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
            "show_progress_on": send,  # on another component, an error would cover the content
            "concurrency_limit": MAX_WAITING,
            "concurrency_id": "model",
        }
        # One event for both, so that neither sends during a reply.
        asked = gr.on([query.submit, send.click], api_name="model_chat", **chat)
        gr.Button(visible=False).click(api_name="model_chat_1", **chat)
        stop.click(None, cancels=asked, api_visibility="private")
        clear.click(list, outputs=chatbot, cancels=asked, queue=False, api_visibility="private")
    return app


@contextmanager
def serve(model: Model, host: str, port: int | None) -> Iterator[str]:
    """Serve the app for a model during a `with` block, and give its URL."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    app = build(model)
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
