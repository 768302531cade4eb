"""A Space whose replies tell when they were written: each fragment is `number:seconds `.

The query is JSON: `fragments`, how many to write, and `every`, the seconds before each of them (0
is full speed); with `ending`, the code then raises an error, or the Space dies. The stamps are
those of `time.monotonic()`. Runs on Gradio 4.44 to 6, a program of its own.

The seconds vary by half: old Gradios look for news every 50 ms, and a reply in step with that would
be on time or late by chance, for all of its fragments.
"""

import asyncio
import json
import os
import random
import signal
import sys
import time

import gradio as gr

AT_ONCE = 150
CHATBOT = {} if gr.__version__ >= "6" else {"type": "messages"}


async def model_chat(query, history, system):
    script = json.loads(query)
    text = ""
    for number in range(script["fragments"]):
        await asyncio.sleep(script["every"] * random.uniform(0.5, 1.5))
        text += f"{number}:{time.monotonic():.6f} "
        turn = [{"role": "user", "content": query}, {"role": "assistant", "content": text}]
        yield "", [*history, *turn], system
    if script.get("ending"):
        await asyncio.sleep(script["every"])  # for the last fragment to arrive
        if script["ending"] == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        raise RuntimeError("as asked")


with gr.Blocks() as app:
    inputs = [gr.Textbox(), gr.Chatbot(**CHATBOT), gr.Textbox()]
    inputs[0].submit(model_chat, inputs, inputs, api_name="model_chat", concurrency_limit=AT_ONCE)

_, url, _ = app.launch(
    server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, max_threads=AT_ONCE
)
sys.stdout.write(json.dumps({"url": url.rstrip("/")}) + "\n")
sys.stdout.flush()
sys.stdin.read()  # until the benchmark closes it, or is gone
