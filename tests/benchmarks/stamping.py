"""A Space whose replies tell when they were written: each fragment is `number:seconds `.

The query is JSON: `fragments`, how many to write, and `every`, the seconds before each of them (0
is full speed). The stamps are those of `time.monotonic()`. Runs on Gradio 5 and 6, a program of its
own.

The seconds vary by half. Gradio 5 looks for news every 50 ms, and a reply in step with that would
be on time or late by chance, for all of its fragments.
"""

import asyncio
import json
import random
import sys
import time

import gradio as gr

AT_ONCE = 150
OF_PAIRS = int(gr.__version__.partition(".")[0]) < 6
"""Whether a chatbot holds pairs of texts, as it does by default before Gradio 6."""


async def model_chat(query, history, system):
    script = json.loads(query)
    text = ""
    for number in range(script["fragments"]):
        await asyncio.sleep(script["every"] * random.uniform(0.5, 1.5))
        text += f"{number}:{time.monotonic():.6f} "
        yield "", [*(history or []), *turn(query, text)], system


def turn(query, text):
    if OF_PAIRS:
        return [[query, text]]
    return [{"role": "user", "content": query}, {"role": "assistant", "content": text}]


with gr.Blocks() as app:
    chatbot = gr.Chatbot(**({"type": "tuples"} if OF_PAIRS else {}))
    query = gr.Textbox()
    system = gr.Textbox()
    query.submit(
        model_chat,
        [query, chatbot, system],
        [query, chatbot, system],
        api_name="model_chat",
        concurrency_limit=AT_ONCE,
    )

_, url, _ = app.launch(
    server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, max_threads=AT_ONCE
)
sys.stdout.write(json.dumps({"url": url.rstrip("/")}) + "\n")
sys.stdout.flush()
sys.stdin.read()  # until the benchmark closes it, or is gone
app.close()
