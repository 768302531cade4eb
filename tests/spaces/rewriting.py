"""Apps that change text they have shown, in all known ways. Runs on Gradio 4.44, 5 and 6.

Serves kinds as the zoo does: a shape in a chatbot, a text box or a chat interface, such as
"box-cursor".
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
from parts import FORM, PAIRS, Kind, answered, chat, user
from serving import run

TEXT = "The capital of France is Paris, on the Seine"
CODE = "So:\n```py\nprint(1)\nprint(2)\n```\nDone"
THOUGHT = "<details><summary>{}</summary>\nLet me see{}\n</details>"


def grow(text, by=4):
    return [text[:end] for end in range(by, len(text), by)] + [text]


def words(text):
    parts = text.split(" ")
    return [" ".join(parts[: end + 1]) for end in range(len(parts))]


SHAPES = {
    "list": grow("1. **Fruit**:\n   - apple\n   - pear\n2. **Roots**:\n   - leek\n\nDone."),
    "code": grow("Sure:\n\n    def f():\n        return 1\n\nThat is it."),
    "quote": grow("He said:\n  > one\n  > two\nend"),
    "cursor": [text + "▌" for text in grow(TEXT)] + [TEXT],
    "spinner": [f"{text} {'⠋⠙⠹⠸'[n % 4]}" for n, text in enumerate(grow(TEXT))] + [TEXT],
    "footer": [f"{text}\n\n---\n*{n} tok/s*" for n, text in enumerate(words(TEXT), 3)],
    "header": [f"**{n} tokens**\n\n{text}" for n, text in enumerate(words(TEXT), 1)],
    "fence": [text + ("\n```" if text.count("```") % 2 else "") for text in grow(CODE)],
    "thinking": ["Thinking...", *words(TEXT)],
    "steps": ["⏳ Going over the page...", "⏳ Reading it...", "⏳ Writing...", *words(TEXT)],
    "stripped": [f" {text} " for text in words(TEXT)] + [TEXT],
    "half": [text + "\ufffd" * (n % 2) for n, text in enumerate(words(f"{TEXT} 😀 now"))]
    + [f"{TEXT} 😀 now"],
    "details": [THOUGHT.format("Thinking", dots) for dots in (".", ". 4", ". 4?")]
    + [f"{THOUGHT.format('Thought for 3 s', '. 4?')}\n\n{text}" for text in words(TEXT)],
    "again": [*words("This first try is bad"), "🔄 Retrying...", *words(TEXT)],
    "typo": [*words("Paris is in Germny and"), "Paris is in France. It is large."],
}
GALLERY = object()
PICTURE = str(Path(tempfile.gettempdir()) / "qwen-gradio-red.png")


def chatbot_of(shape):
    def bot(history):
        for text in SHAPES[shape]:
            yield answered(history, text)

    return chatbot_that(bot)


def chatbot_that(bot):
    with gr.Blocks() as app:
        chatbot, box = chat(), gr.Textbox()
        box.submit(user, [box, chatbot], [box, chatbot]).then(bot, chatbot, chatbot)
    return app


def box_of(shape):
    def reply(question):
        yield from SHAPES[shape]

    with gr.Blocks() as app:
        question, answer = gr.Textbox(), gr.Textbox()
        question.submit(reply, question, answer)
    return app


def interface_of(shape):
    def reply(message, history):
        yield from SHAPES[shape]

    return gr.ChatInterface(reply, **FORM)


def pictures(*said):
    """An app that replies with texts and pictures, each in a separate message."""

    def bot(history):
        for content in said:
            if content is PICTURE:
                content = (PICTURE, "a red square") if PAIRS else gr.Image(PICTURE)
            elif content is GALLERY:
                content = gr.Gallery([(PICTURE, "one"), (PICTURE, "two")])
            if PAIRS:
                history = [*history, [None, content]]
            else:
                history = [*history, {"role": "assistant", "content": content}]
            yield history

    return chatbot_that(bot)


def picture_of_an_interface():
    return gr.ChatInterface(lambda message, history: gr.Image(PICTURE), **FORM)


def api_that_yields(*texts):
    def reply(message: str) -> Iterator[str]:
        yield from texts

    with gr.Blocks() as app:
        gr.api(reply, api_name="chat")
    return app


KINDS = {
    f"{place}-{shape}": Kind(lambda build=build, shape=shape: build(shape), [])
    for place, build in (("chatbot", chatbot_of), ("box", box_of), ("interface", interface_of))
    for shape in SHAPES
} | {
    "pictures-only": Kind(lambda: pictures(PICTURE), []),
    "pictures-mixed": Kind(lambda: pictures("Here it is.", PICTURE, "Done."), []),
    "pictures-gallery": Kind(lambda: pictures(GALLERY), []),
    "pictures-interface": Kind(picture_of_an_interface, []),
    "pieces": Kind(lambda: api_that_yields("Hel", "lo", " the", "re"), []),
    "snapshots": Kind(lambda: api_that_yields("Hel", "Hello", "Hello the", "Hello there"), []),
}

if __name__ == "__main__":
    from PIL import Image

    Image.new("RGB", (3, 2), "red").save(PICTURE)
    run(KINDS)
