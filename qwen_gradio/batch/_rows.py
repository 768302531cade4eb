"""The rows of a batch, in a JSON Lines file that holds only complete ones."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypedDict

from ..errors import OutputError
from ._lock import lock


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
    model: str | None
    digest: str


ROW_START = b'{"id": '
"""The start of every line, by which an incomplete row is recognised."""


def output_path(out: Path) -> Path:
    """Return the file that an output names, through all links to it.

    :raises OutputError: if rows cannot be written there.
    """
    if out.suffix.lower() in (".csv", ".tsv"):
        raise OutputError(f"Rows are JSON Lines, not a table: name {out.with_suffix('.jsonl')}")
    try:
        path = out.resolve()
    except RuntimeError:  # up to Python 3.12, for a link that leads back to itself
        path = out
    if path.is_symlink():
        raise OutputError(f"{out} is a link that leads back to itself")
    if out.exists() and not out.is_file():
        raise OutputError(f"{out} is not a file")
    if not path.parent.is_dir():
        raise OutputError(f"There is no directory {path.parent}")
    return path


class Rows:
    """The output file of a run, locked against other runs during a `with` block.

    :param path: what `output_path` returned.
    :raises OutputError: if another run has locked it, or if it holds anything but rows.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Rows:
        self._file = self._open()
        try:
            self._repair()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()  # writes again what did not fit on a full disk

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the rows in the file."""
        yield from map(json.loads, self._lines())

    def append(self, rows: Iterable[Row]) -> None:
        """Write rows to the file, and return when they are on disk.

        :raises OutputError: if the file is no longer at its path: what is written may be lost.
        """
        self._file.write(b"".join(_line(row) for row in rows))
        self._file.flush()
        os.fsync(self._file.fileno())
        if not self._is_in_place(self._file):
            raise OutputError(
                f"{self.path} was moved, replaced or deleted, so the batch stopped. Put it back "
                "and run it again to resume"
            )

    def _is_in_place(self, file: BinaryIO) -> bool:
        """Whether an open file is still the one at the path."""
        try:
            return os.path.samestat(os.fstat(file.fileno()), self.path.stat())
        except FileNotFoundError:
            return False

    def drop_replaced(self, may_be_replaced: Callable[[dict[str, Any]], bool]) -> None:
        """Remove rows that may be replaced, and for whose items there is a later row."""
        self._file.flush()  # what did not fit on a full disk
        replaceable: dict[str, int] = {}
        replaced: set[int] = set()
        for number, row in enumerate(self):
            item = str(row["id"])
            if item in replaceable:
                replaced.add(replaceable.pop(item))
            if may_be_replaced(row):
                replaceable[item] = number
        if replaced:
            self._drop(replaced)

    def _drop(self, numbers: set[int]) -> None:
        """Remove rows atomically: if the process is killed, the file has all of them or none."""
        fresh = self.path.with_name(f".{self.path.name}.new")
        with fresh.open("wb") as copy:
            shutil.copymode(self.path, fresh)
            copy.writelines(
                line for number, line in enumerate(self._lines()) if number not in numbers
            )
            copy.flush()
            os.fsync(copy.fileno())
        if sys.platform == "win32" or self.path.stat().st_nlink > 1:
            # An open file cannot be replaced there, nor one of several links. This is not atomic.
            shutil.copyfile(fresh, self.path)
            fresh.unlink()
            return
        file = fresh.open("ab")
        lock(file)  # before its place is taken, so that no other run can
        fresh.replace(self.path)
        self._file.close()
        self._file = file
        _sync(self.path.parent)

    def _lines(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            yield from filter(bytes.strip, file)

    def _open(self) -> BinaryIO:
        """Open the file, and lock it.

        :raises OutputError: if another run has locked it.
        """
        while True:
            with ExitStack() as opened:
                file = opened.enter_context(self.path.open("ab"))
                try:
                    lock(file)
                except (BlockingIOError, PermissionError):
                    raise OutputError(f"Another run is writing to {self.path}") from None
                # A run that ended just now may have replaced the file.
                if self._is_in_place(file):
                    opened.pop_all()
                    _sync(self.path.parent)
                    return file

    def _repair(self) -> None:
        """Remove an incomplete last line, which a run that was killed may have left."""
        end = rows_end = 0
        newline = b""
        with self.path.open("r+b") as file:
            for number, line in enumerate(file, 1):
                end += len(line)
                if _is_row(line):
                    rows_end = end
                    newline = b"" if line.endswith(b"\n") else b"\n"
                elif line.strip() and not _is_cut_off(line):  # only a last line can be
                    raise OutputError(f"{self.path}, line {number}, is not a row of a batch")
            file.truncate(rows_end)
            file.seek(rows_end)
            file.write(newline)


def _sync(directory: Path) -> None:
    """Write a directory to disk: without its entry there, a file on disk is still lost."""
    with suppress(OSError), ExitStack() as opened:  # some systems cannot sync directories
        descriptor = os.open(directory, os.O_RDONLY)
        opened.callback(os.close, descriptor)
        os.fsync(descriptor)


def _line(row: Any) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _is_row(line: bytes) -> bool:
    row = _json_or_none(line)
    return isinstance(row, dict) and row.keys() >= {"id", "reply", "error"}


def _is_cut_off(line: bytes) -> bool:
    if line.endswith(b"\n") or _json_or_none(line) is not None:
        return False
    # After a power failure, a file may end in zeros in place of its last data.
    return line.startswith(ROW_START) or ROW_START.startswith(line) or not line.strip(b"\0")


def _json_or_none(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
