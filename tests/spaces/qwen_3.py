"""Stand-ins for Qwen/Qwen3-Demo and Qwen/Qwen3-VL-Demo: modelscope_studio 1 on Gradio 5.27.

They think "Let me think." first. As in the real Spaces, the model does not get `sys_prompt`, and a
session keeps its turns, which the model gets as `history`.
"""

import gradio as gr
from modelscope_studio.components import antd, antdx, base, pro
from modelscope_studio.components.pro.multimodal_input import MultimodalInputUploadConfig
from parts import KINDS, blocks, model
from PIL import Image
from serving import run

SETTINGS = {
    "model": "qwen3-235b-a22b",
    "sys_prompt": "You are a helpful and harmless assistant.",
    "thinking_budget": 38,
}


def part(kind, content, **options):
    return {"type": kind, "content": content, "options": options or None}


def texts(message):
    """Return the text of a message without reasoning."""
    content = message["content"]
    if isinstance(content, str):
        return content
    return "".join(part["content"] for part in content if part["type"] == "text")


def answers(query, earlier, settings, thinking):
    """Yield the parts of an answer, with more text in each output."""
    thought = []
    if thinking["enable_thinking"]:
        for text in ("Let", "Let me think."):
            thought = [part("tool", text, title="Thinking...", status="pending")]
            yield thought
        thought = [part("tool", text, title="End of Thought (0.1s)", status="done")]
    given = {name: settings[name] for name in ("model", "thinking_budget")}
    for text in model(query=query, history=earlier, **given):
        yield [*thought, part("text", text)]


@blocks("qwen-3-space", calls=[1, 4])
def space(app):
    state = gr.State({"history": [], "conversations": []})
    with base.Application(), antdx.XProvider():
        thinking = gr.State({"enable_thinking": True})
        conversations = antdx.Conversations()
        delete = antd.Menu.Item(label="Delete", key="delete")
        add = antd.Button("New Conversation")
        chatbot = pro.Chatbot(height=600)
        sender = antdx.Sender(placeholder="How can I help you today?")
        clear = antd.Button("Clear")
        with antd.Form(value=SETTINGS) as form:
            with antd.Form.Item(form_name="model", label="Model"):
                antd.Select(options=[{"value": SETTINGS["model"]}])
            with antd.Form.Item(form_name="sys_prompt", label="System Prompt"):
                antd.Input.Textarea()
            with antd.Form.Item(form_name="thinking_budget", label="Thinking Budget (k)"):
                antd.Slider(min=1, max=38)
    saved = gr.BrowserState({"conversations": []}, storage_key="qwen3")

    def started(history, state_value):
        return {
            sender: gr.update(value=None, loading=True),
            conversations: gr.update(items=[{"key": "1", "label": history[0]["content"]}]),
            **{button: gr.update(disabled=True) for button in (add, clear, delete)},
            chatbot: gr.update(value=history),
            state: gr.update(value=state_value),
        }

    def finished(history, state_value):
        return {
            sender: gr.update(loading=False),
            **{button: gr.update(disabled=False) for button in (add, clear, delete)},
            chatbot: gr.update(value=history),
            state: gr.update(value=state_value),
        }

    def answer(history, settings, thinking_value, state_value):
        earlier = [[message["role"], texts(message)] for message in history[:-1]]
        query = history[-1]["content"]
        message = {"role": "assistant", "content": [], "key": str(len(history))}
        history.append(message | {"loading": True, "status": "pending"})
        yield {chatbot: gr.update(value=history), state: gr.update(value=state_value)}
        for parts in answers(query, earlier, settings, thinking_value):
            history[-1] |= {"content": parts, "loading": False}
            yield {chatbot: gr.update(value=history), state: gr.update(value=state_value)}
        history[-1] |= {"footer": "0.2s", "status": "done"}
        yield finished(history, state_value)

    def add_message(input_value, settings_form_value, thinking_btn_state_value, state_value):
        history = state_value["history"]
        history.append({"role": "user", "content": input_value, "key": str(len(history))})
        yield started(history, state_value)
        yield from answer(history, settings_form_value, thinking_btn_state_value, state_value)

    def regenerate_message(
        settings_form_value, thinking_btn_state_value, state_value, event: gr.EventData
    ):
        history = state_value["history"]
        del history[event._data["payload"][0]["index"] :]
        yield started(history, state_value)
        yield from answer(history, settings_form_value, thinking_btn_state_value, state_value)

    def cancel(state_value):
        return finished(state_value["history"], state_value)

    def clear_history(state_value):
        state_value["history"] = []
        return gr.update(value=None), gr.update(value=state_value)

    def apply_browser_state(browser_state_value, state_value):
        state_value["conversations"] = browser_state_value["conversations"]
        items = gr.update(items=state_value["conversations"])
        return items, gr.update(value=state_value)

    def update_browser_state(state_value):
        return gr.update(value={"conversations": state_value["conversations"]})

    outputs = [sender, clear, delete, add, conversations, chatbot, state]
    state.change(update_browser_state, state, saved)
    app.load(apply_browser_state, [saved, state], [conversations, state])
    clear.click(clear_history, state, [chatbot, state])
    again = chatbot.retry(regenerate_message, [form, thinking, state], outputs)
    asking = sender.submit(add_message, [sender, form, thinking, state], outputs)
    sender.cancel(cancel, state, outputs, cancels=[asking, again], queue=False)


