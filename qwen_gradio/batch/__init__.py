"""Ask many questions, and keep every answer: resumable, whatever happens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import anyio
from anyio import to_thread

from .._tasks import stoppable, task_group
from ..errors import OutputError
from ..provider import Provider, Qwen_Qwen_2_5_Max
from ..sync import without_await
from ._asking import Asker
from ._bar import Bar
from ._items import Items, Prompts
from ._rows import Row, Rows

__all__ = ["Outcome", "Row", "run", "run_sync"]

MOST_WAITING = 100
"""Rows that may wait to be written, before nothing more is asked."""


@dataclass(frozen=True)
class Outcome:
    """How a batch stands after a run: of its `items`, how many are `answered` and have `failed`."""

    items: int
    answered: int
    failed: int


async def run(
    prompts: Prompts,
    out: str | Path,
    *,
    concurrency: int = 8,
    system: str | None = None,
    model: str | None = None,
    provider: type[Provider] = Qwen_Qwen_2_5_Max,
    retry_errors: bool = False,
    max_retries: int = 8,
    progress: bool = True,
    **options: Any,
) -> Outcome:
    """Ask every prompt that has no row in `out` yet, and write one when it is done.

    Stopped or killed at any moment, the same call goes on from there. A row is written as soon as
    its reply is complete, and is on disk then; rows are in the order in which replies came.

    When the Space is full, limits the rate or cannot be reached, all pause together, for longer
    each time, before they ask again.

    :param prompts: a file of JSON Lines (`.jsonl`, `.ndjson`, `.json`), CSV (`.csv`, `.tsv`) or,
        else, of one prompt a line; or the prompts themselves. An item is a text, or has `prompt` or
        `messages`, and may have `system` and `id`. Without an id, the number of its line is what it
        is known by.
    :param out: the file of rows, as JSON Lines; what a row has is said in `Row`.
    :param concurrency: how many are asked at once.
    :param system: the system prompt of items that have none of their own.
    :param retry_errors: ask items again whose row says that they failed; such rows go first.
    :param max_retries: how often an item is asked again, if the Space did not take it.
    :param progress: show a progress bar, on a terminal or in a notebook.
    :param options: what else `Provider.create_async_generator` takes: space, api_key, timeout, ...
    :raises InvalidItemsError: naming each item that cannot be asked, before any is.
    :raises OutputError: if another run writes to `out`, or it holds something else, also replies
        to items that asked something else then.
    :raises QwenGradioError: if the Space cannot be asked at all. An error that came of an item is
        in its row instead.
    """
    out = Path(out)
    if isinstance(prompts, (str, Path)) and out.exists() and out.samefile(prompts):
        raise OutputError(f"{out} cannot be both what is read and what is written")
    asker = Asker(provider, model, options, max_retries, concurrency)
    with ExitStack() as opened:
        opened.enter_context(stoppable())
        history = options.get("history", "flat")
        read = partial(Items, prompts, system, history, _check_in(opened))
        items = opened.enter_context(
            closing(await to_thread.run_sync(read, abandon_on_cancel=True))
        )
        total = len(items)
        rows = Rows(out)
        await to_thread.run_sync(opened.enter_context, rows)
        answered, failed = await to_thread.run_sync(_resume, items, rows, retry_errors)
        bar = opened.enter_context(Bar(total, answered, failed, progress))
        asker.on_wait = bar.wait
        async with _writing(rows, bar) as put:
            await asker.ask_all(items, put)
    return Outcome(total, bar.answered, bar.failed)


run_sync = without_await(run)
"""As `run`, for callers that cannot await; an event loop may run around it."""


def _check_in(opened: ExitStack) -> Callable[[], None]:
    """For a thread that may be abandoned: a check that raises once the stack was closed.

    anyio's own `check_cancelled` does not see the cancellation of an asyncio task.
    """
    closed = Event()
    opened.callback(closed.set)

    def check() -> None:
        if closed.is_set():
            raise RuntimeError("nobody waits for this any more")

    return check


def _resume(items: Items, rows: Rows, retry_errors: bool) -> tuple[int, int]:
    """Take out the items that have a row; how many of these are replies, and how many errors.

    :raises OutputError: if a row is the reply to something else than its item asks.
    """
    if retry_errors:
        rows.drop(lambda row: row["error"] is not None and items.digest(row["id"]) is not None)
    answered = failed = 0
    for row in rows:
        digest = items.digest(row["id"])
        if digest is None:
            continue
        if row["error"] is not None:
            failed += 1
        elif row.get("digest", digest) == digest:
            answered += 1
        else:
            raise OutputError(
                f"In {rows.path}, the row of item {row['id']} is the reply to something else. "
                "Name another file, or take that row out"
            )
        items.remove(row["id"])
    return answered, failed


@asynccontextmanager
async def _writing(rows: Rows, bar: Bar) -> AsyncIterator[Callable[[Row], Awaitable[None]]]:
    """Gives what takes rows, while a task writes all that have come since it last did."""
    put, waiting = anyio.create_memory_object_stream[Row](MOST_WAITING)

    async def write() -> None:
        with anyio.CancelScope(shield=True), waiting:  # what was answered is kept in any case
            async for row in waiting:
                come = [row]
                with suppress(anyio.WouldBlock, anyio.EndOfStream):
                    while True:
                        come.append(waiting.receive_nowait())
                await to_thread.run_sync(rows.append, come)
                bar.add(come)

    async with task_group() as writer, put:
        writer.start_soon(write)
        yield put.send
