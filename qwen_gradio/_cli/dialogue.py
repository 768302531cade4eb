"""The conversation of `chat`: read lines, and obey commands."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from os.path import expanduser
from pathlib import Path

import anyio
import typer

from .._files.reading import read_files
from ..chat import Chat
from .options import Options, arguments_to_ask
from .replies import write_reply
from .stdin import read
from .terminal import fail, note, notes, report_errors

QUOTES = '"""'
HELP = f"""\
/system TEXT  set the system prompt; without TEXT, remove it
/attach FILE  send a picture or other file, or an https URL, with the next question
/reset        forget the conversation
/save FILE    save the conversation as JSON: messages in OpenAI's format
/quit         exit, as Ctrl-D does
{QUOTES}           at the beginning and the end of a message of several lines
\\             at the end of a line: the message continues on the next one
"""


def hold_dialogue(options: Options, folder: Path | None) -> None:
    """Read questions and commands until the input ends.

    :param folder: where to save the files of replies.
    """
    is_dialogue = sys.stdin.isatty()
    has_failed = False
    if is_dialogue:
        with suppress(ImportError):  # on Windows, whose console does the same
            import readline  # noqa: F401  # lets `input` edit and recall lines
    with arguments_to_ask(options) as arguments:
        with report_errors():
            conversation = _Conversation(Chat(**arguments), folder)
        if notes().is_terminal:
            notes().print("/help lists the commands", style="dim")
        for command, text in _read_commands(is_dialogue):
            if command == "/quit":
                break
            try:
                with report_errors():
                    conversation.take(command, text)
            except typer.Exit:
                has_failed = True
            except KeyboardInterrupt:  # stops the reply, not the conversation
                if not is_dialogue:
                    raise
    if has_failed and not is_dialogue:
        raise typer.Exit(1)


class _Conversation:
    """A chat, the files for its next question, and the files it was saved to."""

    def __init__(self, chat: Chat, folder: Path | None) -> None:
        self._chat = chat
        self._folder = folder
        self._attached: list[str] = []
        self._files: set[Path] = set()

    def take(self, command: str, text: str) -> None:
        """Obey a command, or ask the text if there is none."""
        match command:
            case "":
                files, self._attached = self._attached, []
                anyio.run(write_reply, self._chat.stream(text, files=files), self._folder)
            case "/system":
                self._chat.system = text or None
            case "/attach":
                self._attach(text)
            case "/reset":
                self._chat.reset()
                self._attached = []
            case "/save":
                self._save(text)
            case "/help":
                notes().print(HELP, end="", markup=False, soft_wrap=True)
            case _:
                fail(f"Unknown command: {command}. /help lists the commands")

    def _attach(self, name: str) -> None:
        if not name:
            fail("/attach needs a file")
        path = name if "://" in name else expanduser(name)  # noqa: PTH111  # which may raise
        read_files(path)  # raises now if it cannot be sent
        self._attached.append(path)
        note(f"{name} goes with the next question")

    def _save(self, name: str) -> None:
        if not name:
            fail("/save needs the name of a file")
        path = Path(expanduser(name)).absolute()  # noqa: PTH111
        if path not in self._files and path.exists():
            fail(f"{name} exists. Save to another file")
        messages = self._chat.messages
        path.write_text(json.dumps(messages, ensure_ascii=False, indent=2) + "\n", "utf-8")
        self._files.add(path)
        note(f"{len(messages)} messages are saved in {name}")


def _read_commands(is_dialogue: bool) -> Iterator[tuple[str, str]]:
    """Yield each command that is typed, or "", and the text after it, until the input ends."""
    while True:
        try:
            line = _next_line("> ").strip()
        except EOFError:
            return
        try:
            text = _read_message(line)
        except EOFError:
            fail("the input ended before the message did")
        except KeyboardInterrupt:  # abandons the message, not the conversation
            if not is_dialogue:
                raise
            continue
        if line.startswith("/"):
            command, *rest = text.split(maxsplit=1)
            yield command, "".join(rest)
        elif text:
            yield "", text


def _read_message(line: str) -> str:
    """Return the message that begins with this line, reading the rest of it."""
    if line.startswith(QUOTES):
        text = line.removeprefix(QUOTES)
        while not text.endswith(QUOTES):
            text += "\n" + _next_line("... ").rstrip()
        return text.removesuffix(QUOTES).strip("\n")
    while line.endswith("\\"):
        line = line[:-1] + "\n" + _next_line("... ").rstrip()
    return line


def _next_line(prompt: str) -> str:
    """Return the next line of standard input.

    :raises EOFError: if there is none.
    """
    is_terminal = sys.stdin.isatty()
    try:
        return read(lambda: input(prompt if is_terminal else ""))
    except (EOFError, KeyboardInterrupt):
        if is_terminal:
            typer.echo()  # the next output starts on a line of its own
        raise
