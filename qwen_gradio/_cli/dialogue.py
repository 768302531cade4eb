"""The conversation that `chat` holds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress

import anyio
import typer

from ..chat import Chat
from .options import Options, arguments_to_ask
from .terminal import note, notes, read, reported_errors, write_reply

CHAT_HELP = "/system TEXT  set the system prompt    /reset  forget the conversation    /quit  exit"


def hold_dialogue(options: Options) -> None:
    """Ask what the user types, until the input ends."""
    with suppress(ImportError):  # Windows has no readline
        import readline  # noqa: F401  # lets `input` edit lines
    is_dialogue = sys.stdin.isatty()
    has_failed = False
    with arguments_to_ask(options) as arguments:
        conversation = Chat(**arguments)
        if notes.is_terminal:
            notes.print(CHAT_HELP, style="dim")
        for line in _typed_lines():
            command, _, rest = line.partition(" ")
            if command == "/quit":
                break
            if command == "/reset":
                conversation.reset()
            elif command == "/system":
                conversation.system = rest.strip() or None
            elif command.startswith("/"):
                note(f"Unknown command: {command}. {CHAT_HELP}")
            else:
                try:
                    with reported_errors():
                        anyio.run(write_reply, conversation.stream(line))
                except typer.Exit:
                    has_failed = True
                except KeyboardInterrupt:  # stops the reply, not the conversation
                    if not is_dialogue:
                        raise
    if has_failed and not is_dialogue:
        raise typer.Exit(1)


def _typed_lines() -> Iterator[str]:
    """Yield the lines that the user types, until the input ends."""
    is_dialogue = sys.stdin.isatty()
    while True:
        try:
            line = read(lambda: input("> " if is_dialogue else "")).strip()
        except (EOFError, KeyboardInterrupt) as end:
            if is_dialogue:  # the shell's own prompt starts on a line of its own
                typer.echo()
            if isinstance(end, EOFError):
                return
            raise
        if line:
            yield line
