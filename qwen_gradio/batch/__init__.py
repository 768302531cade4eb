"""Ask many questions, and keep every answer. An aborted run can be resumed."""

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

MAX_UNWRITTEN = 100
"""How many rows may wait to be written before asking pauses."""


@dataclass(frozen=True)
class Outcome:
    """The state of a batch after a run: how many `items` it has, `answered` and `failed` ones."""

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
    """Ask every prompt that has no row in `out` yet, and write its row.

    If a run is stopped or killed, the same call resumes it. Each row is written, and on disk, as
    soon as its reply is complete; rows are in the order in which the replies came.

    When the Space is full, limits the rate or cannot be reached, all items pause together, longer
    each time, before they are asked again.

    :param prompts: a file, or the prompts themselves. A file is JSON Lines (`.jsonl`, `.ndjson`,
        `.json`), CSV (`.csv`, `.tsv`) or else text with one prompt per line. An item is a text, or
        has `prompt` or `messages`, and may have `system` and `id`. The default id is the number of
        its line.
    :param out: the output file: a `Row` per line, as JSON.
    :param concurrency: how many items are asked at once.
    :param system: the system prompt of items without one.
    :param retry_errors: whether to remove the rows of failed items, and ask these again.
    :param max_retries: how often an item is asked again if the Space did not accept it.
    :param progress: whether to show a progress bar, on a terminal or in a notebook.
    :param options: other arguments of `Provider.create_async_generator`: space, api_key, timeout,
        ...
    :raises InvalidItemsError: if items cannot be asked, with their numbers; before any is asked.
    :raises OutputError: if another run is writing to `out`, or it holds anything but rows, or the
        reply to another question than an item's.
    :raises QwenGradioError: if the Space cannot be asked at all. An error that concerns one item is
        in its row instead.
    """
    out = Path(out)
    if isinstance(prompts, (str, Path)) and out.exists() and out.samefile(prompts):
        raise OutputError(f"{out} cannot be both the input and the output")
    asker = Asker(provider, model, options, max_retries, concurrency)
    with ExitStack() as opened:
        opened.enter_context(stoppable())
        history = options.get("history", "flat")
        read = partial(Items, prompts, system, history, _cancellation_check(opened))
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
"""`run` for callers that cannot await, also if an event loop is already running."""


def _cancellation_check(opened: ExitStack) -> Callable[[], None]:
    """Return a check for a thread that may be abandoned, which raises once the stack is closed.

    anyio's own `check_cancelled` does not notice that an asyncio task was cancelled.
    """
    closed = Event()
    opened.callback(closed.set)

    def check() -> None:
        if closed.is_set():
            raise RuntimeError("The run was cancelled")

    return check


def _resume(items: Items, rows: Rows, retry_errors: bool) -> tuple[int, int]:
    """Remove the items that have a row, and return how many of them were answered and failed.

    :raises OutputError: if a row is the reply to a question that its item does not ask.
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
                f"In {rows.path}, the row of item {row['id']} is the reply to another question. "
                "Choose another file, or remove that row"
            )
        items.remove(row["id"])
    return answered, failed


@asynccontextmanager
async def _writing(rows: Rows, bar: Bar) -> AsyncIterator[Callable[[Row], Awaitable[None]]]:
    """Give a function that takes rows, while a task writes them, as many at a time as are ready."""
    put, waiting = anyio.create_memory_object_stream[Row](MAX_UNWRITTEN)

    async def write() -> None:
        with anyio.CancelScope(shield=True), waiting:  # keep all that was answered
            async for row in waiting:
                ready = [row]
                with suppress(anyio.WouldBlock, anyio.EndOfStream):
                    while True:
                        ready.append(waiting.receive_nowait())
                await to_thread.run_sync(rows.append, ready)
                bar.add(ready)

    async with task_group() as writer, put:
        writer.start_soon(write)
        yield put.send
