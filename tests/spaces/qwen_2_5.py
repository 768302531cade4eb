"""A stand-in for Qwen/Qwen2.5 with its components: modelscope_studio 0.5 on Gradio 4.44."""

import gradio as gr
from modelscope_studio.components.Chatbot import ModelScopeChatbot
from parts import KINDS, blocks, model
from serving import run

SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."


def model_chat(query, history, system, radio):
    history = history or []
    earlier = [[said.text for said in pair] for pair in history]
    for text in model(query=query, history=earlier, system=system, radio=radio):
        pair = [{"text": query, "files": []}, {"text": text, "files": []}]
        yield "", [*history, pair], system


@blocks("qwen-2.5-space", calls=[0])
def space(app):
    radio = gr.Radio(["72B", "7B"], value="72B", visible=False)
    shown_system = gr.Textbox(value=SYSTEM, lines=1, label="System")
    system = gr.Textbox(value=SYSTEM, visible=False)
    chatbot = ModelScopeChatbot(label="72b", height=600)
    box, send = gr.Textbox(lines=1, label="Input"), gr.Button("Send")
    inputs, outputs = [box, chatbot, system, radio], [box, chatbot, shown_system]
    box.submit(model_chat, inputs, outputs)
    send.click(model_chat, inputs, outputs)


run(KINDS)
