"""OUT: the rows of a batch in a JSON Lines file, each of them whole and on disk."""

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
    """What became of one item: a line of OUT.

    `reply` is None and `error` the type of the error if there is no whole reply; then `why` has the
    error's words, and `partial` the text that had arrived. `attempts` counts how often the item was
    asked, and the seconds, to the first fragment and to the end, are those of the last time.
    `characters` counts those of `reply` or `partial`. `digest` stands for what was asked, so that a
    row is not taken for the reply to something else.
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


BEGINNING = b'{"id": '
"""What each line begins with, so that one which was cut off is known from one of another's file."""


class Rows:
    """The file of one run, from `with` to its end, and of no other run meanwhile.

    :raises OutputError: if another run has it, or if it holds something else than rows.
    """

    def __init__(self, path: Path) -> None:
        self.path = path = path.resolve()  # one lock, however it is spelt, and no link replaced
        lock = path.with_name(f".{path.name}.lock")
        self._lock = FileLock(lock, blocking=False, thread_local=False)

    def __enter__(self) -> Rows:
        if not self.path.parent.is_dir():
            raise OutputError(f"There is no folder {self.path.parent}")
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
            self._file.close()  # which writes again what a full disk did not take
        finally:
            self._lock.release()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The rows that there are, one at a time."""
        with self.path.open("rb") as file:
            yield from map(json.loads, file)

    def append(self, rows: Iterable[Row]) -> None:
        """Write rows, and wait until they are on disk."""
        self._file.write(b"".join(_line(row) for row in rows))
        self._file.flush()
        os.fsync(self._file.fileno())

    def drop(self, unwanted: Callable[[dict[str, Any]], bool]) -> None:
        """Take out rows, all at once: whenever this is killed, OUT is as before, or as after."""
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
        # What is on disk is lost all the same if the folder there does not name the file.
        with suppress(OSError), ExitStack() as opened:  # some systems do not sync folders
            folder = os.open(self.path.parent, os.O_RDONLY)
            opened.callback(os.close, folder)
            os.fsync(folder)

    def _repair(self) -> None:
        """Cut off a last line that is not whole, which a run that was killed may have left."""
        whole = 0
        with suppress(FileNotFoundError), self.path.open("r+b") as file:
            for number, line in enumerate(file, 1):
                if _is_row(line):
                    whole += len(line)
                elif not _was_begun(line):  # which no line is that has another after it
                    raise OutputError(f"{self.path}, line {number}, is not a row of a batch")
            file.truncate(whole)


def _line(row: Any) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _is_row(line: bytes) -> bool:
    row = _parsed(line)
    return line.endswith(b"\n") and isinstance(row, dict) and row.keys() >= {"id", "reply", "error"}


def _was_begun(line: bytes) -> bool:
    if line.endswith(b"\n") or (_parsed(line) is not None and not _is_row(line + b"\n")):
        return False
    # After a power failure, a file may end in zeros where data was to come.
    return line.startswith(BEGINNING) or BEGINNING.startswith(line) or not line.strip(b"\0")


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
