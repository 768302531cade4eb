"""Chat interfaces whose functions reply with their input as JSON, in every form of a reply.

The page of a chat interface runs Gradio's own functions; there is another one for the API.
"""

import gradio as gr
from parts import FORM, MAJOR, PAIRS, kind, model, plain

STREAMING = {4: [0, 3, 1, 2, 5], 5: [0, 14, 1, 2, 17, 3, 4, 5], 6: [0, 1, 2, 3, 4, 5, 16, 14]}[
    MAJOR
]
MULTIMODAL = {4: [0, 3, 1, 2, 4]}.get(MAJOR, STREAMING)
AT_ONCE = {4: [0, 1, 2]}.get(MAJOR, STREAMING)


def said(**more):
    return {"role": "assistant", "content": "", **more}


@kind("interface", STREAMING)
def strings():
    def reply(message, history):
        yield from model(message=message)

    return gr.ChatInterface(reply, **FORM)


@kind("history", STREAMING)
def strings_after_earlier_turns():
    """A session keeps its turns. The model gets them as `history`."""

    def reply(message, history):
        yield from model(message=message, history=plain(history))

    return gr.ChatInterface(reply, **FORM)


@kind("multimodal", MULTIMODAL)
def a_box_for_text_and_files():
    def reply(message, history):
        yield from model(message=message["text"])

    return gr.ChatInterface(reply, multimodal=True, **FORM)


@kind("more", STREAMING)
def additional_inputs():
    def reply(message, history, system, tokens, temperature):
        yield from model(message=message, system=system, tokens=tokens, temperature=temperature)

    more = [
        gr.Textbox("You are kind.", label="System message"),
        gr.Slider(1, 2048, 512, step=1, label="Max new tokens"),
        gr.Slider(0.1, 4, 0.7, label="Temperature"),
    ]
    return gr.ChatInterface(reply, additional_inputs=more, **FORM)


@kind("at-once", AT_ONCE)
def a_string_at_once():
    def reply(message, history):
        *_, text = model(message=message)
        return text

    return gr.ChatInterface(reply, **FORM)


if not PAIRS:

    @kind("message", STREAMING)
    def messages():
        def reply(message, history):
            for text in model(message=message):
                yield said(content=text)

        return gr.ChatInterface(reply, **FORM)


if MAJOR >= 5 and not PAIRS:

    @kind("list", STREAMING)
    def lists_of_strings_and_messages():
        """The reply is two messages: "First." and the model's input."""

        def reply(message, history):
            for text in model(message=message):
                yield ["First.", said(content=text)]

        return gr.ChatInterface(reply, **FORM)

    @kind("thoughts", STREAMING)
    def thoughts_before_the_reply():
        """The reasoning is "Let me think."; it is followed by the reply."""

        def reply(message, history):
            thought = {"metadata": {"title": "Thinking"}}
            yield [said(content="Let me", **thought)]
            yield [said(content="Let me think.", **thought)]
            for text in model(message=message):
                yield [said(content="Let me think.", **thought), said(content=text)]

        return gr.ChatInterface(reply, **FORM)

    @kind("changing", STREAMING)
    def a_form_that_changes_during_streaming():
        """A string, then a message, then a list of messages, and a string at the end."""

        def reply(message, history):
            *start, text = model(message=message)
            yield start[0]
            yield said(content=start[1])
            yield [said(content=text)]
            yield text

        return gr.ChatInterface(reply, **FORM)
