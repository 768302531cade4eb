"""Apps whose chat is one of several, or is shown or remembered in an unusual component.

The reply is the model's input as JSON.
"""

import json

import gradio as gr
from parts import FORM, MAJOR, answered, asked, blocks, chat, kind, model, plain, turn
from parts import respond as reply_at_once


@blocks("chat-tabs", calls=[])
def chat_interfaces_in_tabs(app):
    """The model gets the `name` of the tab and its `seen` State. The first tab is the chat."""
    for name in ("Chat", "Code"):

        def chat(message, history, seen, name=name):
            text = json.dumps({"name": name, "message": message, "seen": seen})
            return (text, name) if MAJOR >= 5 else text

        with gr.Tab(name):
            seen = gr.State({"count": 0})
            more = {"additional_outputs": [gr.Markdown()]} if MAJOR >= 5 else {}
            gr.ChatInterface(chat, additional_inputs=[seen], **more, **FORM)


@blocks("tools", calls=[0])
def a_button_and_tools_in_later_tabs(app):
    """The model of the main tab gets `asked`; the tools' functions get `searched`."""

    def answer(text):
        yield from model(asked=text)

    def search(query):
        return json.dumps({"searched": query})

    with gr.Tab("Main"):
        box, send, answer_shown = gr.Textbox(label="Topic"), gr.Button("Send"), gr.Markdown()
        send.click(answer, box, answer_shown)
    with gr.Tab("Search"):
        gr.Interface(search, gr.Textbox(label="Search query"), "text")
    with gr.Tab("Count"):
        gr.Interface(search, gr.Textbox(label="Message"), "text")


@blocks("arena", calls=[0, 1, 2])
def two_chatbots_side_by_side(app):
    """The model of the left chatbot gets `side` "left"."""

    def ask_both(message, left, right):
        return "", asked(left, message), asked(right, message)

    def answer(side):
        def bot(history):
            for text in model(side=side, history=plain(history)):
                yield answered(history, text)

        return bot

    left, right = (gr.Chatbot(label=label, **FORM) for label in ("Model A", "Model B"))
    box = gr.Textbox()
    asking = box.submit(ask_both, [box, left, right], [box, left, right], queue=False)
    asking.then(answer("left"), left, left).then(answer("right"), right, right)


@blocks("arena-at-once", calls=[0])
def two_chatbots_written_by_one_function(app):
    def answer(message, left, right):
        for text in model(side="left", message=message):
            yield "", turn(left, message, text), turn(right, message, "right")

    left, right = (gr.Chatbot(label=label, **FORM) for label in ("Model A", "Model B"))
    box = gr.Textbox()
    box.submit(answer, [box, left, right], [box, left, right])


def remembering(memory):
    """A chat that keeps its turns in this component; the chatbot is only for display."""

    def remember(message, turns):
        turns = [*(turns or []), message]
        for text in model(turns=turns):
            yield "", turns, turn([], message, text)

    chatbot, box = chat(), gr.Textbox()
    box.submit(remember, [box, memory], [box, memory, chatbot])


@blocks("json-memory", calls=[0])
def a_hidden_json_keeps_the_questions(app):
    remembering(gr.JSON([], visible=False))


if MAJOR >= 5:

    @blocks("browser-memory", calls=[0])
    def the_browser_keeps_the_questions(app):
        remembering(gr.BrowserState(["earlier"]))


@blocks("data-and-text", calls=[0])
def a_json_and_a_markdown(app):
    def answer(question):
        for text in model(question=question):
            yield {"tokens": len(text)}, text

    box, data, text = gr.Textbox(), gr.JSON(), gr.Markdown()
    box.submit(answer, box, [data, text])


@kind("one-box", calls=[0])
def one_box_for_the_question_and_the_reply():
    box = gr.Textbox()
    return gr.Interface(lambda text: json.dumps({"message": text}), box, box)


if MAJOR >= 5:  # before, they were always in /config

    @blocks("missing-output", calls=[0])
    def an_output_that_is_not_on_the_page(app):
        hidden = gr.Textbox(render=False)

        def respond(message, history):
            for text, shown in reply_at_once(message, history):
                yield text, shown, "ready"

        chatbot, box = chat(), gr.Textbox()
        box.submit(respond, [box, chatbot], [box, chatbot, hidden])

    @blocks("missing-input", calls=[])
    def an_input_that_is_not_on_the_page(app):
        """No chat: the function needs an input that is not on the page."""
        hidden = gr.Textbox(render=False)
        chatbot, box = chat(), gr.Textbox()
        box.submit(lambda *_: None, [box, chatbot, hidden], [chatbot], api_name="respond")


@kind("bounds", calls=[])
def settings_with_bounds():
    """The model gets `settings`: tokens, temperature, top-p, speed and mode."""

    def reply(message, history, *settings):
        yield from model(settings=settings)

    settings = [
        gr.Slider(1, 2048, 512, step=1, label="Max new tokens"),
        gr.Slider(0.1, 4.0, 0.7, step=0.1, label="Temperature"),
        gr.Number(0.95, minimum=0.1, maximum=1.0, label="Top-p (nucleus sampling)"),
        gr.Dropdown([("Fast", "f"), ("Slow", "s")], value="s", label="Speed"),
        gr.Radio([1, 2.5], value=1, label="Mode"),
    ]
    return gr.ChatInterface(reply, additional_inputs=settings, **FORM)


@kind("system", calls=[])
def an_empty_system_box():
    def reply(message, history, system):
        yield from model(message=message, system=system)

    system = gr.Textbox("", label="System prompt")
    return gr.ChatInterface(reply, additional_inputs=[system], **FORM)


@blocks("drawn", calls=[0, 1])
def the_page_draws_the_chat_when_it_opens(app):
    """The model gets `settings` from a slider that is also drawn."""

    def respond(message, history, temperature):
        for text in model(message=message, history=plain(history), at=temperature):
            yield "", turn(history, message, text)

    count = gr.State(0)
    app.load(lambda: 1, None, count)

    @gr.render(inputs=count)
    def draw(count):
        for number in range(count):
            chatbot, box = chat(), gr.Textbox(label=f"Chat {number}")
            slider = gr.Slider(0, 2, 0.5, label="Temperature")
            box.submit(respond, [box, chatbot, slider], [box, chatbot], api_name="respond")


@blocks("drawn-image", calls=[0])
def the_page_draws_no_chat(app):
    @gr.render()
    def draw():
        image = gr.Image()
        image.change(lambda image: image, image, image, api_name="keep")


if MAJOR >= 6:

    @blocks("props", calls=[0])
    def parameters_annotated_with_components(app):
        """The model gets the message's `label` and the slider's maximum, `most`."""

        def reply(message: gr.Textbox, history, temperature: gr.Slider):
            given = {"label": message.label, "most": temperature.maximum, "at": temperature.value}
            for text in model(message=message.value, **given):
                yield "", turn(history, message.value, text)

        chatbot, box = chat(), gr.Textbox(label="Message")
        slider = gr.Slider(0, 2, 0.7, label="Temperature")
        box.submit(reply, [box, chatbot, slider], [box, chatbot])
