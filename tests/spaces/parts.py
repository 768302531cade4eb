"""Parts of the zoo's apps: histories in each form, a stand-in for a model, the table of kinds."""

import argparse
import json
from collections.abc import Callable, Iterator
from typing import NamedTuple

import gradio as gr

arguments = argparse.ArgumentParser()
arguments.add_argument("--form", default="messages", choices=["pairs", "messages"])
arguments.add_argument("--describe", action="store_true", help="print what each kind serves")
options = arguments.parse_args()

MAJOR = int(gr.__version__.split(".")[0])
PAIRS = options.form == "pairs"
FORM = {} if MAJOR >= 6 else {"type": "tuples" if PAIRS else "messages"}


class Kind(NamedTuple):
    build: Callable[[], gr.Blocks]
    calls: list[int]
    """The functions that the app's page runs for one question, by number, in order."""


KINDS: dict[str, Kind] = {}


def kind(name, calls):
    """Add what the function returns, an app, to the zoo."""

    def add(build):
        KINDS[name] = Kind(build, calls)
        return build

    return add


def blocks(name, calls):
    """Add what the function puts on a page to the zoo."""

    def add(fill):
        def build():
            with gr.Blocks() as app:
                fill(app)
            return app

        KINDS[name] = Kind(build, calls)
        return fill

    return add


def model(**given) -> Iterator[str]:
    """Yield a model's input as JSON, with one more character in each output."""
    text = json.dumps(given)
    return (text[:end] for end in range(len(text) - 2, len(text) + 1))


def plain(history):
    """Return a history as lists of role and text, the same for every Gradio and form."""

    def text(content):
        return content if isinstance(content, str) else "".join(part["text"] for part in content)

    if PAIRS:
        turns = [turn for pair in history or [] for turn in zip(("user", "assistant"), pair)]
        return [[role, said] for role, said in turns if said is not None]
    return [[message["role"], text(message["content"])] for message in history or []]


def asked(history, query):
    """Return the history with another question."""
    return [*(history or []), [query, None] if PAIRS else {"role": "user", "content": query}]


def answered(history, text):
    """Return the history with this answer to the last question."""
    if PAIRS:
        return [*history[:-1], [history[-1][0], text]]
    return [*history, {"role": "assistant", "content": text}]


def unanswered(history):
    """Return the history without its last answer."""
    return answered(history, None) if PAIRS else history[:-1]


def turn(history, query, text):
    """Return the history with another turn."""
    return answered(asked(history, query), text)


def chat(value=None):
    return gr.Chatbot(value, **FORM)


def user(message, history):
    """The first step of most chains: move the question from its box to the chatbot."""
    return "", asked(history, message)


def bot(history):
    """The second step: answer the question in the chatbot."""
    for text in model(history=plain(history)):
        yield answered(history, text)


def respond(message, history):
    """Both steps in one."""
    for text in model(message=message, history=plain(history)):
        yield "", turn(history, message, text)
