"""A stand-in Space that does what the query tells it to. Runs on Gradio 4.44, 5 and 6.

The query is JSON:

    say     the fragments of the reply, each a string that is added to the text so far
    every   seconds before each fragment
    text    instead of `say`: the texts that are yielded, as they are
    finish  "fail" raises at the end, "hang" works on without a word
    show    "session_hash" or "inputs": reply with what the Space sees of the request
    progress, log   steps and lines to report first

What happens is written to standard output, a JSON object a line.
"""

import argparse
import json
import sys
import time

import gradio as gr

arguments = argparse.ArgumentParser()
arguments.add_argument("--form", default="messages", choices=["pairs", "messages"])
arguments.add_argument("--workers", type=int, default=40)
arguments.add_argument("--no-chat", action="store_true")
options = arguments.parse_args()


def tell(**what):
    print(json.dumps(what), flush=True)


def held(history, query, text):
    """The history with one turn more, in this Space's form."""
    if options.form == "pairs":
        return [*history, [query, text]]
    return [
        *history,
        {"role": "user", "content": query},
        {"role": "assistant", "content": text},
    ]


def model_chat(query, history, system, request: gr.Request, progress=gr.Progress()):  # noqa: B008
    history = history or []
    try:
        script = json.loads(query)
    except ValueError:
        script = {"say": [query]}
    tell(event="started", session_hash=request.session_hash)
    told = 0
    try:
        for step in script.get("progress", []):
            progress(step, desc="thinking")
        for line in script.get("log", []):
            gr.Info(line)
        texts = script.get("text")
        if "show" in script:
            seen = {
                "session_hash": request.session_hash,
                "inputs": json.dumps([query, history, system]),
            }
            texts = [seen[script["show"]]]
        if texts is None:
            text = ""
            for fragment in script.get("say", []):
                time.sleep(script.get("every", 0))
                text += fragment
                told += 1
                yield "", held(history, query, text), system
        else:
            for text in texts:
                time.sleep(script.get("every", 0))
                told += 1
                yield "", held(history, query, text), system
        if script.get("finish") == "fail":
            raise gr.Error("the model is out of words")
        while script.get("finish") == "hang":
            time.sleep(0.05)
            yield "", held(history, query, text), system
        tell(event="finished", told=told)
    except GeneratorExit:
        tell(event="stopped", told=told)
        raise


with gr.Blocks() as app:
    major = int(gr.__version__.split(".")[0])
    form = {} if major >= 6 else {"type": "tuples" if options.form == "pairs" else "messages"}
    chatbot = gr.Chatbot(**form)
    query = gr.Textbox()
    system = gr.Textbox()
    button = gr.Button()
    names = ("shout", "shout_1") if options.no_chat else ("model_chat", "model_chat_1")
    for listen, name in zip((query.submit, button.click), names):
        listen(
            model_chat,
            [query, chatbot, system],
            [query, chatbot, system],
            api_name=name,
            concurrency_limit=options.workers,
            concurrency_id="model",
        )

app.queue(default_concurrency_limit=options.workers)
_, url, _ = app.launch(
    server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, show_error=True
)
tell(event="listening", url=url.rstrip("/"), gradio=gr.__version__)
sys.stdin.read()  # until the tests close it, or are gone
app.close()
