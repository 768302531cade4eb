"""A stand-in Space that does what the query tells it to. Runs on Gradio 4.44, 5 and 6.

The query is JSON (any other query is said back):

    say     the fragments of the reply, each added to the text so far
    every   seconds before each of them
    text    instead of `say`: the texts to yield, as they are
    finish  "fail" raises when all is said, "hang" yields the same text from then on
    error   the message and title of the `gr.Error` to fail with; without a message, an exception
    quota   a name, and for how many seconds after it is first named to fail as if it were spent
    meet    a name and a number: wait until so many queries with that name have begun
    show    "session_hash" or "inputs": reply with what the Space sees of the request
    steps   fractions of progress to report first
    log     lines to report first
    warn    a line to warn with when all is said

What happens is written to standard output, a JSON object a line, with the query's `tag`: "started",
"finished", "stopped" when Gradio closes the generator or no longer asks it for more (4.44 leaves it
for the garbage collector to close).
"""

import argparse
import datetime
import json
import math
import sys
import threading
import time

import gradio as gr
from launching import launch, tell

arguments = argparse.ArgumentParser()
arguments.add_argument("--form", default="messages", choices=["pairs", "messages"])
arguments.add_argument("--at-once", type=int, default=40)
arguments.add_argument("--no-chat", action="store_true")
arguments.add_argument("--swapped", action="store_true", help="another endpoint comes first")
arguments.add_argument("--port", type=int)
arguments.add_argument("--queue", type=int, help="how many requests may wait")
arguments.add_argument("--auth", nargs=2)
arguments.add_argument("--hide-errors", action="store_true")
arguments.add_argument("--picky", action="store_true", help='take no query that is "no"')
arguments.add_argument("--oauth", action="store_true", help="reply with the user's token")
options = arguments.parse_args()

asked_for_more = {}  # when it last was, by tag
spent_until = {}  # the time, by the name of a quota
meetings = {}  # barriers, by name


def notice_the_abandoned():
    while True:
        time.sleep(0.1)
        for tag, when in list(asked_for_more.items()):
            if time.monotonic() - when > 1 and asked_for_more.pop(tag, None):
                tell(event="stopped", tag=tag)


threading.Thread(target=notice_the_abandoned, daemon=True).start()


def held(history, query, text):
    """The history with one turn more, in this Space's form."""
    if options.form == "pairs":
        return [*history, [query, text]]
    return [*history, {"role": "user", "content": query}, {"role": "assistant", "content": text}]


def model_chat(query, history, system, request: gr.Request, progress=gr.Progress()):  # noqa: B008
    history = history or []
    try:
        script = json.loads(query)
    except ValueError:
        script = {"say": [query]}
    tag = script.get("tag")
    tell(event="started", tag=tag, session_hash=request.session_hash)
    text = ""
    try:
        name, seconds = script.get("quota", (None, 0))
        left = spent_until.setdefault(name, time.monotonic() + seconds) - time.monotonic()
        if left > 0:
            wait = datetime.timedelta(seconds=math.ceil(left))
            raise gr.Error(f"You have exceeded your GPU quota. Try again in {wait}.")
        if "meet" in script:
            name, parties = script["meet"]
            meetings.setdefault(name, threading.Barrier(parties)).wait()
        for step in script.get("steps", []):
            progress(step, desc="thinking")
            time.sleep(0.2)  # Gradio sends the newest step now and then, not each
        for line in script.get("log", []):
            gr.Info(line)
        texts = script.get("text")
        if "show" in script:
            inputs = json.dumps([query, history, system])
            texts = [{"session_hash": request.session_hash, "inputs": inputs}[script["show"]]]
        for piece in script.get("say", []) if texts is None else texts:
            time.sleep(script.get("every", 0))
            text = text + piece if texts is None else piece
            if script.get("finish") == "hang":
                asked_for_more[tag] = time.monotonic()
            yield "", held(history, query, text), system
        if "warn" in script:
            gr.Warning(script["warn"])
        if script.get("finish") == "fail":
            message, title = script.get("error", ["the model is out of words", "Error"])
            if message is None:
                raise RuntimeError("of which callers see nothing")
            raise gr.Error(message, **({"title": title} if title != "Error" else {}))
        while script.get("finish") == "hang":
            time.sleep(0.05)
            asked_for_more[tag] = time.monotonic()
            yield "", held(history, query, text), system
        tell(event="finished", tag=tag)
    except GeneratorExit:
        if asked_for_more.pop(tag, True):  # it may be closed before it was asked for more
            tell(event="stopped", tag=tag)
        raise


def oauth_chat(query, history, system, oauth_token: gr.OAuthToken | None = None):
    return "", held(history or [], query, oauth_token.token if oauth_token else "none"), system


def take_no_no(query, history, system):
    valid = gr.validate(True, "")
    return [gr.validate(query != "no", "No is no question"), valid, valid]


with gr.Blocks() as app:
    major = int(gr.__version__.split(".")[0])
    form = {} if major >= 6 else {"type": "tuples" if options.form == "pairs" else "messages"}
    chatbot = gr.Chatbot(**form)
    query = gr.Textbox()
    system = gr.Textbox()
    button = gr.Button()
    if options.no_chat:
        button.click(lambda volume: volume, gr.Number(label="volume"), api_name="shout")
    elif options.swapped:
        button.click(lambda query, history, system: ("", [], ""), [query, chatbot, system])
    chats = (
        [] if options.no_chat else [(query.submit, "model_chat"), (button.click, "model_chat_1")]
    )
    for listen, name in chats:
        listen(
            oauth_chat if options.oauth else model_chat,
            [query, chatbot, system],
            [query, chatbot, system],
            api_name=name,
            concurrency_limit=options.at_once,
            concurrency_id="model",
            **({"validator": take_no_no} if options.picky else {}),
        )

app.queue(max_size=options.queue)
url = launch(
    app,
    server_port=options.port,
    show_error=not options.hide_errors,
    auth=tuple(options.auth) if options.auth else None,
)
tell(event="listening", url=url, gradio=gr.__version__)
sys.stdin.read()  # until the tests close it, or are gone
app.close()
