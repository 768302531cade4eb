"""Prompts, wherever they are kept, to items to ask."""

from __future__ import annotations

import csv
import json
import reprlib
import sqlite3
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import isnan
from numbers import Integral
from pathlib import Path
from tempfile import gettempdir
from typing import Any, TypeAlias

from .._gradio.events import MAX_BYTES
from .._messages import History, as_question, prompt_from
from ..errors import InvalidItemsError, OutputError

Prompts: TypeAlias = "str | Path | Iterable[str | Mapping[str, Any]]"
"""The path of a JSON Lines, CSV or text file, or the prompts themselves."""

Messages: TypeAlias = list[Mapping[str, Any]]

MOST_TOLD = 20
"""How many wrong items are told of in full."""


@dataclass(frozen=True)
class Item:
    """One question of a batch.

    :ivar id: None only where nobody gave one and nothing has a number.
    :ivar digest: 16 hex digits that stand for the messages.
    """

    id: str | int | None
    messages: Messages
    digest: str


class Items:
    """The items of a batch that are still to be asked.

    They are in a temporary database on disk, so that they need no memory however many they are, and
    may come from where they can be read only once.

    :param system: the system prompt of items that have none.
    :param check: called with each item that is read; what it raises ends that.
    :raises InvalidItemsError: naming each item that cannot be asked, by its number.
    """

    def __init__(
        self,
        prompts: Prompts,
        system: str | None,
        history: History,
        check: Callable[[], object] = lambda: None,
    ) -> None:
        if isinstance(prompts, (Mapping, AsyncIterable)) or hasattr(prompts, "columns"):
            raise TypeError(
                f"prompts must be a file or a list, not {type(prompts).__name__}; "
                'of a DataFrame, take frame.to_dict("records")'
            )
        # SQLite's name for a file of its own that is gone with it.
        self._kept = sqlite3.connect("", check_same_thread=False)
        try:
            self._kept.execute(
                "CREATE TABLE items (number INTEGER PRIMARY KEY, id UNIQUE, digest, item)"
            )
            self._read(prompts, system, history, check)
        except sqlite3.OperationalError as error:
            self.close()
            raise OutputError(f"The items cannot be kept in {gettempdir()}: {error}") from error
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        (count,) = self._kept.execute("SELECT count(*) FROM items").fetchone()
        return int(count)

    def __iter__(self) -> Iterator[Item]:
        for (item,) in self._kept.execute("SELECT item FROM items ORDER BY number"):
            yield Item(**json.loads(item))

    def digest(self, item_id: Any) -> str | None:
        """That of the item with this id; None if there is none."""
        found = self._kept.execute("SELECT digest FROM items WHERE id = ?", (str(item_id),))
        return next((digest for (digest,) in found), None)

    def remove(self, item_id: Any) -> None:
        """Take out the item with this id."""
        self._kept.execute("DELETE FROM items WHERE id = ?", (str(item_id),))

    def close(self) -> None:
        self._kept.close()

    def _read(
        self,
        prompts: Prompts,
        system: str | None,
        history: History,
        check: Callable[[], object],
    ) -> None:
        wrong = 0
        told: list[str] = []
        for number, raw in numbered(prompts):
            check()
            try:
                self._keep(item_from(raw, number, system, history), number)
            except ValueError as error:
                wrong += 1
                if wrong <= MOST_TOLD:
                    told.append(f"{number}: {error}")
        if wrong:
            more = ["..."] if wrong > MOST_TOLD else []
            raise InvalidItemsError(
                f"{wrong} items cannot be asked. Nothing was sent. By line or number:\n"
                + "\n".join(told + more)
            )

    def _keep(self, item: Item, number: int) -> None:
        try:
            row = (number, str(item.id), item.digest, json.dumps(vars(item)))
            self._kept.execute("INSERT INTO items VALUES (?, ?, ?, ?)", row)
        except sqlite3.IntegrityError:
            raise ValueError(f"another item has the id {item.id!r}") from None
        except UnicodeEncodeError:
            raise ValueError("its id has characters that are not Unicode") from None


