"""The conversation that `chat` holds: what is typed, and what is done with it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import typer

from ..chat import Chat
from .line_history import LineHistory
from .options import Options, arguments_to_ask
from .replies import write_reply
from .stdin import read
from .terminal import fail, note, notes, reported_errors

QUOTES = '"""'
HELP = f"""\
/system TEXT  set the system prompt; without TEXT, remove it
/reset        forget the conversation
/save FILE    save the conversation as JSON: messages in OpenAI's format
/quit         exit, as Ctrl-D does
{QUOTES}           at the beginning and the end of a message of several lines
\\             at the end of a line: the message continues on the next one
"""


def hold_dialogue(options: Options) -> None:
    """Ask what is typed, and obey commands in it, until the input ends."""
    is_dialogue = sys.stdin.isatty()
    has_failed = False
    with arguments_to_ask(options) as arguments:
        with reported_errors():
            conversation = _Conversation(Chat(**arguments))
        if notes().is_terminal:
            notes().print("/help lists the commands", style="dim")
        for command, text in _typed(is_dialogue):
            if command == "/quit":
                break
            try:
                with reported_errors():
                    conversation.take(command, text)
            except typer.Exit:
                has_failed = True
            except KeyboardInterrupt:  # stops the reply, not the conversation
                if not is_dialogue:
                    raise
    if has_failed and not is_dialogue:
        raise typer.Exit(1)


class _Conversation:
    """A chat, and the files that it was saved to."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._files: set[Path] = set()

    def take(self, command: str, text: str) -> None:
        """Obey a command, or ask the text if there is none."""
        match command:
            case "":
                anyio.run(write_reply, self._chat.stream(text))
            case "/system":
                self._chat.system = text or None
            case "/reset":
                self._chat.reset()
            case "/save":
                self._save(text)
            case "/help":
                notes().print(HELP, end="", markup=False, soft_wrap=True)
            case _:
                fail(f"Unknown command: {command}. /help lists the commands")

    def _save(self, name: str) -> None:
        if not name:
            fail("/save needs the name of a file")
        try:
            path = Path(name).expanduser().absolute()
        except RuntimeError as error:  # there is no such user
            fail(f"{name}: {error}")
        if path not in self._files and path.exists():
            fail(f"{name} exists. Save to another file")
        messages = self._chat.messages
        path.write_text(json.dumps(messages, ensure_ascii=False, indent=2) + "\n", "utf-8")
        self._files.add(path)
        note(f"{len(messages)} messages are saved in {name}")


def _typed(is_dialogue: bool) -> Iterator[tuple[str, str]]:
    """Yield each command that is typed, or "", and the text after it, until the input ends."""
    lines = _Lines(is_dialogue)
    while True:
        try:
            line = lines.next("> ").strip()
        except (EOFError, KeyboardInterrupt) as end:
            lines.end()
            if isinstance(end, EOFError):
                return
            raise
        try:
            text = _message(line, lines)
        except EOFError:
            lines.end()
            fail("the input ended before the message did")
        except KeyboardInterrupt:  # abandons the message, not the conversation
            lines.end()
            if not is_dialogue:
                raise
            continue
        if line.startswith("/"):
            command, *rest = text.split(maxsplit=1)
            yield command, "".join(rest)
        elif text:
            yield "", text


def _message(line: str, lines: _Lines) -> str:
    """Return the message that begins with a line."""
    if line.startswith(QUOTES):
        text = line.removeprefix(QUOTES)
        while not text.endswith(QUOTES):
            text += "\n" + lines.next("... ").rstrip()
        return text.removesuffix(QUOTES).strip("\n")
    while line.endswith("\\"):
        line = line[:-1] + "\n" + lines.next("... ").rstrip()
    return line


class _Lines:
    """The lines of standard input. In a dialogue, they can be edited, and are kept."""

    def __init__(self, is_dialogue: bool) -> None:
        self._history = LineHistory() if is_dialogue else None

    def next(self, prompt: str) -> str:
        """Return the next line.

        :raises EOFError: if there is none.
        """
        if self._history is None:
            return read(input)
        line = read(lambda: input(prompt))
        self._history.add(line)
        return line

    def end(self) -> None:
        """End the line of a prompt, so that what is shown next starts on one of its own."""
        if self._history is not None:
            typer.echo()
