"""A batch on many machines, as a step of a Ray Data dataset.

    ray.data.read_json("prompts.jsonl").repartition(target_num_rows_per_block=64).map_batches(
        QwenBatch,
        fn_constructor_kwargs={"space": "owner/name", "concurrency": 8},
        compute=ray.data.ActorPoolStrategy(size=4),
        batch_size=64,
        num_cpus=0.25,
    ).write_json("replies")

This asks up to 4 x 8 questions at once, and writes a folder of JSON Lines with the rows of
`qwen_gradio.batch`, of which `id` is text. An item that fails, or cannot be asked, is a row with
its error. A wrong model ends the job, and so does a Space that cannot be asked at all when an
actor is new; one that goes away later is in the rows. When an actor dies, Ray restarts it, and it
asks its block again: every item ends as one row, and `repartition` keeps blocks small. Actors
know nothing of each other: when the Space is full, each backs off by itself. `num_cpus` is what
Ray sets aside for an actor, which mostly waits; actors that take all the CPUs leave none to read
the prompts.

Without more, Ray runs on this machine; `RAY_ADDRESS=host:port` uses a cluster that has the
package and can read and write the paths. Tried with two nodes on one machine, and not on separate
ones. A job that is stopped as a whole starts from the beginning.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args, get_type_hints
from warnings import catch_warnings, simplefilter

from .._extras import needing
from .._models import to_provider
from .._options import BatchOptions, require
from .._tasks import without_await
from ..errors import InvalidItemsError, QwenGradioError
from ..provider import Provider
from ._asking import Asker, Attempt
from ._items import Item, ItemReader, is_missing, only_url
from ._rows import Row

with needing("ray"):
    import numpy as np
    import pyarrow as pa
    import ray

if TYPE_CHECKING:
    from typing_extensions import Unpack

COLUMNS = (
    *("id", "prompt", "messages", "system", "model", "inputs", "files"),
    *("custom_id", "body"),
)
"""The columns of a dataset that are read."""

ARROW_TYPES = {
    list[str]: pa.list_(pa.field("element", pa.string())),  # as Parquet names it
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
}

SCHEMA = pa.schema(
    {
        name: next(arrow for kind, arrow in ARROW_TYPES.items() if kind in (hint, *get_args(hint)))
        for name, hint in get_type_hints(Row).items()
    }
)
"""A `Row` as columns, whose types do not depend on the values. An id is text."""


class QwenBatch:
    """A step for `map_batches` that asks every item of a dataset, on each actor of a pool.

        dataset.map_batches(
            QwenBatch,
            fn_constructor_kwargs={"space": "owner/name", "concurrency": 8},
            compute=ray.data.ActorPoolStrategy(size=2),
            batch_size=64,
        )

    Items have the columns `prompt` or `messages`, and may have `id`, `system`, `model`, `inputs`
    and `files`, which are `data:` or https URLs, or those of OpenAI's batch format, `custom_id` and
    `body`. The result is a `Row` for each, in the order of the items of a batch. There, `id` is
    text, or None where the dataset has no id.

    An item that fails, or that cannot be asked, becomes a row with its error, and the rest of the
    job continues. The job fails if an argument is wrong, or if a new actor cannot ask the Space at
    all: on an error that concerns the Space, before it accepts the actor's first item. After that,
    and on an actor that Ray has restarted, such errors are in the rows as well.

    When an actor dies, Ray restarts it, and the actor repeats all of its current block. Small
    blocks (`dataset.repartition(target_num_rows_per_block=64)`) keep that short.

    :param concurrency: how many items an actor asks at once, at most.
    :param system: the system prompt of items without one.
    :param model: a model of any provider's; by default, that of `provider`, else Qwen3.
    :param provider: a provider, or its name; by default, the model's own.
    :param max_retries: how often an item is asked again if its request was lost, or rejected while
        others are answered.
    :param give_up_after: seconds without any answer after which the rest of a batch gets rows with
        the error; None sets no limit. Each actor pauses separately.
    :param options: other arguments of `Provider.create_async_generator`: space, api_key, timeout,
        ... `$QWEN_GRADIO_SPACE` is read from the environment of the actor's machine.
    :raises QwenGradioError, TypeError, ValueError: if these cannot be used.
    """

    def __init__(
        self,
        *,
        concurrency: int = 8,
        system: str | None = None,
        model: str | None = None,
        provider: type[Provider] | str | None = None,
        max_retries: float = 8,
        give_up_after: float | None = 300.0,
        **options: Unpack[BatchOptions],
    ) -> None:
        require(system=system)
        provider = to_provider(provider, model)
        self._asker = Asker(provider, model, options, max_retries, give_up_after, concurrency)
        self._reader = ItemReader(system, options, self._asker.stream)
        self._asker.has_accepted = _was_restarted()

    def __call__(self, batch: Any) -> Any:
        """Ask all items of a batch, and wait for their rows.

        :param batch: a batch in any of Ray's formats. NumPy's, the default, has floats in place of
            integers if some are missing; for ids of more than 15 digits, use
            `batch_format="pyarrow"`.
        :return: an Arrow table of `SCHEMA`.
        :raises QwenGradioError: if the Space cannot be asked at all, and this actor is new.
        """
        given = _raw_items(batch)
        rows: dict[Any, Row] = {}
        items: list[Item] = []
        for number, raw in enumerate(given):
            try:
                item = self._reader.item(raw, None, only_url)
                items.append(replace(item, id=number))  # several items may have the same id
            except ValueError as error:
                rejected = Attempt(error=InvalidItemsError(str(error)))
                rows[number] = self._asker.row(Item(number, [], ""), rejected, attempts=0)

        async def put(row: Row) -> None:
            rows[row["id"]] = row

        try:
            without_await(self._asker.ask_all)(items, put)
        except QwenGradioError as error:
            if not self._asker.has_accepted:
                raise
            for item in items:
                rows.setdefault(item.id, self._asker.row(item, Attempt(error=error), attempts=0))
        ids = [raw.get("id") if (own := raw.get("custom_id")) is None else own for raw in given]
        return _table({**rows[number], "id": item_id} for number, item_id in enumerate(ids))


def _was_restarted() -> bool:
    """Return whether Ray has restarted this actor."""
    if not ray.is_initialized():  # asking for the context would start a cluster
        return False
    context = ray.get_runtime_context()
    if context.get_actor_id() is None:
        return False
    with catch_warnings():
        simplefilter("ignore")  # Ray's own code causes warnings there
        return bool(context.was_current_actor_reconstructed)


def _raw_items(batch: Any) -> list[dict[str, Any]]:
    """Return the items of a batch, with the columns that are read."""
    names = batch.column_names if isinstance(batch, pa.Table) else list(batch)
    found = {name: [_to_json(value) for value in batch[name]] for name in COLUMNS if name in names}
    length = len(batch[names[0]])
    return [{name: values[number] for name, values in found.items()} for number in range(length)]


def _to_json(value: Any) -> Any:
    """Return a value as one of JSON's types. NumPy has arrays for lists, and NaN for None."""
    if isinstance(value, pa.Scalar):
        value = value.as_py()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (np.ndarray, list)):
        return [_to_json(element) for element in value]
    if isinstance(value, dict):
        return {key: _to_json(element) for key, element in value.items()}
    if is_missing(value):
        return None
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _table(rows: Any) -> Any:
    text = [field.name for field in SCHEMA if field.type == pa.string()]
    return pa.Table.from_pylist(
        [{**row, **{name: _text(row[name]) for name in text}} for row in rows], SCHEMA
    )


def _text(value: Any) -> str | None:
    """Return a value as text that Arrow accepts, whatever a Space replied or was given as an id."""
    return None if value is None else str(value).encode("utf-8", "replace").decode()