def item_from(
    raw: Any, number: int | None, system: str | None = None, history: History = "flat"
) -> Item:
    """An item as it was written: a prompt, or a mapping with `prompt` or `messages`, and perhaps
    `id` and `system`.

    :param number: the id, if it has none of its own.
    :raises ValueError: if it cannot be asked.
    """
    if isinstance(raw, ValueError):
        raise raw
    given = {"prompt": raw} if isinstance(raw, str) else raw
    if not isinstance(given, Mapping):
        raise ValueError(f"must be a prompt or an object, not {type(raw).__name__}")
    given = {key: value for key, value in given.items() if not is_missing(value)}
    found = {key: given[key] for key in ("prompt", "messages") if key in given}
    if len(found) != 1:
        raise ValueError(f"must have one of prompt and messages, and has {list(found) or 'none'}")
    question: Any = found.get("messages", found.get("prompt"))
    if "prompt" in found and not (isinstance(question, str) and question.strip()):
        raise ValueError("prompt must be text, and not empty")
    own = given.get("system")
    if not isinstance(own, (str, type(None))):
        raise ValueError("system must be text")
    if "messages" in found and not isinstance(question, list):
        raise question if isinstance(question, ValueError) else ValueError("messages: not a list")
    prompt = prompt_from(as_question(question, own), history)
    # The system prompt of the whole run is for those that have none.
    messages = as_question(question, system if prompt.system is None else own)
    return Item(_id(given.get("id"), number), messages, _digest(messages))


def _id(given: Any, number: int | None) -> str | int | None:
    if given is None:
        return number
    if isinstance(given, Integral) and not isinstance(given, bool):
        return int(given)  # NumPy has whole numbers of its own
    if isinstance(given, float) and given.is_integer():
        return int(given)  # which is what pandas has for them in a column with gaps
    if not isinstance(given, str):
        raise ValueError("id must be text or a whole number")
    return given


def is_missing(value: Any) -> bool:
    """Whether it is None, or what pandas has for it: NaN or, in some columns, NA."""
    nan = isinstance(value, float) and isnan(value)
    return value is None or nan or type(value).__name__ == "NAType"


def _digest(messages: Messages) -> str:
    try:
        written = json.dumps(messages, sort_keys=True, ensure_ascii=False).encode()
    except TypeError as error:
        raise ValueError(f"messages: {error}") from None
    return sha256(written).hexdigest()[:16]


def numbered(prompts: Prompts) -> Iterator[tuple[int, Any]]:
    """Items as they were written, or why they cannot be read, with their lines or, if they have
    none, their numbers from 1 on.
    """
    if not isinstance(prompts, (str, Path)):
        yield from enumerate(prompts, 1)
        return
    path = Path(prompts)
    kind = path.suffix.lower()
    tabular = kind in (".csv", ".tsv")
    # What is not UTF-8 is told of later, with its line. The csv module splits lines by itself.
    newline = "" if tabular else None
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline=newline) as file:
        if tabular:
            yield from _rows(file, "," if kind == ".csv" else "\t")
            return
        lines = ((number, line.rstrip("\n")) for number, line in enumerate(file, 1) if line.strip())
        if kind in (".jsonl", ".ndjson", ".json"):
            yield from ((number, _parsed(line)) for number, line in lines)
        else:
            yield from lines


def _rows(file: Iterable[str], delimiter: str) -> Iterator[tuple[int, Any]]:
    before = csv.field_size_limit()  # of the whole process: 128 KiB, unless someone changed it
    csv.field_size_limit(max(before, MAX_BYTES))
    try:
        yield from _cells(csv.DictReader(file, delimiter=delimiter, strict=True))
    finally:
        csv.field_size_limit(before)


def _cells(reader: csv.DictReader[str]) -> Iterator[tuple[int, Any]]:
    columns = reader.fieldnames or []
    if len({*columns}) < len(columns) or not {"prompt", "messages"} & {*columns}:
        raise InvalidItemsError(
            "The first line must name the columns, each once, and prompt or messages among them; "
            f"it has {reprlib.repr(columns)}"
        )
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.reader.line_num, ValueError(str(error))
            continue
        if None in row:
            yield reader.line_num, ValueError("has more cells than there are columns")
            continue
        cells = {column: cell for column, cell in row.items() if cell}
        if "messages" in cells:
            cells["messages"] = _parsed(cells["messages"])
        yield reader.line_num, cells


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        return ValueError(f"is not JSON: {error}")
