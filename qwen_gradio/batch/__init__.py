"""Ask many questions, and keep every answer. A run that was stopped can be resumed.

Items are read from JSON Lines or an array (`.jsonl`, `.ndjson`, `.json`), CSV (`.csv`, `.tsv`),
else a text file with a prompt on each line, or from any iterable. An item is a text, or has
`prompt` or `messages`, and may have `id`, `system`, `model`, `inputs` and `files`, or is a line in
OpenAI's batch format (`custom_id` and `body`). The default `id` is the number of its line, so give
items one where lines may move. Wrong items are all reported, with their numbers, before anything
is sent.

A run asks one Space: an item's `model` is one of the run's provider, and its `inputs` are added to
the run's. `files`, one or a list, go with its question. In a file of prompts they are `data:` or
https URLs, or relative paths inside its directory; in Python, what `create_async_generator` takes,
except open files.

The output is JSON Lines: a `Row` for each item, on disk as soon as its reply is complete. However
often a run is killed, there is one row for each item in the end. Where a row is the reply to
another question, or to another Space, model or settings, or to files of other names, the run stops
and offers the choice.

How many items are asked at once adapts to what the Space accepts: fewer after a full queue,
slowly more after answers. At a rate limit or a GPU quota all pause, for as long as the Space
says, or for a minute and then longer; beyond an hour the run completes what is being asked,
stops, and says when to go on. Items that had received nothing are asked again, and a Space that
sleeps or starts is waited for. A run ends after `give_up_after` seconds without any answer, or if
the Space cannot be reached from the start, denies access or offers no chat, and can be resumed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, overload

import anyio
from anyio import to_thread
from anyio.from_thread import start_blocking_portal
from typing_extensions import Unpack

from .._options import require
from .._tasks import stoppable, without_await
from ..errors import OutputError
from ._asking import Asker, AskOptions
from ._bar import Bar
from ._items import Item, Prompts
from ._rows import Row, Rows

__all__ = ["Outcome", "Row", "rows", "run", "run_sync"]


@dataclass(frozen=True)
class Outcome:
    """The state of a batch after a run: how many `items` it has, `answered` and `failed` ones."""

    items: int
    answered: int
    failed: int


class RunOptions(AskOptions, total=False):
    """The parameters of `run` other than `prompts` and `out`, for type checkers."""

    retry_errors: bool
    keep: bool | None
    progress: bool


@overload
async def run(
    prompts: Prompts, out: str | PathLike[str], **options: Unpack[RunOptions]
) -> Outcome: ...
@overload
async def run(prompts: Prompts, out: None = None, **options: Unpack[RunOptions]) -> list[Row]: ...
async def run(
    prompts: Prompts,
    out: str | PathLike[str] | None = None,
    *,
    retry_errors: bool = False,
    keep: bool | None = None,
    progress: bool = True,
    **options: Unpack[AskOptions],
) -> Outcome | list[Row]:
    """Ask every prompt that has no row in `out` yet, and write its row.

    If a run is stopped or killed, the same call resumes it. Rows are in the order in which the
    replies came. Without `out`, they are returned in the order of the prompts; an error that ends
    such a run loses them, which `rows` does not.

    :param prompts: a file, or the prompts themselves, as `qwen_gradio.batch` describes them.
    :param out: the output file: a `Row` per line, as JSON.
    :param retry_errors: whether to ask failed items again. A row stays until there is a new one.
    :param keep: what to do with replies in `out` to other messages, or from another Space, model,
        `inputs` or sampling: True keeps them, False asks again, and None raises an error.
    :param progress: whether to show a progress bar, on a terminal or in a notebook.
    :param concurrency: how many items are asked at once, at most: by default, 8.
    :param system: the system prompt of items without one.
    :param model: a model of any provider's; by default, that of `provider`, else Qwen3.
    :param provider: a provider, or its name; by default, the model's own.
    :param max_retries: how often an item is asked again if its request was lost, or rejected while
        others are answered: by default, 8 times. Those that a full queue or a rate limit rejects
        are always asked again.
    :param give_up_after: seconds without any answer after which the run ends: by default, 300.
        None sets no limit.
    :param options: these, and other arguments of `Provider.create_async_generator`: space, api_key,
        timeout, ...
    :raises TypeError, ValueError: if a parameter is wrong.
    :raises InvalidItemsError: if items cannot be asked, with their numbers; before any is asked.
    :raises OutputError: if another run is writing to `out`, if it holds anything but rows, or if it
        has other replies and `keep` is None.
    :raises SpaceUnavailableError: if nothing was answered for `give_up_after`.
    :raises RateLimitError: if the Space accepts nothing for more than an hour, with `retry_after`.
    :raises QwenGradioError: if the Space cannot be asked at all. An error that concerns one item is
        in its row instead.
    """
    require(prompts=prompts, retry_errors=retry_errors, keep=keep, progress=progress)
    file = None
    if out is not None:
        require(out=out)
        file = Rows(Path(out))
    asker = Asker(**options)
    with ExitStack() as opened:
        opened.enter_context(stoppable())
        items = await asker.reader.read(prompts)
        kept: dict[str, bool] = {}
        if file is not None:
            await to_thread.run_sync(opened.enter_context, file)

            def may_be_replaced(row: dict[str, Any]) -> bool:
                is_failed = row["error"] is not None
                return is_failed or (keep is False and str(row["id"]) in items)

            await to_thread.run_sync(file.drop_replaced, may_be_replaced)
            kept = await to_thread.run_sync(_find_kept, items, file, asker, retry_errors, keep)
            if retry_errors or keep is False:
                opened.callback(file.drop_replaced, may_be_replaced)
        failed = sum(kept.values())
        bar = opened.enter_context(Bar(len(items), len(kept), failed, asker.pace, progress))
        asker.on_wait = bar.wait
        sink = _Sink(file, bar)
        await asker.ask_all([item for key, item in items.items() if key not in kept], sink.put)
    if file is not None:
        return Outcome(len(items), bar.answered, bar.failed)
    return [sink.rows[key] for key in items]


run_sync = without_await(run)
"""`run` for callers that cannot await, also if an event loop is already running."""


async def rows(prompts: Prompts, **options: Unpack[AskOptions]) -> AsyncGenerator[Row, None]:
    """Ask every prompt, and yield its row as soon as its reply is complete.

        async for row in batch.rows(["1+1?", "1+2?"]):
            print(row["id"], row["reply"])

    The parameters are those of `run`, without an output, and so are the errors, which end the loop.
    Leaving it stops what is being asked; `contextlib.aclosing` does so at once. Callbacks such as
    `on_status` are called in another thread's event loop. Asking goes on only as rows are taken.
    """
    require(prompts=prompts)
    asker = Asker(**options)
    put, received = anyio.create_memory_object_stream[Row](asker.concurrency)

    async def ask() -> None:
        with put:
            items = await asker.reader.read(prompts)
            await asker.ask_all(items.values(), put.send)

    # In an event loop of its own, as no task group of this one may be open while a row is out.
    with received, start_blocking_portal(name="qwen_gradio loop") as portal, stoppable():
        asking = portal.start_task_soon(ask)
        with suppress(anyio.EndOfStream):
            while True:
                receive = partial(portal.call, received.receive)
                yield await to_thread.run_sync(receive, abandon_on_cancel=True)
        asking.result()


def _find_kept(
    items: dict[str, Item], file: Rows, asker: Asker, retry_errors: bool, keep: bool | None
) -> dict[str, bool]:
    """Return the ids of the items that keep their row, each with whether that is an error.

    :raises OutputError: if a row is another reply than a new one would be, and `keep` is None.
    """
    kept: dict[str, bool] = {}
    for row in file:
        item = items.get(str(row["id"]))
        if item is None:
            continue
        is_failed = row["error"] is not None
        asked = {"digest": item.digest, "space": asker.space}
        asked |= {} if (model := asker.model_of(item)) is None else {"model": model}
        others = [name for name, value in asked.items() if row.get(name, value) != value]
        if (is_failed and retry_errors) or (others and keep is False):
            continue
        if others and not is_failed and keep is None:
            raise OutputError(_difference(file.path, row, others))
        kept[str(row["id"])] = is_failed
    return kept


def _difference(path: Path, row: dict[str, Any], others: list[str]) -> str:
    """Return a message about a row whose `others` are not those of this run."""
    of = [
        "to another question, or with other settings" if name == "digest" else f"of {row[name]}"
        for name in others
    ]
    return (
        f"In {path}, the row of item {row['id']} is a reply {' and '.join(of)}. Choose another "
        "file, keep such rows with keep=True (--keep), or ask again with keep=False (--ask-again)"
    )


class _Sink:
    """Keeps rows: in a file, several at a time if they are ready, else in `rows`, by their ids."""

    def __init__(self, file: Rows | None, bar: Bar) -> None:
        self.rows: dict[str, Row] = {}
        self._file = file
        self._bar = bar
        self._ready: list[Row] = []
        self._writing = anyio.Lock()

    async def put(self, row: Row) -> None:
        if self._file is None:
            self.rows[str(row["id"])] = row
            self._bar.add([row])
            return
        self._ready.append(row)
        with anyio.CancelScope(shield=True):  # keep all that was answered
            async with self._writing:
                if ready := self._ready:  # else this row was written along with another
                    self._ready = []
                    await to_thread.run_sync(self._file.append, ready)
                    self._bar.add(ready)
