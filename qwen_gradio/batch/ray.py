"""A batch on many machines, as a step of a Ray Data dataset.

    ray.data.read_json("prompts.jsonl").repartition(target_num_rows_per_block=64).map_batches(
        QwenBatch,
        fn_constructor_kwargs={"space": "owner/name", "concurrency": 8},
        compute=ray.data.ActorPoolStrategy(size=4),
        batch_size=64,
        num_cpus=0.25,
    ).write_json("replies")

This asks up to 4 x 8 questions at once, and writes a directory of JSON Lines with the rows of
`qwen_gradio.batch`. If an actor dies, Ray restarts it, and it asks its block again. Every item ends
as one row; `repartition` keeps blocks small. Each actor adapts to the Space separately. `num_cpus`
is the share of a CPU that Ray reserves for an actor. Actors mostly wait, and if they reserve all
CPUs, none is left to read the prompts.

By default, Ray runs on this machine. `RAY_ADDRESS=host:port` selects a cluster, which must have the
package and access to the paths. This was tried with two nodes on one machine, not on separate
machines. If the whole job is stopped, it starts from the beginning.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args, get_type_hints
from warnings import catch_warnings, simplefilter

from typing_extensions import Unpack

from .._extras import require_extra
from .._tasks import to_sync
from ..errors import InvalidItemsError, QwenGradioError
from ._asking import Asker, AskOptions
from ._attempt import Attempt
from ._items import Item, is_missing, only_url
from ._rows import Row

with require_extra("ray"):
    import numpy as np
    import pyarrow as pa
    import ray

COLUMNS = (
    *("id", "prompt", "messages", "system", "model", "inputs", "files"),
    *("custom_id", "body"),
)
"""The columns of a dataset to read; others are ignored."""

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
"""The columns of a `Row`, with types that do not depend on the values. An id is text."""


class QwenBatch:
    """A step for `map_batches` that asks every item of a dataset, on each actor of a pool.

    Items have a column `prompt` or `messages`, and may have `id`, `system`, `model`, `inputs` and
    `files` (`data:` or https URLs). Or they have the columns of OpenAI's batch format, `custom_id`
    and `body`. The result is a `Row` for each item, in the order of the batch. Its `id` is text, or
    None if the dataset has no id.

    An item that fails or cannot be asked becomes a row with its error, and the rest of the job
    continues. The job fails if an argument is wrong, or if a new actor cannot ask the Space at all:
    on an error of the Space before it accepts the actor's first item. Later, and on an actor that
    Ray has restarted, such errors are also in the rows.

    :param options: those of `batch.rows`, for each actor. After `give_up_after` seconds without any
        answer, the rest of a batch gets rows with the error. `$QWEN_GRADIO_SPACE` is read from the
        environment of the actor's machine.
    :raises QwenGradioError, TypeError, ValueError: if an option cannot be used.
    """

    def __init__(self, **options: Unpack[AskOptions]) -> None:
        self._asker = Asker(**options)
        self._asker.has_accepted = _was_restarted()

    def __call__(self, batch: Any) -> Any:
        """Ask all items of a batch, and wait for their rows.

        :param batch: a batch in any of Ray's formats. In NumPy's, the default, integers become
            floats if some are missing. For ids of more than 15 digits, use
            `batch_format="pyarrow"`.
        :return: an Arrow table of `SCHEMA`.
        :raises QwenGradioError: if the Space cannot be asked at all, and this actor is new.
        """
        given = _raw_items(batch)
        rows: dict[Any, Row] = {}
        items: list[Item] = []
        for number, raw in enumerate(given):
            try:
                item = self._asker.reader.item(raw, None, only_url)
                items.append(replace(item, id=number))  # several items may have the same id
            except ValueError as error:
                rejected = Attempt(error=InvalidItemsError(str(error)))
                rows[number] = self._asker.row(Item(number, [], ""), rejected, attempts=0)

        async def put(row: Row) -> None:
            rows[row["id"]] = row

        try:
            to_sync(self._asker.ask_all)(items, put)
        except QwenGradioError as error:
            if not self._asker.has_accepted:
                raise
            for item in items:
                rows.setdefault(item.id, self._asker.row(item, Attempt(error=error), attempts=0))
        ids = [raw.get("id") if (own := raw.get("custom_id")) is None else own for raw in given]
        return _table({**rows[number], "id": item_id} for number, item_id in enumerate(ids))


def _was_restarted() -> bool:
    """Return whether Ray has restarted this actor."""
    if not ray.is_initialized():  # getting the context would start a cluster
        return False
    context = ray.get_runtime_context()
    if context.get_actor_id() is None:
        return False
    with catch_warnings():
        simplefilter("ignore")  # Ray's own code warns there
        return bool(context.was_current_actor_reconstructed)


def _raw_items(batch: Any) -> list[dict[str, Any]]:
    """Return the items of a batch, with the columns in `COLUMNS`."""
    names = batch.column_names if isinstance(batch, pa.Table) else list(batch)
    found = {name: [_to_json(value) for value in batch[name]] for name in COLUMNS if name in names}
    length = len(batch[names[0]])
    return [{name: values[number] for name, values in found.items()} for number in range(length)]


def _to_json(value: Any) -> Any:
    """Convert a value to one of JSON's types. NumPy has arrays for lists, and NaN for None."""
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
    """Convert a value to text that Arrow accepts: lone surrogates are replaced."""
    return None if value is None else str(value).encode("utf-8", "replace").decode()
