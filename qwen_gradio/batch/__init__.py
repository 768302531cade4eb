"""Ask many questions, and keep every answer. A stopped run can be resumed.

Items come from JSON Lines or an array (`.jsonl`, `.ndjson`, `.json`), CSV (`.csv`, `.tsv`), any
other file as text with one prompt per line, or any iterable. An item is a text, an object, or a
line in OpenAI's batch format (`custom_id` and `body`). An object has `prompt` or `messages`, and
may have `id`, `system`, `model`, `inputs` and `files`. The default `id` is the line number; set
your own if lines may move. All invalid items are reported, by number, before anything is sent.

A run asks one Space. An item's `model` must be one of the run's provider, and its `inputs` are
added to the run's. `files`, one or a list, are sent with its question. In a file of prompts, they
are `data:` or https URLs, or relative paths inside its directory. In Python, they are what
`create_async_generator` takes, except open files.

The output is JSON Lines: a `Row` for each item, on disk as soon as its reply is complete. However
often a run is killed, there is one row per item in the end. If a row is the reply to another
question, or came from another Space, model, settings or file names, the run stops and offers a
choice.

The number of items asked at once adapts to the Space: it falls when the queue is full, and rises
slowly with answers. At a rate limit or a GPU quota, all items pause for as long as the Space says;
if it does not say, for a minute and then longer. If the pause would exceed an hour, the run
completes the items in progress, stops, and reports when to resume. Items that received nothing are
asked again. A run waits for a Space that is asleep or starting. It ends after `give_up_after`
seconds without any answer, or if the Space cannot be reached at the start, denies access or offers
no chat.
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
from .._tasks import allow_interrupt, to_sync
from ..errors import OutputError
from ._asking import Asker, AskOptions
from ._bar import Bar
from ._items import Item, Prompts
from ._rows import Row, Rows

__all__ = ["Outcome", "Row", "rows", "run", "run_sync"]


@dataclass(frozen=True)
class Outcome:
    """The state of a batch after a run: the number of `items`, `answered` and `failed`."""

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

    If a run is stopped or killed, the same call resumes it. Rows are in the order of the replies.
    Without `out`, they are returned in the order of the prompts, and are lost if an error ends the
    run; `rows` keeps them in that case.

    :param prompts: a file, or the prompts themselves, as described in `qwen_gradio.batch`.
    :param out: the output file, with a `Row` as JSON on each line.
    :param retry_errors: whether to ask failed items again. Old rows stay until there are new ones.
    :param keep: what to do with replies in `out` to other messages, or from another Space, model,
        `inputs` or sampling: True keeps them, False asks again, and None raises an error.
    :param progress: whether to show a progress bar, on a terminal or in a notebook.
    :param concurrency: maximum items to ask at once; by default, 8.
    :param system: the system prompt for items without one.
    :param model: a model of any provider; by default, that of `provider`, else Qwen3.
    :param provider: a provider or its name; by default, the model's own.
    :param max_retries: how often to ask an item again if its request was lost, or was rejected
        while others were answered; by default, 8. Items rejected by a full queue or a rate limit
        are always asked again.
    :param give_up_after: seconds without any answer after which the run ends; by default, 300. None
        sets no limit.
    :param options: these, and other arguments of `Provider.create_async_generator`: space, api_key,
        timeout, ...
    :raises TypeError, ValueError: if a parameter is wrong.
    :raises InvalidItemsError: with the numbers of invalid items, before any item is asked.
    :raises OutputError: if another run is writing to `out`, if it holds anything but rows, or if it
        has other replies and `keep` is None.
    :raises SpaceUnavailableError: if nothing was answered for `give_up_after`.
    :raises RateLimitError: if the Space accepts nothing for more than an hour; see `retry_after`.
    :raises QwenGradioError: if the Space cannot be asked at all. The error of a single item is in
        its row instead.
    """
    require(prompts=prompts, retry_errors=retry_errors, keep=keep, progress=progress)
    file = None if out is None else _to_rows(out, prompts)
    asker = Asker(**options)
    with ExitStack() as opened:
        opened.enter_context(allow_interrupt())
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


run_sync = to_sync(run)
"""`run` without `await`. It also works inside a running event loop."""


async def rows(prompts: Prompts, **options: Unpack[AskOptions]) -> AsyncGenerator[Row, None]:
    """Ask every prompt, and yield its row as soon as its reply is complete.

        async for row in batch.rows(["1+1?", "1+2?"]):
            print(row["id"], row["reply"])

    Parameters and errors are those of `run` without an output. An error ends the loop. Leaving the
    loop stops the items in progress; with `contextlib.aclosing`, at once. Callbacks such as
    `on_status` are called in another thread's event loop. Items are asked only as rows are taken.
    """
    require(prompts=prompts)
    asker = Asker(**options)
    put, received = anyio.create_memory_object_stream[Row](asker.concurrency)

    async def ask() -> None:
        with put:
            items = await asker.reader.read(prompts)
            await asker.ask_all(items.values(), put.send)

    # Another event loop: a task group of this one must not be open while a row is yielded.
    with received, start_blocking_portal(name="qwen_gradio loop") as portal, allow_interrupt():
        asking = portal.start_task_soon(ask)
        with suppress(anyio.EndOfStream):
            while True:
                receive = partial(portal.call, received.receive)
                yield await to_thread.run_sync(receive, abandon_on_cancel=True)
        asking.result()


def _to_rows(out: str | PathLike[str], prompts: Prompts) -> Rows:
    require(out=out)
    rows = Rows(Path(out))
    if isinstance(prompts, (str, PathLike)) and rows.path == Path(prompts).resolve():
        raise OutputError(f"{out} cannot be both the input and the output")
    return rows


def _find_kept(
    items: dict[str, Item], file: Rows, asker: Asker, retry_errors: bool, keep: bool | None
) -> dict[str, bool]:
    """Return whether the row is an error, for each item that keeps its row, by id.

    :raises OutputError: if a row has another origin than a new one would have, and `keep` is None.
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
    """Return the message about a row whose fields `others` differ from this run."""
    of = [
        "to another question or with other settings" if name == "digest" else f"of {row[name]}"
        for name in others
    ]
    return (
        f"In {path}, the row of item {row['id']} is a reply {' and '.join(of)}. Choose another "
        "file, keep such rows with keep=True (--keep), or ask again with keep=False (--ask-again)"
    )


class _Sink:
    """Stores rows: in a file, all that are ready at a time; without a file, in `rows` by id."""

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
        with anyio.CancelScope(shield=True):  # no answer must be lost
            async with self._writing:
                if ready := self._ready:  # otherwise, another call has written this row
                    self._ready = []
                    await to_thread.run_sync(self._file.append, ready)
                    self._bar.add(ready)
