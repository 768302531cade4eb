"""Read prompts, and check that they can be asked."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from itertools import islice
from math import isnan
from numbers import Integral
from os import PathLike, fspath, path
from pathlib import Path
from typing import Any, TypeAlias

from anyio import to_thread

from .._messages import History, Messages, prompt_from, to_messages
from .._models import providers
from .._openai import UNSUPPORTED, unsupported
from ..errors import InvalidItemsError
from ._files import Reject, read_file

Prompts: TypeAlias = "str | PathLike[str] | Iterable[str | Mapping[str, Any]]"
"""The path of a file, or the prompts themselves."""

SAMPLING = {name for provider in providers().values() for name in provider.optional_inputs}
SETTINGS = {"inputs", "api_name", "history", "reasoning_tags", *SAMPLING}
"""Options that change the reply to the same messages."""
DEFAULTS: tuple[Any, ...] = (None, {}, "flat")
"""The default values of settings."""

OPENAI_LINE = {"method": "POST", "url": "/v1/chat/completions"}
"""Optional fields of a line in OpenAI's batch format, with the only accepted values."""
NOT_ASKED = {
    *("user", "metadata", "store", "stream", "stream_options", "service_tier"),
    *("safety_identifier", "prompt_cache_key", "parallel_tool_calls"),
}
"""Fields of a `body` that do not change the reply."""

MAX_REPORTED = 20
"""Maximum invalid items to list in an error."""
CHUNK = 1000
"""Items to read at a time. A cancellation takes effect in between."""


@dataclass(frozen=True)
class Item:
    """One question of a batch.

    :ivar digest: 16 hex digits that identify the messages and the settings that are not defaults.
    :ivar options: arguments of `Provider.create_async_generator` for this item only.
    """

    id: str | int | None
    messages: list[Mapping[str, Any]]
    digest: str
    options: Mapping[str, Any] = field(default_factory=dict)


class ItemReader:
    """Reads prompts, and checks that they can be asked.

    :param system: the system prompt for items without one.
    :param options: other arguments of `Provider.create_async_generator`, for all items.
    :param ask: returns the stream for messages and an item's own options. It is not read here.
    """

    def __init__(
        self,
        system: str | None,
        options: Mapping[str, Any],
        ask: Callable[[Messages, Mapping[str, Any]], Any],
    ) -> None:
        self._system = system
        self._options = options
        self._ask = ask

    async def read(self, prompts: Prompts) -> dict[str, Item]:
        """Return all items by id, as text.

        :raises InvalidItemsError: with the numbers of items that cannot be asked.
        """
        if isinstance(prompts, (bytes, Mapping, AsyncIterable)) or hasattr(prompts, "columns"):
            raise TypeError(
                f"prompts must be a file or a list, not {type(prompts).__name__}. "
                'For a DataFrame, pass frame.to_dict("records")'
            )
        items: dict[str, Item] = {}
        steps = self._read(prompts, items)

        def read_some() -> int:
            return sum(1 for _ in islice(steps, CHUNK))

        while await to_thread.run_sync(read_some, abandon_on_cancel=True):
            pass
        return items

    def item(self, raw: Any, number: int | None, to_file: Callable[[Any], Any]) -> Item:
        """Check a raw item, and return it.

        :param number: the id if the item has none.
        :param to_file: converts one of the item's files for the provider, or raises ValueError.
        :raises ValueError: if the item cannot be asked.
        """
        fields, own = _fields(raw)
        messages = _messages(fields, self._system, self._options.get("history", "flat"))
        own |= {name: fields[name] for name in ("model", "inputs") if name in fields}
        if isinstance(inputs := own.get("inputs"), Mapping):
            own["inputs"] = {**(self._options.get("inputs") or {}), **inputs}
        written = fields.get("files", [])
        written = list(written) if isinstance(written, (list, tuple)) else [written]
        if written:
            own["files"] = [to_file(file) for file in written]
        if own:
            try:
                stream = self._ask(messages, own)
            except TypeError as error:
                raise ValueError(error) from None
            own["model"] = stream.model
        all_options = {**self._options, **own}
        settings = {name: all_options[name] for name in SETTINGS if name in all_options}
        settings = {name: value for name, value in settings.items() if value not in DEFAULTS}
        if written:
            settings["files"] = [_name(file) for file in written]
        return Item(_id(fields.get("id"), number), messages, _digest(messages, settings), own)

    def _read(self, prompts: Prompts, items: dict[str, Item]) -> Iterator[None]:
        """Add items to `items`, one per iteration."""
        rejected: list[str] = []

        def reject(number: int, reason: object) -> None:
            rejected.append(f"{number}: {reason}")

        numbered, to_file = _source(prompts, reject)
        for number, raw in numbered:
            try:
                item = self.item(raw, number, to_file)
                if str(item.id) in items:
                    raise ValueError(f"another item has the id {item.id!r}")
                items[str(item.id)] = item
            except ValueError as error:
                reject(number, error)
            yield
        if rejected:
            count = "1 item" if len(rejected) == 1 else f"{len(rejected)} items"
            more = ["..."] if len(rejected) > MAX_REPORTED else []
            raise InvalidItemsError(
                f"{count} cannot be asked. Nothing was sent. By line or number:\n"
                + "\n".join(rejected[:MAX_REPORTED] + more)
            )


