"""Apps whose page runs one function, with all kinds of inputs and outputs; apps with no chat.

The reply is the model's input as JSON.
"""

import json

import gradio as gr
from parts import FORM, blocks, chat, kind, model, plain, respond, turn, user


@blocks("respond", calls=[1])
def query_and_history(app):
    chatbot, box = chat(), gr.Textbox()
    gr.ClearButton([box, chatbot])
    box.submit(respond, [box, chatbot], [box, chatbot])


@blocks("remember", calls=[0])
def a_state_keeps_the_questions(app):
    """The model gets `seen`: the earlier questions of the session."""

    def remember(message, history, seen):
        for text in model(seen=seen):
            yield "", turn(history, message, text), [*seen, message]

    chatbot, box, seen = chat(), gr.Textbox(), gr.State([])
    box.submit(remember, [box, chatbot, seen], [box, chatbot, seen], api_name="chat")


@blocks("qwen-2.5", calls=[0])
def as_qwen_2_5_without_its_components(app):
    def model_chat(query, history, system, radio):
        for text in model(query=query, system=system, radio=radio):
            yield "", turn(history, query, text), system

    chatbot, box = chat(), gr.Textbox()
    system = gr.Textbox("default", label="System prompt")
    radio = gr.Radio(["72B", "7B"], value="72B")
    box.submit(model_chat, [box, chatbot, system, radio], [box, chatbot, system])


@blocks("qwen-2", calls=[0])
def as_qwen_2_and_qwen_2_5_max(app):
    def model_chat(query, history, system):
        for text in model(query=query, system=system):
            yield "", turn(history, query, text), system

    chatbot, box = chat(), gr.Textbox()
    system = gr.Textbox("default", label="System prompt")
    box.submit(model_chat, [box, chatbot, system], [box, chatbot, system])


@blocks("updates", calls=[0])
def outputs_are_updates(app):
    """The first and the last outputs are updates without a value."""

    def reply(message, history):
        yield gr.update(value="", interactive=False), gr.update(visible=True)
        for text in model(message=message, history=plain(history)):
            yield gr.update(), gr.update(value=turn(history, message, text))
        yield gr.update(interactive=True), gr.update(label="Answered")

    chatbot, box = chat(), gr.Textbox()
    box.submit(reply, [box, chatbot], [box, chatbot])


@blocks("components", calls=[0])
def outputs_are_components(app):
    def reply(message, history):
        for text in model(message=message, history=plain(history)):
            yield gr.Textbox(value=""), gr.Chatbot(value=turn(history, message, text), **FORM)

    chatbot, box = chat(), gr.Textbox()
    box.submit(reply, [box, chatbot], [box, chatbot])


@blocks("chatbot-last", calls=[0])
def several_outputs_and_the_chatbot_last(app):
    def reply(message, history, system):
        for text in model(message=message, history=plain(history), system=system):
            yield "", system, "Answering", turn(history, message, text)

    system = gr.Textbox("default", label="System prompt")
    chatbot, box, status = chat(), gr.Textbox(), gr.Markdown("Ready")
    box.submit(reply, [box, chatbot, system], [box, system, status, chatbot])


@blocks("markdown", calls=[0])
def text_in_and_markdown_out(app):
    def reply(question):
        yield from model(question=question)

    question, answer = gr.Textbox(label="Question"), gr.Markdown()
    question.submit(reply, question, answer)


@blocks("form", calls=[0])
def settings_are_one_value(app):
    """The model gets `settings`, by default {"model": "large", "budget": 8}."""

    def reply(message, history, settings):
        for text in model(message=message, history=plain(history), settings=settings):
            yield "", turn(history, message, text)

    chatbot, box = chat(), gr.Textbox()
    settings = gr.JSON({"model": "large", "budget": 8}, label="Settings")
    box.submit(reply, [box, chatbot, settings], [box, chatbot])


@blocks("two-chats", calls=[0])
def two_chats(app):
    """The model gets the `name` of the chat and of its endpoint: first or second."""
    for name in ("first", "second"):

        def reply(message, history, name=name):
            for text in model(name=name, message=message):
                yield "", turn(history, message, text)

        with gr.Tab(name):
            chatbot, box = chat(), gr.Textbox()
            box.submit(reply, [box, chatbot], [box, chatbot], api_name=name)


@blocks("two-texts", calls=[0])
def two_functions_of_text(app):
    """Nothing shows whether summarize or translate is the chat."""
    for name in ("summarize", "translate"):

        def reply(text, name=name):
            return json.dumps({"name": name, "text": text})

        with gr.Tab(name):
            box, answer = gr.Textbox(), gr.Textbox()
            box.submit(reply, box, answer, api_name=name)


@blocks("silent", calls=[0])
def the_assistant_says_nothing(app):
    """No reply: the chatbot ends with the question."""
    chatbot, box = chat(), gr.Textbox()
    box.submit(user, [box, chatbot], [box, chatbot])


@kind("function", calls=[0])
def a_function_of_text():
    return gr.Interface(lambda text: json.dumps({"message": text}), "text", "text")


@kind("image", calls=[])
def a_function_of_images():
    """No chat."""
    return gr.Interface(lambda image: image, "image", "image")


@blocks("classifier", calls=[])
def a_function_of_text_to_labels(app):
    """No chat: a text box, but no text comes back."""
    text, label = gr.Textbox(), gr.Label()
    text.submit(lambda text: {"kind": 0.75, "rude": 0.25}, text, label, api_name="classify")
