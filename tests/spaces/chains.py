"""Apps whose page runs several functions, one after another, for a question.

The reply is the model's input as JSON, unless the docstring of the kind says otherwise.
"""

import itertools
import time

import gradio as gr
from parts import (
    MAJOR,
    PAIRS,
    answered,
    asked,
    blocks,
    bot,
    chat,
    model,
    plain,
    turn,
    unanswered,
    user,
)

DOCS = ["Paris is in France."]


@blocks("bot", calls=[0, 1])
def user_then_bot(app):
    chatbot, box = chat(), gr.Textbox()
    asking = box.submit(user, [box, chatbot], [box, chatbot], queue=False)
    asking.then(bot, chatbot, chatbot)


@blocks("success", calls=[0, 1])
def enter_or_button_and_only_on_success(app):
    chatbot, box, send = chat(), gr.Textbox(), gr.Button("Send")
    for listen in (box.submit, send.click):
        asking = listen(user, [box, chatbot], [box, chatbot], queue=False)
        asking.success(bot, chatbot, chatbot)


@blocks("tidy", calls=[0, 1, 2])
def a_step_tidies_up(app):
    def hold(message, history):
        return gr.update(value="", interactive=False), asked(history, message)

    chatbot, box = chat(), gr.Textbox()
    asking = box.submit(hold, [box, chatbot], [box, chatbot], queue=False)
    asking.then(bot, chatbot, chatbot).then(lambda: gr.update(interactive=True), None, box)


@blocks("postscript", calls=[0, 1, 2])
def a_later_step_adds_to_the_reply(app):
    """The reply is followed by " (checked)"."""

    def check(history):
        *_, (_, text) = plain(history)
        return answered(unanswered(history), f"{text} (checked)")

    chatbot, box = chat(), gr.Textbox()
    asking = box.submit(user, [box, chatbot], [box, chatbot], queue=False)
    asking.then(bot, chatbot, chatbot).then(check, chatbot, chatbot)


@blocks("javascript", calls=[0, 2])
def a_step_between_runs_in_the_browser(app):
    chatbot, box = chat(), gr.Textbox()
    asking = box.submit(user, [box, chatbot], [box, chatbot], queue=False)
    asking.then(None, None, None, js="() => {}").then(bot, chatbot, chatbot)


@blocks("load", calls=[0, 1, 2])
def loading_the_page_fills_what_the_chain_reads(app):
    """The model gets `settings` from a State, and `name` from an empty text box."""

    def bot(history, settings, name):
        for text in model(history=plain(history), settings=settings, name=name):
            yield answered(history, text)

    settings, chatbot = gr.State(), chat()
    box, name = gr.Textbox(), gr.Textbox(label="Name of the assistant")
    app.load(lambda: ({"seed": 7}, "Qwen"), None, [settings, name])
    asking = box.submit(user, [box, chatbot], [box, chatbot], queue=False)
    asking.then(bot, [chatbot, settings, name], chatbot)


@blocks("placeholder", calls=[0, 1])
def the_first_step_writes_a_placeholder(app):
    def wait(message, history):
        return "", turn(history, message, "Thinking...")

    def bot(history):
        history = unanswered(history)
        for text in model(history=plain(history)):
            yield answered(history, text)

    chatbot, box = chat(), gr.Textbox()
    asking = box.submit(wait, [box, chatbot], [box, chatbot], queue=False)
    asking.then(bot, chatbot, chatbot)


@blocks("greeting", calls=[0, 1])
def the_chatbot_greets(app):
    greeting = [[None, "Welcome!"]] if PAIRS else [{"role": "assistant", "content": "Welcome!"}]
    chatbot, box = chat(greeting), gr.Textbox()
    asking = box.submit(user, [box, chatbot], [box, chatbot], queue=False)
    asking.then(bot, chatbot, chatbot)


@blocks("private", calls=[0, 1])
def steps_without_a_name(app):
    hidden = {"api_visibility": "private"} if MAJOR >= 6 else {"api_name": False}
    chatbot, box = chat(), gr.Textbox()
    asking = box.submit(user, [box, chatbot], [box, chatbot], queue=False, **hidden)
    asking.then(bot, chatbot, chatbot, **hidden)


