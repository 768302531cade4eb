"""Stand-in Spaces of every kind that people write. Runs on Gradio 4.44, 5 and 6.

Each says back what it was given, as JSON, a character more in each output.
"""

import argparse
import json
import sys

import gradio as gr

arguments = argparse.ArgumentParser()
arguments.add_argument("kind")
arguments.add_argument("--form", default="messages", choices=["pairs", "messages"])
options = arguments.parse_args()
major = int(gr.__version__.split(".")[0])
form = {} if major >= 6 else {"type": "tuples" if options.form == "pairs" else "messages"}


def growing(**given):
    text = json.dumps(given)
    return [text[:end] for end in range(len(text) - 2, len(text) + 1)]


def turn(history, query, text):
    if options.form == "pairs":
        return [*history, [query, text]]
    said = [{"role": "assistant", "content": text}]
    return [*history, *([] if query is None else [{"role": "user", "content": query}]), *said]


def interface(message, history):
    if isinstance(message, dict):
        message = message["text"]
    yield from growing(message=message)


def interface_with_more(message, history, system, tokens, temperature):
    yield from growing(message=message, system=system, tokens=tokens, temperature=temperature)


def respond(message, history):
    history = history or []
    for text in growing(message=message, history=history):
        yield "", turn(history, message, text)


def bot(history):
    if options.form == "pairs":
        for text in growing(history=history):
            yield [*history[:-1], [history[-1][0], text]]
        return
    for text in growing(history=history):
        yield turn(history, None, text)


def qwen_2_5(query, history, system, radio):
    history = history or []
    for text in growing(query=query, system=system, radio=radio):
        yield "", turn(history, query, text), system


def qwen_2(query, history, system):
    history = history or []
    for text in growing(query=query, system=system):
        yield "", turn(history, query, text), system


def remember(message, history, seen):
    for text in growing(seen=seen):
        yield "", turn(history or [], message, text), [*seen, message]


if options.kind == "interface":
    app = gr.ChatInterface(interface, **form)
elif options.kind == "multimodal":
    app = gr.ChatInterface(interface, multimodal=True, **form)
elif options.kind == "more":
    more = [
        gr.Textbox("You are kind.", label="System message"),
        gr.Slider(1, 2048, 512, step=1, label="Max new tokens"),
        gr.Slider(0.1, 4, 0.7, label="Temperature"),
    ]
    app = gr.ChatInterface(interface_with_more, additional_inputs=more, **form)
elif options.kind == "function":
    app = gr.Interface(lambda text: json.dumps({"message": text}), "text", "text")
elif options.kind == "image":
    app = gr.Interface(lambda image: image, "image", "image")
else:
    with gr.Blocks() as app:
        chatbot = gr.Chatbot(**form)
        box = gr.Textbox()
        system = gr.Textbox("default", label="System prompt")
        radio = gr.Radio(["72B", "7B"], value="72B")
        if options.kind == "respond":
            clear = gr.ClearButton([box, chatbot])
            box.submit(respond, [box, chatbot], [box, chatbot])
        elif options.kind == "remember":
            state = gr.State([])
            inputs = outputs = [box, chatbot, state]
            box.submit(remember, inputs, outputs, api_name="chat")
        elif options.kind == "bot":
            user = box.submit(lambda m, h: ("", turn(h, m, None)), [box, chatbot], [box, chatbot])
            user.then(bot, chatbot, chatbot, api_name="bot")
        elif options.kind == "qwen-2.5":
            inputs = [box, chatbot, system, radio]
            box.submit(qwen_2_5, inputs, [box, chatbot, system], api_name="model_chat")
        else:
            inputs = [box, chatbot, system]
            box.submit(qwen_2, inputs, [box, chatbot, system], api_name="model_chat")

_, url, _ = app.launch(
    server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, show_error=True
)
sys.stdout.write(json.dumps({"event": "listening", "url": url.rstrip("/")}) + "\n")
sys.stdout.flush()
sys.stdin.read()  # until the tests close it, or are gone
app.close()
