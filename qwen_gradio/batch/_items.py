"""Prompts to items that can be asked, stored on disk."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from math import isnan
from numbers import Integral
from os import PathLike
from pathlib import Path
from tempfile import gettempdir
from typing import Any, TypeAlias

from .._messages import History, Messages, prompt_from, to_messages
from .._models import providers
from ..errors import InvalidItemsError, OutputError
from ._files import Reject, read_file

Prompts: TypeAlias = "str | PathLike[str] | Iterable[str | Mapping[str, Any]]"
"""The path of a JSON Lines, CSV or text file, or the prompts themselves."""

SETTINGS = {
    *("inputs", "api_name", "history"),
    *(name for provider in providers().values() for name in provider.optional_inputs),
}
"""Options that change the reply to the same messages."""
DEFAULTS: tuple[Any, ...] = (None, {}, "flat")
"""Their default values."""

MAX_REPORTED = 20
"""How many invalid items an error lists."""


@dataclass(frozen=True)
class Item:
    """One question of a batch.

    :ivar id: the id that was given, else the number; None where items have no numbers.
    :ivar digest: 16 hex digits that identify the messages, and settings other than the defaults.
    """

    id: str | int | None
    messages: list[Mapping[str, Any]]
    digest: str


class Items:
    """The items of a batch that are still to be asked.

    They are stored in a temporary database on disk. So they need little memory, however many they
    are, and their source may be one that can be read only once.

    :param system: the system prompt of items without one.
    :param options: other arguments of `Provider.create_async_generator`.
    :param check: called before each item; may raise to abort the reading.
    :raises InvalidItemsError: if items cannot be asked, with their numbers.
    """

    def __init__(
        self,
        prompts: Prompts,
        system: str | None,
        options: Mapping[str, Any],
        check: Callable[[], object] = lambda: None,
    ) -> None:
        if isinstance(prompts, (Mapping, AsyncIterable)) or hasattr(prompts, "columns"):
            raise TypeError(
                f"prompts must be a file or a list, not {type(prompts).__name__}. "
                'For a DataFrame, pass frame.to_dict("records")'
            )
        # An empty name makes a temporary file, which SQLite deletes when it closes.
        self._database = sqlite3.connect("", check_same_thread=False)
        try:
            self._database.execute(
                "CREATE TABLE items (number INTEGER PRIMARY KEY, id UNIQUE, digest, item)"
            )
            self._read(prompts, system, options, check)
        except sqlite3.OperationalError as error:
            self.close()
            raise OutputError(f"The items cannot be stored in {gettempdir()}: {error}") from error
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        (count,) = self._database.execute("SELECT count(*) FROM items").fetchone()
        return int(count)

    def __iter__(self) -> Iterator[Item]:
        for (item,) in self._database.execute("SELECT item FROM items ORDER BY number"):
            yield Item(**json.loads(item))

    def digest(self, item_id: Any) -> str | None:
        """Return the digest of the item with this id; None if there is no such item."""
        with suppress(UnicodeEncodeError):  # no item has such an id
            found = self._database.execute("SELECT digest FROM items WHERE id = ?", (str(item_id),))
            return next((digest for (digest,) in found), None)
        return None

    def remove(self, item_id: Any) -> None:
        """Remove the item with this id."""
        self._database.execute("DELETE FROM items WHERE id = ?", (str(item_id),))

    def close(self) -> None:
        self._database.close()

    def _read(
        self,
        prompts: Prompts,
        system: str | None,
        options: Mapping[str, Any],
        check: Callable[[], object],
    ) -> None:
        rejected = _Rejected()

        def reject(number: int, reason: object) -> None:
            check()
            rejected.add(number, reason)

        for number, raw in _numbered(prompts, reject):
            check()
            try:
                self._store(item_from(raw, number, system, options), number)
            except ValueError as error:
                rejected.add(number, error)
        rejected.raise_if_any()

    def _store(self, item: Item, number: int) -> None:
        try:
            row = (number, str(item.id), item.digest, json.dumps(vars(item)))
            self._database.execute("INSERT INTO items VALUES (?, ?, ?, ?)", row)
        except sqlite3.IntegrityError:
            raise ValueError(f"another item has the id {item.id!r}") from None
        except UnicodeEncodeError:
            raise ValueError("its id has characters that are not Unicode") from None


class _Rejected:
    """The items that cannot be asked: how many, and the reasons for the first of them."""

    def __init__(self) -> None:
        self._count = 0
        self._lines: list[str] = []

    def add(self, number: int, reason: object) -> None:
        self._count += 1
        if self._count <= MAX_REPORTED:
            self._lines.append(f"{number}: {reason}")

    def raise_if_any(self) -> None:
        if not self._count:
            return
        items = "1 item" if self._count == 1 else f"{self._count} items"
        more = ["..."] if self._count > MAX_REPORTED else []
        raise InvalidItemsError(
            f"{items} cannot be asked. Nothing was sent. By line or number:\n"
            + "\n".join(self._lines + more)
        )


def _numbered(prompts: Prompts, reject: Reject) -> Iterator[tuple[int, Any]]:
    """Yield raw items with their line numbers or, if they have no lines, numbers from 1."""
    if isinstance(prompts, (str, PathLike)):
        return read_file(Path(prompts), reject)
    return enumerate(prompts, 1)


def item_from(raw: Any, number: int | None, system: str | None, options: Mapping[str, Any]) -> Item:
    """Return the item that was written as a prompt, or as a mapping with `prompt` or `messages`,
    and perhaps `id` and `system`.

    :param number: the id, if the item has none of its own.
    :param system: the system prompt, if the item has none of its own.
    :param options: other arguments of `Provider.create_async_generator`.
    :raises ValueError: if the item cannot be asked.
    """
    fields = _fields(raw)
    messages = _messages(fields, system, options.get("history", "flat"))
    settings = {name: options[name] for name in SETTINGS if options.get(name) not in DEFAULTS}
    return Item(_id(fields.get("id"), number), messages, _digest(messages, settings))


def _fields(raw: Any) -> dict[str, Any]:
    """Return the fields of an item that have a value."""
    if isinstance(raw, str):
        return {"prompt": raw}
    if not isinstance(raw, Mapping):
        raise ValueError(f"must be a prompt or an object, not {type(raw).__name__}")
    return {name: value for name, value in raw.items() if not is_missing(value)}


def _messages(
    fields: dict[str, Any], system: str | None, history: History
) -> list[Mapping[str, Any]]:
    """Return the messages to send. An item's own system prompt replaces that of the run."""
    question = _question(fields)
    own = fields.get("system")
    if not isinstance(own, (str, type(None))):
        raise ValueError("system must be text")
    prompt = prompt_from(to_messages(question, own), history)
    return to_messages(question, system if prompt.system is None else own)


