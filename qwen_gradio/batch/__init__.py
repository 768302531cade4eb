"""Ask many questions, and keep every answer. An aborted run can be resumed.

Items are read from JSON Lines or an array (`.jsonl`, `.ndjson`, `.json`), CSV (`.csv`, `.tsv`),
else a text file with a prompt on each line, or from any iterable. An item is a text, or has
`prompt` or `messages`, and may have `id` and `system`; without an `id` it is known by its line,
so give items an `id` where lines may move. Wrong lines are all reported, with their numbers,
before anything is sent.

Written is JSON Lines, a row for each item as soon as its reply is complete, and synced to disk:
`id`, `reply`, `error` and `why` and `partial` if it failed, `attempts`, `first_fragment_seconds`,
`seconds`, `characters`, `space`, `model`, `digest`. However often a run is killed, there is one
row for each item in the end. Where a row is the reply to another question, or to another Space,
model or settings, which `digest` shows, the run stops and offers the choice.

How many items are asked at once adapts to what the Space accepts: fewer after a full queue,
slowly more after answers. At a rate limit or a GPU quota all pause, for as long as the Space
says, or for a minute and then longer; beyond an hour the run completes what is being asked,
stops, and says when to go on. Items that had received nothing are asked again, and a Space that
sleeps or starts is waited for. A run ends after `give_up_after` seconds without any answer, or if
the Space cannot be reached from the start, denies access or offers no chat, and can be resumed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread

from .._models import to_provider
from .._options import BatchOptions, require
from .._tasks import stoppable, task_group, without_await
from ..errors import OutputError
from ..provider import Provider
from ._asking import Asker
from ._bar import Bar
from ._items import Items, Prompts
from ._rows import Row, Rows, output_path

if TYPE_CHECKING:
    from typing_extensions import Unpack

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
    out: str | PathLike[str],
    *,
    concurrency: int = 8,
    system: str | None = None,
    model: str | None = None,
    provider: type[Provider] | str | None = None,
    retry_errors: bool = False,
    keep: bool | None = None,
    max_retries: float = 8,
    give_up_after: float | None = 300.0,
    progress: bool = True,
    **options: Unpack[BatchOptions],
) -> Outcome:
    """Ask every prompt that has no row in `out` yet, and write its row.

    If a run is stopped or killed, the same call resumes it. Each row is written, and on disk, as
    soon as its reply is complete; rows are in the order in which the replies came.

    When the Space is full, fewer items are asked at once, until it accepts them all. When it limits
    the rate, when a GPU quota is spent, and when it cannot be reached, all pause: for as long as
    the Space says, else longer each time. One that is asleep is woken and waited for.

    :param prompts: a file, or the prompts themselves. A file is JSON Lines or an array (`.jsonl`,
        `.ndjson`, `.json`), CSV (`.csv`, `.tsv`) or else text with one prompt per line. An item is
        a text, or has `prompt` or `messages`, and may have `system` and `id`. The default id is the
        number of its line, or in an array its position.
    :param out: the output file: a `Row` per line, as JSON.
    :param concurrency: how many items are asked at once, at most.
    :param system: the system prompt of items without one.
    :param model: a model of any provider's; by default, that of `provider`, else Qwen3.
    :param provider: a provider, or its name; by default, the model's own.
    :param retry_errors: whether to ask failed items again. A row stays until there is a new one.
    :param keep: what to do with replies in `out` to other messages, or from another Space, model,
        `inputs` or sampling: True keeps them, False asks again, and None raises an error.
    :param max_retries: how often an item is asked again if its request was lost, or rejected while
        others are answered. Those that a full queue or a rate limit rejects are always asked again.
    :param give_up_after: seconds without any answer after which the run ends; None sets no limit.
    :param progress: whether to show a progress bar, on a terminal or in a notebook.
    :param options: other arguments of `Provider.create_async_generator`: space, api_key, timeout,
        ...
    :raises TypeError, ValueError: if a parameter is wrong.
    :raises InvalidItemsError: if items cannot be asked, with their numbers; before any is asked.
    :raises OutputError: if another run is writing to `out`, if it holds anything but rows, or if it
        has other replies and `keep` is None.
    :raises SpaceUnavailableError: if nothing was answered for `give_up_after`.
    :raises RateLimitError: if the Space accepts nothing for more than an hour, with `retry_after`.
    :raises QwenGradioError: if the Space cannot be asked at all. An error that concerns one item is
        in its row instead.
    """
    require(
        prompts=prompts,
        out=out,
        system=system,
        retry_errors=retry_errors,
        keep=keep,
        progress=progress,
    )
    rows = Rows(output_path(Path(out)))
    if isinstance(prompts, (str, PathLike)) and rows.path.exists() and rows.path.samefile(prompts):
        raise OutputError(f"{out} cannot be both the input and the output")
    provider = to_provider(provider, model)
    asker = Asker(provider, model, options, max_retries, give_up_after, concurrency)
    with ExitStack() as opened:
        opened.enter_context(stoppable())
        read = partial(Items, prompts, system, options, _cancellation_check(opened))
        items = opened.enter_context(
            closing(await to_thread.run_sync(read, abandon_on_cancel=True))
        )
        total = len(items)
        await to_thread.run_sync(opened.enter_context, rows)

        def may_be_replaced(row: dict[str, Any]) -> bool:
            is_failed = row["error"] is not None
            return is_failed or (keep is False and items.digest(row["id"]) is not None)

        await to_thread.run_sync(rows.drop_replaced, may_be_replaced)
        resume = partial(_resume, items, rows, asker, retry_errors, keep)
        answered, failed = await to_thread.run_sync(resume)
        if retry_errors or keep is False:
            opened.callback(rows.drop_replaced, may_be_replaced)
        bar = opened.enter_context(Bar(total, answered, failed, asker.pace, progress))
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


def _resume(
    items: Items, rows: Rows, asker: Asker, retry_errors: bool, keep: bool | None
) -> tuple[int, int]:
    """Remove the items that keep their row, and return how many of them were answered and failed.

    :raises OutputError: if a row is another reply than a new one would be, and `keep` is None.
    """
    answered = failed = 0
    for row in rows:
        digest = items.digest(row["id"])
        if digest is None:
            continue
        is_failed = row["error"] is not None
        asked = {"digest": digest, "space": asker.space}
        asked |= {} if asker.model is None else {"model": asker.model}
        others = [name for name, value in asked.items() if row.get(name, value) != value]
        if (is_failed and retry_errors) or (others and keep is False):
            continue
        if others and not is_failed and keep is None:
            raise OutputError(_difference(rows.path, row, others))
        answered += not is_failed
        failed += is_failed
        items.remove(row["id"])
    return answered, failed


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