@blocks("qwen-3-vl-space", calls=[1, 2])
def space_that_sees(app):
    """A user turn has a part with files, as paths or URLs, and a part with text."""
    state = gr.State({"history": []})
    with base.Application(), antdx.XProvider():
        conversations = antdx.Conversations()
        delete = antd.Menu.Item(label="Delete", key="delete")
        add, clear = antd.Button("New Conversation"), antd.Button("Clear")
        chatbot = pro.Chatbot(height=600)
        sender = pro.MultimodalInput(
            placeholder="How can I help you today?",
            upload_config=MultimodalInputUploadConfig(accept="image/*,video/*"),
        )
        thinking = gr.State({"enable_thinking": True})
    saved = gr.BrowserState({"history": []}, storage_key="qwen3_vl")

    def look(path):
        if path.startswith("http"):
            return path
        with Image.open(path) as image:
            return f"image {image.width}x{image.height}"

    def said(message):
        if message["role"] == "assistant":
            return texts(message)
        files, text = message["content"]
        return [*map(look, files["content"]), text["content"]]

    def shown(history, state_value, **changes):
        return {
            **{component: gr.update(disabled=changes["loading"]) for component in (add, clear)},
            sender: gr.update(**changes),
            chatbot: gr.update(value=history),
            state: gr.update(value=state_value),
        }

    def add_message(input_value, thinking_btn_state_value, state_value):
        history = state_value["history"]
        earlier = [[message["role"], said(message)] for message in history]
        parts = [part("file", [*input_value["files"]]), part("text", input_value["text"])]
        history.append({"role": "user", "content": parts, "key": str(len(history))})
        query = said(history[-1])
        yield shown(history, state_value, value=None, loading=True)
        history.append({"role": "assistant", "content": [], "loading": True, "status": "pending"})
        yield {chatbot: gr.update(value=history), state: gr.update(value=state_value)}
        settings = {"model": "qwen3-vl", "thinking_budget": None}
        for parts in answers(query, earlier, settings, thinking_btn_state_value):
            history[-1] |= {"content": parts, "loading": False}
            yield {chatbot: gr.update(value=history), state: gr.update(value=state_value)}
        history[-1] |= {"footer": "0.2s", "status": "done"}
        yield shown(history, state_value, loading=False)

    outputs = [sender, clear, delete, add, conversations, chatbot, state]
    state.change(lambda state_value: gr.update(value=state_value), state, saved)
    app.load(lambda saved_value, _: gr.update(value=saved_value), [saved, state], [state])
    sender.submit(add_message, [sender, thinking, state], outputs)


@blocks("bubbles", calls=[0])
def a_list_of_bubbles(app):
    """The turns are in a State; the list of bubbles only shows them."""

    def answer(message, turns):
        turns = [*turns, {"role": "user", "content": message, "key": str(len(turns))}]
        yield "", gr.update(items=[*turns, {"role": "ai", "content": "", "loading": True}]), turns
        for text in model(query=message, earlier=[turn["content"] for turn in turns[:-1]]):
            answered = [*turns, {"role": "ai", "content": text, "key": str(len(turns))}]
            yield "", gr.update(items=answered), answered

    turns = gr.State([])
    with base.Application(), antdx.XProvider():
        bubbles = antdx.Bubble.List(items=[{"role": "ai", "content": "Welcome!"}])
        sender = antdx.Sender()
    sender.submit(answer, [sender, turns], [sender, bubbles, turns])


def pro_chat(write, read):
    """A chat whose function writes answers in one form, and reads earlier ones in that form."""

    def answer(message, history):
        earlier = [
            [
                turn["role"],
                read(turn["content"]) if turn["role"] == "assistant" else turn["content"],
            ]
            for turn in history or []
        ]
        history = [*(history or []), {"role": "user", "content": message}]
        for text in model(query=message, history=earlier):
            yield "", [*history, {"role": "assistant", "content": write(text)}]

    with base.Application(), antdx.XProvider():
        chatbot, sender = pro.Chatbot(), antdx.Sender()
    sender.submit(answer, [sender, chatbot], [sender, chatbot])


@blocks("pro-parts", calls=[0])
def a_pro_chatbot_with_parts(app):
    pro_chat(
        write=lambda text: [part("text", text)],
        read=lambda content: "".join(part["content"] for part in content),
    )


@blocks("pro-text", calls=[0])
def a_pro_chatbot_with_text(app):
    pro_chat(write=str, read=lambda content: content + "")


run(KINDS)
