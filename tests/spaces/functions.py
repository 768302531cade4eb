"""Functions without a page, of `gr.api` and `gr.Server`, each an app of its own."""

from collections.abc import Iterator

import gradio as gr
from parts import KINDS, MAJOR, Kind, model

WORDS = ["Hel", "lo", " the", "re"]
SNAPSHOTS = ["Hel", "Hello", "Hello the", "Hello there"]


def function(name, calls=(0,)):
    """Add the function to the zoo, as an app."""

    def add(fn):
        def build():
            if MAJOR >= 6:
                server = gr.Server()
                server.api(name="chat")(fn)
                return server
            with gr.Blocks() as app:
                gr.api(fn, api_name="chat")
            return app

        KINDS[name] = Kind(build, list(calls))
        return fn

    return add


if MAJOR >= 5:

    @function("api-objects")
    def objects(
        text: str, history: list | None = None, system_prompt: str = "", temperature: float = 0.7
    ) -> Iterator[dict]:
        for said in model(text=text, history=history, system=system_prompt, at=temperature):
            yield {"reasoning": "let me see", "content": said}

    @function("api-footers")
    def objects_with_a_footer(message: str) -> Iterator[dict]:
        """The text of an object does not begin with that of the one before."""
        for text in SNAPSHOTS:
            yield {"content": f"{text} ({len(text)} characters)", "reasoning": "let me see"}

    @function("api-json")
    def json_text(message: str) -> str:
        return '{"answer": "Hello there", "reasoning": "let me see"}'

    @function("api-pieces")
    def pieces(message: str) -> Iterator[str]:
        yield from WORDS

    @function("api-snapshots")
    def snapshots(message: str) -> Iterator[str]:
        yield from SNAPSHOTS

    @function("api-optional")
    def optional(message: str) -> str | None:
        return "Hello there"

    @function("api-messages")
    def messages(messages: list) -> dict:
        (*_, text) = model(messages=messages)
        return {"response": text}

    @function("api-history")
    def history_is_required(message: str, history: list[dict]) -> str:
        (*_, text) = model(message=message, history=history)
        return text

    @function("api-pairs")
    def history_is_pairs(message: str, history: list[list[str]]) -> str:
        (*_, text) = model(message=message, history=history)
        return text

    @function("api-undeclared", calls=())
    def nothing_is_declared(message: str):
        """No chat: Gradio returns nothing."""
        return "Hello there"

    @function("api-numbers")
    def other_keys(message: str) -> dict:
        """No reply: an object without text."""
        return {"score": 0.5, "label": "good"}

    @function("api-text-history", calls=())
    def history_is_text(message: str, history: str) -> str:
        """No chat: what a history should be as text is not known."""
        return "Hello there"
