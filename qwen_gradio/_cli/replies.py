"""Write replies, as they arrive or as JSON. On a terminal, a spinner shows the status."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import anyio
import typer

from .._controls import strip_controls
from .._files.attachments import clean_name
from .._files.media import ending_of, type_of_name
from .._reply import StreamStatus
from .._reply_files import ReplyFile
from .._stream import FragmentStream
from ..errors import QwenGradioError
from .terminal import note, notes, write

if TYPE_CHECKING:
    from rich.status import Status


async def write_reply(stream: FragmentStream, folder: Path | None = None) -> None:
    """Write the fragments of a reply as they arrive. A terminal also shows the reasoning.

    :param folder: where to save the reply's files; None writes their URLs instead.
    """
    reply = _Lines(write)
    reasoning = _Lines(lambda text: notes().out(strip_controls(text), style="dim", end=""))

    with _status_of(stream) as spinner:

        def think(text: str) -> None:
            spinner.stop()
            reasoning.add(text)

        if notes().is_terminal:
            stream.on_reasoning = think
        try:
            async for fragment in stream:
                spinner.stop()
                reasoning.end()
                reply.add(fragment)
        finally:
            spinner.stop()
            reasoning.end()
            reply.end()
    if folder is None:
        for file in stream.files:
            note(f"{file.mime_type}: {file.url}")
        return
    saved = [await _save(file, folder) for file in stream.files]
    for path in filter(None, saved):
        note(f"saved {path}")
    if None in saved:
        raise typer.Exit(1)


async def write_as_json(stream: FragmentStream, folder: Path | None = None) -> None:
    """Write the complete reply as one JSON object. If it fails, the object includes the error.

    :param folder: where to save the reply's files; the object then has their paths.
    """
    error = None
    began = anyio.current_time()
    try:
        with _status_of(stream):
            await stream.text()
    except QwenGradioError as raised:
        error = raised
    result: dict[str, Any] = {
        "reply": stream.partial if error is None else None,
        "reasoning": stream.reasoning,
        "model": stream.model,
        "space": stream.space,
        "seconds": round(anyio.current_time() - began, 3),
    }
    names = ("url", "mime_type", "alt")
    files = [{name: getattr(file, name) for name in names} for file in stream.files]
    if folder is not None:
        for file, entry in zip(stream.files, files, strict=True):
            entry["path"] = await _save(file, folder)
    if files:
        result["files"] = files
    if error is not None:
        result |= {"error": type(error).__name__, "why": str(error), "partial": error.partial}
    write(to_json(result))
    if error is not None:
        raise error
    if any("path" in entry and entry["path"] is None for entry in files):
        raise typer.Exit(1)


async def _save(file: ReplyFile, folder: Path) -> str | None:
    """Save a file under its own name, with a number if that exists, and return its path.

    If the file cannot be downloaded, write the reason and return None.
    """
    name = clean_name(unquote(urlsplit(file.url).path)) or "file"
    if type_of_name(name) is None:
        name += ending_of(file.mime_type)
    try:
        data = await file.read()
    except QwenGradioError as error:
        note(str(error))
        return None
    return _write_new(folder / name, data)


def _write_new(named: Path, data: bytes) -> str:
    named.parent.mkdir(parents=True, exist_ok=True)
    path, numbers = named, count(2)
    while True:
        with suppress(FileExistsError), path.open("xb") as opened:
            opened.write(data)
            return str(path)
        path = named.with_stem(f"{named.stem}-{next(numbers)}")


class _Lines:
    """Writes text in pieces, and ends its last line if it is open."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._is_open = False

    def add(self, text: str) -> None:
        if text:
            self._write(text)
            self._is_open = not text.endswith("\n")

    def end(self) -> None:
        if self._is_open:
            self.add("\n")


@contextmanager
def _status_of(stream: FragmentStream) -> Iterator[Status]:
    """If standard error is a terminal, show the status of a request until the spinner is stopped.

    Warnings from the Space, for example about a truncated reply, are written after the reply.
    """
    from rich.markup import escape

    warnings: list[str] = []

    def show(status: StreamStatus) -> None:
        spinner.update(escape(strip_controls(str(status))))
        if status.level == "warning":
            warnings.append(str(status))

    with notes().status("Connecting") as spinner:
        stream.on_status = show
        yield spinner
    for warning in warnings:
        note(warning)


def to_json(value: dict[str, Any]) -> str:
    """Return a value as a line of JSON that the encoding of standard output can represent."""
    is_unicode = sys.stdout.encoding.lower().startswith("utf")
    return json.dumps(value, ensure_ascii=not is_unicode) + "\n"
