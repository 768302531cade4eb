"""Raw items from a file of JSON, CSV or plain text."""

from __future__ import annotations

import csv
import json
import reprlib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterable, Iterator
from io import StringIO
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
    text = _decode(path.read_bytes())
    if kind in (".csv", ".tsv"):
        yield from _read_table(StringIO(text, newline=""), "," if kind == ".csv" else "\t", reject)
    elif kind == ".json" and text.lstrip().startswith("["):  # no item is an array
        yield from enumerate(_from_array(text), 1)
    else:
        for number, line in enumerate(StringIO(text, newline=None), 1):
            if not line.strip():
                continue
            try:
                is_json = kind in (".jsonl", ".ndjson", ".json")
                item = _from_json(line) if is_json else line.rstrip("\n")
            except ValueError as error:
                reject(number, error)
            else:
                yield number, item


def _decode(raw: bytes) -> str:
    """Return a file's text. Bytes that are not UTF-8 are reported later, with their line.

    :raises InvalidItemsError: if it looks like UTF-16, and is not, or does not begin as it should.
    """
    if raw.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) and raw[2:4] != b"\0\0":  # as in UTF-32
        try:
            return raw.decode("utf-16")
        except UnicodeDecodeError as error:
            message = f"The file is not UTF-16, as which it begins: {error.reason}"
            raise InvalidItemsError(message) from None
    if b"\0" in raw[:1000]:
        raise InvalidItemsError("The file has NUL bytes, and looks like UTF-16. Save it as UTF-8")
    return raw.decode("utf-8-sig", "surrogateescape")


def _from_array(text: str) -> list[Any]:
    try:
        return list(_from_json(text))
    except ValueError as error:
        raise InvalidItemsError(f"The array {error}") from None


def _read_table(
    file: Iterable[str], delimiter: str, reject: Reject
) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(max(csv.field_size_limit(), MAX_CELL))  # it is 128 KiB by default
    reader = csv.DictReader(file, delimiter=delimiter, strict=True)
    _check_header(reader.fieldnames or [])
    while True:
        try:
            item = _item_of_row(next(reader))
        except StopIteration:
            return
        except (csv.Error, ValueError) as error:
            reject(reader.reader.line_num, error)
        else:
            yield reader.reader.line_num, item


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
    for column in ("messages", "inputs", "files"):
        if column in item and (column != "files" or item[column].startswith("[")):
            item[column] = _from_json(item[column])
    return item


def _from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON: {error}") from None
