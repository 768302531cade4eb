"""Write the rows of a batch to a JSON Lines file that holds only complete rows."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypedDict

from ..errors import OutputError
from ._lock import lock


class Row(TypedDict):
    """The result of one item: a line of the output file.

    If there is no complete reply, `reply` is None, `error` is the type of the error, `why` its
    message, and `partial` the text that had arrived. `attempts` is the number of times the item was
    asked. The seconds until the first fragment and until the end are those of the last attempt.
    `reasoning` is the model's reasoning; None if the Space shows none. `files` are the URLs of the
    files that came with the reply; Spaces keep them only for a while. `characters` is the length of
    `reply` or `partial`. `digest` identifies the question, to detect rows for another one.
    """

    id: str | int | None
    reply: str | None
    error: str | None
    why: str | None
    partial: str | None
    reasoning: str | None
    files: list[str]
    attempts: int
    first_fragment_seconds: float | None
    seconds: float
    characters: int
    space: str
    model: str | None
    digest: str


ROW_START = b'{"id": '
"""The start of every line, to recognise an incomplete row."""


class Rows:
    """The output file of a run, locked against other runs during a `with` block.

    :raises OutputError: if rows cannot be written to the file, if another run has locked it, or if
        it holds anything but rows.
    """

    def __init__(self, out: Path) -> None:
        if out.suffix.lower() in (".csv", ".tsv"):
            raise OutputError(f"Rows are JSON Lines, not a table: name {out.with_suffix('.jsonl')}")
        self.path = Path(os.path.realpath(out))  # replacing it must not replace a link to it
        if out.exists() and not out.is_file():
            raise OutputError(f"{out} is not a file")
        if not self.path.parent.is_dir():
            raise OutputError(f"There is no directory {self.path.parent}")

    def __enter__(self) -> Rows:
        self._file = self.path.open("ab")
        try:
            lock(self._file)
            self._repair()
        except (BlockingIOError, PermissionError):
            self._file.close()
            raise OutputError(f"Another run is writing to {self.path}") from None
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()  # also writes what did not fit on a full disk before

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the rows in the file."""
        yield from map(json.loads, self._lines())

    def append(self, rows: Iterable[Row]) -> None:
        """Write rows to the file. Returns when they are on disk.

        :raises OutputError: if the file is no longer at its path. The rows may be lost.
        """
        self._file.write(b"".join(_line(row) for row in rows))
        self._file.flush()
        os.fsync(self._file.fileno())
        try:
            is_in_place = os.path.samestat(os.fstat(self._file.fileno()), self.path.stat())
        except FileNotFoundError:
            is_in_place = False
        if not is_in_place:
            raise OutputError(
                f"{self.path} was moved, replaced or deleted, so the batch stopped. Put it back "
                "and run it again to resume"
            )

    def drop_replaced(self, may_be_replaced: Callable[[dict[str, Any]], bool]) -> None:
        """Remove each row that may be replaced if there is a later row for its item."""
        self._file.flush()  # also writes what did not fit on a full disk before
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
        """Remove rows atomically: if the process is killed, either all or none are removed."""
        fresh = self.path.with_name(f".{self.path.name}.new")
        with fresh.open("wb") as copy:
            shutil.copymode(self.path, fresh)
            copy.writelines(
                line for number, line in enumerate(self._lines()) if number not in numbers
            )
            copy.flush()
            os.fsync(copy.fileno())
        if sys.platform == "win32":  # an open file cannot be replaced there; this is not atomic
            shutil.copyfile(fresh, self.path)
            fresh.unlink()
            return
        file = fresh.open("ab")
        lock(file)  # before it is in place: no other run must lock it first
        fresh.replace(self.path)
        self._file.close()
        self._file = file

    def _lines(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            yield from filter(bytes.strip, file)

    def _repair(self) -> None:
        """Remove an incomplete last line, which a killed run may have left."""
        end = rows_end = 0
        newline = b""
        with self.path.open("r+b") as file:
            for number, line in enumerate(file, 1):
                end += len(line)
                if _is_row(line):
                    rows_end = end
                    newline = b"" if line.endswith(b"\n") else b"\n"
                elif line.strip() and not _is_cut_off(line):  # only the last line can be cut off
                    raise OutputError(f"{self.path}, line {number}, is not a row of a batch")
            file.truncate(rows_end)
            file.seek(rows_end)
            file.write(newline)


def _line(row: Any) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _is_row(line: bytes) -> bool:
    row = _json_or_none(line)
    return isinstance(row, dict) and row.keys() >= {"id", "reply", "error"}


def _is_cut_off(line: bytes) -> bool:
    is_begun = line.startswith(ROW_START) or ROW_START.startswith(line)
    return is_begun and not line.endswith(b"\n") and _json_or_none(line) is None


def _json_or_none(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
