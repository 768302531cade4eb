"""The rows of a batch, in a JSON Lines file that holds only complete ones."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, TypedDict

from filelock import FileLock, Timeout

from ..errors import OutputError


class Row(TypedDict):
    """The result of one item: a line of the output file.

    If there is no complete reply, `reply` is None, `error` is the type of the error, `why` its
    message, and `partial` the text that had arrived. `attempts` counts how often the item was
    asked; the seconds, until the first fragment and until the end, are those of the last attempt.
    `characters` counts those of `reply` or `partial`. `digest` identifies what was asked, so that a
    row is never taken for the reply to another question.
    """

    id: str | int | None
    reply: str | None
    error: str | None
    why: str | None
    partial: str | None
    attempts: int
    first_fragment_seconds: float | None
    seconds: float
    characters: int
    space: str
    model: str
    digest: str


ROW_START = b'{"id": '
"""The start of every line, by which an incomplete row is recognised."""


class Rows:
    """The output file of a run, locked against other runs during a `with` block.

    :raises OutputError: if another run has locked it, or if it holds anything but rows.
    """

    def __init__(self, path: Path) -> None:
        self.path = path = path.resolve()  # a file has one lock, and a link to it is kept
        lock = path.with_name(f".{path.name}.lock")
        self._lock = FileLock(lock, blocking=False, thread_local=False)

    def __enter__(self) -> Rows:
        if not self.path.parent.is_dir():
            raise OutputError(f"There is no directory {self.path.parent}")
        if self.path.exists() and not self.path.is_file():
            raise OutputError(f"{self.path} is not a file")
        try:
            self._lock.acquire()
        except Timeout:
            raise OutputError(f"Another run is writing to {self.path}") from None
        try:
            self._repair()
            self._open()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            self._file.close()  # writes again what did not fit on a full disk
        finally:
            self._lock.release()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the rows in the file."""
        with self.path.open("rb") as file:
            yield from map(json.loads, file)

    def append(self, rows: Iterable[Row]) -> None:
        """Write rows to the file, and return when they are on disk."""
        self._file.write(b"".join(_line(row) for row in rows))
        self._file.flush()
        os.fsync(self._file.fileno())

    def drop(self, unwanted: Callable[[dict[str, Any]], bool]) -> None:
        """Remove rows atomically: if the process is killed, the file has all of them or none."""
        fresh = self.path.with_name(f".{self.path.name}.new")
        with self.path.open("rb") as lines, fresh.open("wb") as file:
            shutil.copymode(self.path, fresh)
            file.writelines(line for line in lines if not unwanted(json.loads(line)))
            file.flush()
            os.fsync(file.fileno())
        self._file.close()
        fresh.replace(self.path)
        self._open()

    def _open(self) -> None:
        self._file = self.path.open("ab")
        # The directory is synced as well: without its entry, a file on disk is still lost.
        with suppress(OSError), ExitStack() as opened:  # some systems cannot sync directories
            directory = os.open(self.path.parent, os.O_RDONLY)
            opened.callback(os.close, directory)
            os.fsync(directory)

    def _repair(self) -> None:
        """Remove an incomplete last line, which a run that was killed may have left."""
        complete = 0
        with suppress(FileNotFoundError), self.path.open("r+b") as file:
            for number, line in enumerate(file, 1):
                if _is_row(line):
                    complete += len(line)
                elif not _is_cut_off(line):  # only a last line can be
                    raise OutputError(f"{self.path}, line {number}, is not a row of a batch")
            file.truncate(complete)


def _line(row: Any) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _is_row(line: bytes) -> bool:
    row = _json_or_none(line)
    return line.endswith(b"\n") and isinstance(row, dict) and row.keys() >= {"id", "reply", "error"}


def _is_cut_off(line: bytes) -> bool:
    if line.endswith(b"\n") or (_json_or_none(line) is not None and not _is_row(line + b"\n")):
        return False
    # After a power failure, a file may end in zeros in place of its last data.
    return line.startswith(ROW_START) or ROW_START.startswith(line) or not line.strip(b"\0")


def _json_or_none(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
