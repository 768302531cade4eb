"""Raw items from a file of JSON, CSV or plain text."""

from __future__ import annotations

import csv
import json
import reprlib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader, TextIOWrapper
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import InvalidItemsError

MAX_CELL = 32 * 2**20
"""Characters that a cell of a table may have."""

Reject: TypeAlias = Callable[[int, object], None]
"""A function that takes the line number of an item that cannot be read, and the reason."""


def read_file(path: Path, reject: Reject) -> Iterator[tuple[int, Any]]:
    """Yield the items of a file as they were written, each with the number of its line.

    :raises InvalidItemsError: if the file is not text, a table has no header that names its
        columns, or an array is not JSON.
    """
    kind = path.suffix.lower()
    is_table = kind in (".csv", ".tsv")
    # Bytes that are not UTF-8 are reported later, with their line. The csv module splits lines.
    newline = "" if is_table else None
    with (
        _whole_utf_16(),
        path.open("rb") as raw,
        TextIOWrapper(raw, _encoding(raw), "surrogateescape", newline) as file,
    ):
        if is_table:
            yield from _read_table(file, "," if kind == ".csv" else "\t", reject)
            return
        lines = ((number, line.rstrip("\n")) for number, line in enumerate(file, 1) if line.strip())
        if kind in (".jsonl", ".ndjson", ".json"):
            yield from _read_json(lines, reject)
        else:
            yield from lines


@contextmanager
def _whole_utf_16() -> Iterator[None]:
    """Report what even "surrogateescape" cannot decode: UTF-16 that is cut off or damaged."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise InvalidItemsError(
            f"The file is not UTF-16, as which it begins: {error.reason}"
        ) from None


def _encoding(file: BufferedReader) -> str:
    """Return the encoding of a file at its start, without reading on: it may be a pipe.

    :raises InvalidItemsError: if it looks like UTF-16, and does not begin as that should.
    """
    head = file.peek()
    if head.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) and head[2:4] != b"\0\0":  # as in UTF-32
        return "utf-16"
    if b"\0" in head:
        raise InvalidItemsError("The file has NUL bytes, and looks like UTF-16. Save it as UTF-8")
    return "utf-8-sig"


def _read_json(lines: Iterator[tuple[int, str]], reject: Reject) -> Iterator[tuple[int, Any]]:
    """Yield the items of JSON Lines, or of an array, which are numbered from 1."""
    first = list(islice(lines, 1))
    if first and first[0][1].lstrip().startswith("["):  # no item is an array
        yield from enumerate(_from_array(chain(first, lines)), 1)
        return
    for number, line in chain(first, lines):
        try:
            item = _from_json(line)
        except ValueError as error:
            reject(number, error)
        else:
            yield number, item


def _from_array(lines: Iterable[tuple[int, str]]) -> list[Any]:
    try:
        return list(_from_json("\n".join(line for _, line in lines)))
    except ValueError as error:
        raise InvalidItemsError(f"The array {error}") from None


def _read_table(
    file: Iterable[str], delimiter: str, reject: Reject
) -> Iterator[tuple[int, dict[str, Any]]]:
    limit = csv.field_size_limit()  # for the process; 128 KiB by default
    csv.field_size_limit(max(limit, MAX_CELL))
    try:
        reader = csv.DictReader(file, delimiter=delimiter, strict=True)
        _check_header(reader.fieldnames or [])
        while True:
            try:
                item = _item_of_row(next(reader))
            except StopIteration:
                return
            except UnicodeDecodeError:
                raise  # the next line would be this one again
            except (csv.Error, ValueError) as error:
                reject(reader.reader.line_num, error)
            else:
                yield reader.reader.line_num, item
    finally:
        csv.field_size_limit(limit)


def _check_header(columns: Iterable[str]) -> None:
    columns = list(columns)
    if len({*columns}) < len(columns) or not {"prompt", "messages"} & {*columns}:
        raise InvalidItemsError(
            "The first line must name the columns: each once, with prompt or messages among them. "
            f"It has {reprlib.repr(columns)}"
        )


def _item_of_row(row: dict[Any, Any]) -> dict[str, Any]:
    if None in row:
        raise ValueError("has more cells than there are columns")
    item = {column: cell for column, cell in row.items() if cell}
    if "messages" in item:
        item["messages"] = _from_json(item["messages"])
    return item


def _from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON: {error}") from None