if MAJOR >= 6:

    @blocks("nameless", calls=[0, 1])
    def steps_named_false(app):
        """Gradio 6 treats `api_name=False` as the name "false"."""
        chatbot, box = chat(), gr.Textbox()
        asking = box.submit(user, [box, chatbot], [box, chatbot], queue=False, api_name=False)
        asking.then(bot, chatbot, chatbot, api_name=False)


@blocks("undocumented", calls=[0, 1])
def steps_that_are_not_listed(app):
    hidden = {"api_visibility": "undocumented"} if MAJOR >= 6 else {"show_api": False}
    chatbot, box = chat(), gr.Textbox()
    asking = box.submit(user, [box, chatbot], [box, chatbot], queue=False, **hidden)
    asking.then(bot, chatbot, chatbot, **hidden)


@blocks("retrieval", calls=[0, 1, 2])
def a_step_between_looks_things_up(app):
    """The model gets `found`, which the second step writes to a State."""
    retrieval(lambda history: DOCS)


@blocks("fails", calls=[0, 1, 2])
def a_step_between_fails(app):
    """No reply: the second step raises "the retriever is down"; the third would answer."""

    def fail(history):
        raise gr.Error("the retriever is down")

    retrieval(fail)


def retrieval(look_up):
    def bot(history, found):
        for text in model(history=plain(history), found=found):
            yield answered(history, text)

    chatbot, box, found = chat(), gr.Textbox(), gr.State([])
    asking = box.submit(user, [box, chatbot], [box, chatbot], queue=False)
    looking = asking.then(look_up, chatbot, found, api_name="look_up")
    looking.then(bot, [chatbot, found], chatbot)


@blocks("endless", calls=[0, 1])
def a_bot_that_does_not_end(app):
    """The reply is dots, one more in each output, until it is stopped."""

    def bot(history):
        for count in itertools.count(1):
            yield answered(history, "." * count)
            time.sleep(0.05)

    chatbot, box = chat(), gr.Textbox()
    asking = box.submit(user, [box, chatbot], [box, chatbot], queue=False)
    asking.then(bot, chatbot, chatbot)


@blocks("turns", calls=[0, 1])
def a_state_counts_the_turns_of_a_session(app):
    """The model gets `turn`, which is 1 for the first question of a session."""

    def count(message, history, turns):
        return "", asked(history, message), turns + 1

    def bot(history, turns):
        for text in model(history=plain(history), turn=turns):
            yield answered(history, text)

    chatbot, box, turns = chat(), gr.Textbox(), gr.State(0)
    asking = box.submit(count, [box, chatbot, turns], [box, chatbot, turns], queue=False)
    asking.then(bot, [chatbot, turns], chatbot)


@blocks("remembered", calls=[0, 1])
def a_state_holds_the_chat(app):
    """The chatbot is only for display; the model gets the `history` in a State."""

    def note(message, said):
        said = [*said, ["user", message]]
        return "", said, shown(said)

    def bot(said):
        for text in model(history=said):
            yield [*said, ["assistant", text]], shown([*said, ["assistant", text]])

    def shown(said):
        if not PAIRS:
            return [{"role": role, "content": text} for role, text in said]
        texts = [text for _, text in said] + [None] * (len(said) % 2)
        return [list(pair) for pair in zip(texts[::2], texts[1::2])]

    chatbot, box, said = chat(), gr.Textbox(), gr.State([])
    asking = box.submit(note, [box, said], [box, said, chatbot], queue=False)
    asking.then(bot, said, [said, chatbot])


@blocks("stateful", calls=[0, 1, 2])
def the_box_is_emptied_into_a_state(app):
    """The question goes into a State first. The step that answers reads it from there."""

    def reply(message, history):
        for text in model(message=message, history=plain(history)):
            yield turn(history, message, text)

    chatbot, box, message = chat(), gr.Textbox(), gr.State("")
    asking = box.submit(lambda text: (text, ""), box, [message, box], queue=False, api_name="keep")
    asking.then(reply, [message, chatbot], chatbot).then(
        lambda: gr.update(placeholder="Ask more"), None, box, api_name="tidy"
    )