def _source(
    prompts: Prompts, reject: Reject
) -> tuple[Iterable[tuple[int, Any]], Callable[[Any], Any]]:
    """Return the raw items with their numbers, and the `to_file` for their files."""
    if isinstance(prompts, (str, PathLike)):
        file = Path(prompts)
        return read_file(file, reject), partial(_resolve_in, path.realpath(file.parent))
    return enumerate(prompts, 1), _check_file


def _resolve_in(folder: str, written: Any) -> str:
    """Return the real path of a file, which must be inside `folder`; return URLs unchanged."""
    if _is_url(written):
        return str(written)
    if not isinstance(written, str):
        raise ValueError("files must be a path or a URL, or a list of these")
    found = path.realpath(Path(folder, written))
    if Path(written).is_absolute() or not Path(found).is_relative_to(folder):
        raise ValueError(f"files: {written!r} is not inside the directory of the prompts file")
    return found


def _check_file(given: Any) -> Any:
    """Check a file from the caller's own program, and return it."""
    if not isinstance(given, (str, PathLike, bytes)):  # an open file can be read only once
        raise ValueError("files must be a path, a URL or bytes, or a list of these")
    return given


def only_url(written: Any) -> str:
    """Return a URL. Reject paths, because they mean nothing on another machine."""
    if not _is_url(written):
        raise ValueError("files must be data: or https: URLs")
    return str(written)


def _is_url(written: Any) -> bool:
    return isinstance(written, str) and (written.startswith("data:") or "://" in written)


def _name(file: Any) -> str:
    """Return the name of a file for the digest: its path or URL, or the hash of its bytes."""
    return sha256(file).hexdigest() if isinstance(file, bytes) else fspath(file)


def _fields(raw: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the non-empty fields of a raw item, and its options."""
    if isinstance(raw, str):
        return {"prompt": raw}, {}
    if not isinstance(raw, Mapping):
        raise ValueError(f"must be a prompt or an object, not {type(raw).__name__}")
    fields = {name: value for name, value in raw.items() if not is_missing(value)}
    return _openai_fields(fields) if "custom_id" in fields else (fields, {})


def _openai_fields(line: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields and options of a line in OpenAI's batch format."""
    for name in line.keys() - {"custom_id", "body"}:
        if line[name] != OPENAI_LINE.get(name):
            raise ValueError(f"{name} must be {OPENAI_LINE.get(name, 'left out')}")
    if not isinstance(line["custom_id"], str):
        raise ValueError("custom_id must be text")
    if not isinstance(body := line.get("body"), Mapping):
        raise ValueError("body must be an object")
    given = {name: value for name, value in body.items() if not is_missing(value)}
    if "max_completion_tokens" in given:
        given["max_tokens"] = given.pop("max_completion_tokens")
    options = {name: given.pop(name) for name in SAMPLING & given.keys()}
    fields = {name: given.pop(name) for name in ("messages", "model") if name in given}
    harmless = UNSUPPORTED.keys() - unsupported(given)
    if unknown := sorted(given.keys() - NOT_ASKED - harmless):
        raise ValueError(f"body.{unknown[0]} is not supported: leave it out")
    return {**fields, "id": line["custom_id"]}, options


def _messages(
    fields: dict[str, Any], system: str | None, history: History
) -> list[Mapping[str, Any]]:
    """Return the messages to send. An item's own system prompt replaces the run's."""
    question = _question(fields)
    own = fields.get("system")
    if not isinstance(own, (str, type(None))):
        raise ValueError("system must be text")
    prompt = prompt_from(to_messages(question, own), history)
    return to_messages(question, system if prompt.system is None else own)


def _question(fields: dict[str, Any]) -> str | Messages:
    """Return the prompt or the messages of an item."""
    match fields:
        case {"prompt": _, "messages": _}:
            raise ValueError("must have either prompt or messages, not both")
        case {"prompt": str(prompt)} if prompt.strip():
            return prompt
        case {"prompt": _}:
            raise ValueError("prompt must be text and must not be empty")
        case {"messages": list(messages)}:
            return messages
        case {"messages": _}:
            raise ValueError("messages must be a list")
        case _:
            raise ValueError("must have either prompt or messages")


def _id(given: Any, number: int | None) -> str | int | None:
    if given is None:
        return number
    if isinstance(given, str):
        try:
            given.encode()
        except UnicodeEncodeError:
            raise ValueError("its id contains invalid characters") from None
        return given
    if isinstance(given, Integral) and not isinstance(given, bool):
        return int(given)  # NumPy's integers are not of type int
    if isinstance(given, float) and given.is_integer():
        return int(given)  # pandas stores integers as floats in a column with gaps
    raise ValueError("id must be text or a whole number")


def is_missing(value: Any) -> bool:
    """Return whether a value is None, or pandas' NaN or NA."""
    is_nan = isinstance(value, float) and isnan(value)
    return value is None or is_nan or type(value).__name__ == "NAType"


def _digest(messages: Messages, settings: dict[str, Any]) -> str:
    asked = [messages, settings] if settings else messages  # as before 0.2
    try:
        written = json.dumps(asked, sort_keys=True, ensure_ascii=False, default=dict).encode()
    except TypeError as error:
        raise ValueError(f"messages: {error}") from None
    return sha256(written).hexdigest()[:16]
