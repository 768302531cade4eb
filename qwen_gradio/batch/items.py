"""Prompts, wherever they are kept, to items to ask."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import InvalidItemsError
from ..events import MAX_BYTES
from ..messages import History, as_question, prompt_from

Prompts: TypeAlias = "str | Path | Iterable[str | Mapping[str, Any]]"
"""The path of a JSON Lines, CSV or text file, or the prompts themselves."""

Messages: TypeAlias = list[Mapping[str, Any]]

MOST_TOLD = 20
"""How many wrong items are told of in full."""


@dataclass(frozen=True)
class Item:
    """One question of a batch. `id` is None only where nobody gave one and nothing has a number."""

    id: str | int | None
    messages: Messages


class Items:
    """The items of a batch that are still to be asked.

    They are in a temporary database on disk, so that they need no memory however many they are, and
    may come from where they can be read only once.

    :param system: the system prompt of items that have none.
    :raises InvalidItemsError: naming each item that cannot be asked, by its number.
    """

    def __init__(self, prompts: Prompts, system: str | None, history: History) -> None:
        # SQLite's name for a file of its own that is gone with it.
        self._kept = sqlite3.connect("", check_same_thread=False)
        self._kept.execute("CREATE TABLE items (number INTEGER PRIMARY KEY, id UNIQUE, item)")
        wrong: list[str] = []
        for number, raw in numbered(prompts):
            try:
                item = item_from(raw, number, system, history)
                self._keep(item, number)
            except ValueError as error:
                wrong.append(f"{number}: {error}" if len(wrong) < MOST_TOLD else "")
        if wrong:
            self.close()
            more = ["..."] if len(wrong) > MOST_TOLD else []
            raise InvalidItemsError(
                f"{len(wrong)} items cannot be asked. Nothing was sent. By line or number:\n"
                + "\n".join(wrong[:MOST_TOLD] + more)
            )

    def __len__(self) -> int:
        (count,) = self._kept.execute("SELECT count(*) FROM items").fetchone()
        return int(count)

    def __iter__(self) -> Iterator[Item]:
        for (item,) in self._kept.execute("SELECT item FROM items ORDER BY number"):
            yield Item(**json.loads(item))

    def __contains__(self, item_id: Any) -> bool:
        found = self._kept.execute("SELECT 1 FROM items WHERE id = ?", (str(item_id),))
        return found.fetchone() is not None

    def remove(self, item_id: Any) -> bool:
        """Take out the item with this id; whether there was one."""
        gone = self._kept.execute("DELETE FROM items WHERE id = ?", (str(item_id),))
        return gone.rowcount > 0

    def close(self) -> None:
        self._kept.close()

    def _keep(self, item: Item, number: int) -> None:
        try:
            kept = json.dumps({"id": item.id, "messages": item.messages}, ensure_ascii=False)
            self._kept.execute("INSERT INTO items VALUES (?, ?, ?)", (number, str(item.id), kept))
        except sqlite3.IntegrityError:
            raise ValueError(f"another item has the id {item.id!r}") from None
        except UnicodeEncodeError:
            raise ValueError("has characters that are not Unicode") from None


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
    found = {key: value for key in ("prompt", "messages") if (value := given.get(key)) is not None}
    if len(found) != 1:
        raise ValueError(f"must have one of prompt and messages, and has {list(found) or 'none'}")
    question: Any = found.get("messages", found.get("prompt"))
    if "prompt" in found and not (isinstance(question, str) and question.strip()):
        raise ValueError("prompt must be text, and not empty")
    own = given.get("system")
    if not isinstance(own, (str, type(None))):
        raise ValueError("system must be text")
    item_id = number if given.get("id") is None else given["id"]
    if not isinstance(item_id, (str, int, type(None))) or isinstance(item_id, bool):
        raise ValueError("id must be text or a whole number")
    if "messages" in found and not isinstance(question, list):
        raise question if isinstance(question, ValueError) else ValueError("messages: not a list")
    messages = as_question(question, system if own is None else own)
    prompt_from(messages, history)
    return Item(item_id, messages)


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
    csv.field_size_limit(max(csv.field_size_limit(), MAX_BYTES))  # else 128 KiB
    reader = csv.DictReader(file, delimiter=delimiter, strict=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.reader.line_num, ValueError(str(error))
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
