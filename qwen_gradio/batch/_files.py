"""Read raw items from a file of JSON, CSV or plain text."""

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
"""Maximum characters in a cell of a table."""

Reject: TypeAlias = Callable[[int, object], None]
"""Reports an item that cannot be read, by line number, with the reason."""


def read_file(path: Path, reject: Reject) -> Iterator[tuple[int, Any]]:
    """Yield the raw items of a file, each with its line number.

    :raises InvalidItemsError: if the file as a whole cannot be read.
    """
    kind = path.suffix.lower()
    text = _decode(path.read_bytes())
    if kind in (".csv", ".tsv"):
        yield from _read_table(StringIO(text, newline=""), "," if kind == ".csv" else "\t", reject)
    elif kind == ".json" and text.lstrip().startswith("["):  # no item is an array itself
        try:
            yield from enumerate(_from_json(text), 1)
        except ValueError as error:
            raise InvalidItemsError(f"The array {error}") from None
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
    """Decode a file. Bytes that are not UTF-8 become surrogates, which are reported by line."""
    is_utf_16 = raw.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    try:
        text = raw.decode("utf-16") if is_utf_16 else raw.decode("utf-8-sig", "surrogateescape")
    except UnicodeDecodeError as error:
        raise InvalidItemsError(
            f"The file begins like UTF-16, but is not valid UTF-16: {error.reason}"
        ) from None
    if "\0" in text[:1000]:
        raise InvalidItemsError("The file contains NUL bytes, as in UTF-16. Save it as UTF-8")
    return text


def _read_table(
    file: Iterable[str], delimiter: str, reject: Reject
) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(max(csv.field_size_limit(), MAX_CELL))  # the default is 128 KiB
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
            "The first line must name the columns, each only once, including prompt or messages. "
            f"It has {reprlib.repr(columns)}"
        )


def _item_of_row(row: dict[Any, Any]) -> dict[str, Any]:
    if None in row:
        raise ValueError("has more cells than columns")
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