def _question(fields: dict[str, Any]) -> str | Messages:
    """Return the prompt or the messages of an item, whichever it has."""
    match fields:
        case {"prompt": _, "messages": _}:
            raise ValueError("must have either prompt or messages, and has both")
        case {"prompt": str(prompt)} if prompt.strip():
            return prompt
        case {"prompt": _}:
            raise ValueError("prompt must be text, and not empty")
        case {"messages": list(messages)}:
            return messages
        case {"messages": _}:
            raise ValueError("messages: not a list")
        case _:
            raise ValueError("must have either prompt or messages, and has neither")


def _id(given: Any, number: int | None) -> str | int | None:
    if given is None:
        return number
    if isinstance(given, str):
        return given
    if isinstance(given, Integral) and not isinstance(given, bool):
        return int(given)  # NumPy's integers are not of type int
    if isinstance(given, float) and given.is_integer():
        return int(given)  # pandas stores integers as floats in a column with gaps
    raise ValueError("id must be text or a whole number")


def is_missing(value: Any) -> bool:
    """Return whether a value is None, or NaN or NA, which pandas has in its place."""
    is_nan = isinstance(value, float) and isnan(value)
    return value is None or is_nan or type(value).__name__ == "NAType"


def _digest(messages: Messages, settings: dict[str, Any]) -> str:
    asked = [messages, settings] if settings else messages  # rows of before 0.2 are of messages
    try:
        written = json.dumps(asked, sort_keys=True, ensure_ascii=False, default=dict).encode()
    except TypeError as error:
        raise ValueError(f"messages: {error}") from None
    return sha256(written).hexdigest()[:16]
