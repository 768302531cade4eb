"""Apps that reply with the kinds and sizes of the files they get.

A picture is seen as "image 3x2", so that a lost or broken upload shows. Runs on Gradio 5 and 6.
"""

from pathlib import Path

import gradio as gr
from parts import FORM, MAJOR, answered, asked, blocks, chat, kind
from PIL import Image


def see(*paths):
    """Describe the contents of the files at these paths."""
    return " and ".join(map(look, paths)) or "nothing"


def look(path):
    try:
        with Image.open(path) as image:
            return f"image {image.width}x{image.height}"
    except OSError:
        file = Path(path)
        return f"{file.suffix} {file.stat().st_size} bytes".strip()


def paths_in(history):
    """Return the paths of the files in a history, in any of Gradio's forms."""
    for message in history:
        content = message["content"]
        for part in content if isinstance(content, list) else [content]:
            if isinstance(part, dict) and "file" in part:
                yield part["file"]["path"]
            elif isinstance(part, tuple):
                yield part[0]
            elif not isinstance(part, (str, dict)):
                yield part.file.path


@kind("see-interface", [])
def a_chat_interface():
    def reply(message, history):
        yield f"{message['text']} {see(*message['files'])}"

    box = gr.MultimodalTextbox(file_count="multiple", file_types=["image", ".txt"])
    return gr.ChatInterface(reply, multimodal=True, textbox=box, **FORM)


@kind("see-earlier", [])
def a_chat_interface_that_sees_what_came_before():
    def reply(message, history):
        yield see(*paths_in(history))

    return gr.ChatInterface(reply, multimodal=True, **FORM)


@blocks("see-chain", [])
def a_chain_that_takes_the_question_from_its_box(app):
    """The files are in the chatbot's history, as on the page of a multimodal chat."""
    chatbot, box = chat(), gr.MultimodalTextbox(file_count="single")

    def ask(message, history):
        for path in message["files"]:
            history = asked(history, {"path": path})
        return asked(history, message["text"]), None

    def bot(history):
        yield answered(history, see(*paths_in(history)))

    box.submit(ask, [box, chatbot], [chatbot, box]).then(bot, chatbot, chatbot)


@blocks("see-beside", [])
def inputs_beside_the_question(app):
    image, sound = gr.Image(type="filepath", label="Picture"), gr.Audio(type="filepath")
    video = gr.Video(label="Film")
    box, chatbot = gr.Textbox(label="Message"), chat()

    def reply(question, image, sound, video, history):
        seen = see(*filter(None, (image, sound, video)))
        yield answered(asked(history, question), f"{question} {seen}")

    box.submit(reply, [box, image, sound, video, chatbot], chatbot)


@blocks("see-files", [])
def a_list_of_files(app):
    files = gr.File(file_count="multiple", label="Files")
    editor = gr.ImageEditor(type="filepath", label="Editor")
    box, chatbot = gr.Textbox(label="Message"), chat()

    def reply(question, files, editor, history):
        edited = editor and editor["composite"]
        yield answered(asked(history, question), see(*(files or []), *filter(None, [edited])))

    box.submit(reply, [box, files, editor, chatbot], chatbot)


@blocks("see-upload", [])
def a_button_that_uploads(app):
    """As in Qwen-VL's web demos: a file goes to the chatbot and a State once it is chosen."""
    chatbot, box, task = chat(), gr.Textbox(label="Input"), gr.State([])
    button, submit = gr.UploadButton("Upload", file_types=["image"]), gr.Button("Submit")

    def add_file(history, task, file):
        return asked(history, {"path": file}), [*task, file]

    def add_text(history, task, text):
        return asked(history, text), [*task, text]

    def predict(history, task):
        shown = see(*paths_in(history))
        yield answered(history, f"{task[-1]} {see(*task[:-1])}, and the chatbot has {shown}")

    submit.click(add_text, [chatbot, task, box], [chatbot, task]).then(
        predict, [chatbot, task], chatbot
    )
    submit.click(lambda: "", None, box)
    button.upload(add_file, [chatbot, task, button], [chatbot, task])


@blocks("see-uploads", [])
def a_button_that_uploads_lists_into_state(app):
    files, button = gr.State([]), gr.UploadButton("Upload", file_count="multiple")
    box, chatbot = gr.Textbox(label="Message"), chat()

    def reply(question, files, history):
        yield answered(asked(history, question), see(*files))

    button.upload(lambda files: files, button, files)
    box.submit(reply, [box, files, chatbot], chatbot)


@blocks("see-text", [])
def text_alone(app):
    box, chatbot = gr.Textbox(label="Message"), chat()
    box.submit(lambda q, h: answered(asked(h, q), q), [box, chatbot], chatbot)


assert MAJOR >= 5

if __name__ == "__main__":
    from parts import KINDS
    from serving import run

    run(KINDS)
