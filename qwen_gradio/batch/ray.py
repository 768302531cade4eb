"""A batch over many machines, as a step of a Ray Data dataset."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from warnings import catch_warnings, simplefilter

from ..errors import InvalidItemsError
from ..provider import Provider, Qwen_Qwen_2_5_Max
from ..sync import without_await
from ._asking import Asker
from ._items import Item, is_missing, item_from
from ._rows import Row

try:
    import numpy as np
    import pyarrow as pa
    import ray
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"{missing.name} is not installed. Run: pip install 'qwen-gradio[ray]'"
    ) from None

COLUMNS = ("id", "prompt", "messages", "system")
"""What is read of a dataset."""

SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "reply": pa.string(),
        "error": pa.string(),
        "why": pa.string(),
        "partial": pa.string(),
        "attempts": pa.int64(),
        "first_fragment_seconds": pa.float64(),
        "seconds": pa.float64(),
        "characters": pa.int64(),
        "space": pa.string(),
        "model": pa.string(),
        "digest": pa.string(),
    }
)
"""A `Row` as columns, of the same types whether the items of a batch were answered or failed."""


class QwenBatch:
    """Asks every item of a dataset, on as many actors as its pool has: for `map_batches`.

        dataset.map_batches(
            QwenBatch,
            fn_constructor_kwargs={"space": "owner/name", "concurrency": 8},
            compute=ray.data.ActorPoolStrategy(size=2),
            batch_size=64,
        )

    Items have `prompt` or `messages`, and may have `system` and `id`, as columns. What comes out is
    a `Row` for each, in the order of the items of a batch. `id` is text there, and None where the
    dataset has none, as nothing in it has a number.

    An item that fails, or that cannot be asked, is a row with its error, and ends no job. What ends
    it is a wrong argument, and a Space that cannot be asked at all when an actor is new: an error
    that is not the items' own, before the actor has had any reply. Later on, and on an actor that
    Ray has restarted, such an error is in the rows as well.

    When an actor dies, Ray restarts it, and it asks again all of the block that it had under way:
    where blocks are small (`dataset.repartition(target_num_rows_per_block=64)`), that is little.

    :param concurrency: how many items an actor asks at once.
    :param system: the system prompt of items that have none of their own.
    :param max_retries: how often an item is asked again, if the Space did not take it. Actors know
        nothing of each other: each pauses by itself.
    :param options: what else `Provider.create_async_generator` takes: space, api_key, timeout, ...
        Actors have their own machine's environment: `$QWEN_GRADIO_SPACE` is looked for there.
    :raises QwenGradioError: if these cannot be used.
    """

    def __init__(
        self,
        *,
        concurrency: int = 8,
        system: str | None = None,
        model: str | None = None,
        provider: type[Provider] = Qwen_Qwen_2_5_Max,
        max_retries: int = 8,
        **options: Any,
    ) -> None:
        self._system = system
        self._history = options.get("history", "flat")
        self._asker = Asker(provider, model, options, max_retries, concurrency)
        self._asker.has_answered = _was_restarted()

    def __call__(self, batch: Any) -> Any:
        """Ask all items of a batch, and wait for their rows.

        :param batch: in any of Ray's formats. NumPy's, the default, has no whole numbers where some
            are missing; if such ids have more than 15 digits, take `batch_format="pyarrow"`.
        :return: an Arrow table of `SCHEMA`.
        :raises QwenGradioError: if the Space cannot be asked at all, and this actor is new.
        """
        given = _given(batch)
        rows: dict[Any, Row] = {}
        items: list[Item] = []
        for number, raw in enumerate(given):
            try:
                items.append(self._item(raw, number))
            except ValueError as error:
                rows[number] = self._wrong(error)

        async def put(row: Row) -> None:
            rows[row["id"]] = row

        without_await(self._asker.ask_all)(items, put)
        return _table({**rows[number], "id": raw.get("id")} for number, raw in enumerate(given))

    def _item(self, raw: dict[str, Any], number: int) -> Item:
        item = item_from(raw, None, self._system, self._history)
        return replace(item, id=number)  # its own may be another's, too

    def _wrong(self, error: ValueError) -> Row:
        return Row(
            id=None,
            reply=None,
            error=InvalidItemsError.__name__,
            why=str(error),
            partial="",
            attempts=0,
            first_fragment_seconds=None,
            seconds=0.0,
            characters=0,
            space=self._asker.space,
            model=self._asker.model,
            digest="",
        )


def _was_restarted() -> bool:
    """Whether this is an actor that had died before."""
    context = ray.get_runtime_context()
    if context.get_actor_id() is None:
        return False
    with catch_warnings():
        simplefilter("ignore")  # Ray's own code is warned of what it calls there
        return bool(context.was_current_actor_reconstructed)


def _given(batch: Any) -> list[dict[str, Any]]:
    """The rows of a batch, of what is read of it."""
    names = batch.column_names if isinstance(batch, pa.Table) else list(batch)
    found = {name: [_plain(value) for value in batch[name]] for name in COLUMNS if name in names}
    length = len(batch[names[0]])
    return [{name: values[number] for name, values in found.items()} for number in range(length)]


def _plain(value: Any) -> Any:
    """A value as JSON has it. NumPy has arrays for lists, and NaN where nothing is."""
    if isinstance(value, pa.Scalar):
        value = value.as_py()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (np.ndarray, list)):
        return [_plain(element) for element in value]
    if isinstance(value, dict):
        return {key: _plain(element) for key, element in value.items()}
    if is_missing(value):
        return None
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _table(rows: Any) -> Any:
    text = [field.name for field in SCHEMA if field.type == pa.string()]
    return pa.Table.from_pylist(
        [{**row, **{name: _text(row[name]) for name in text}} for row in rows], SCHEMA
    )


def _text(value: Any) -> str | None:
    """As Arrow has it, whatever a Space replied, and whatever is in the place of an id."""
    return None if value is None else str(value).encode("utf-8", "replace").decode()
