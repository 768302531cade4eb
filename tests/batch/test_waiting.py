"""A batch waits for a Space that is asleep, or out of quota, for as long as that takes."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest

import qwen_gradio._gradio.space
from qwen_gradio import (
    Qwen_Qwen_2_5_Max,
    RateLimitError,
    SpaceUnavailableError,
    StreamStatus,
    StreamTimeoutError,
)
from qwen_gradio.batch import Outcome, run
from qwen_gradio.batch._asking import Asker, _Question
from qwen_gradio.batch._attempt import Attempt
from qwen_gradio.batch._pace import MAX_RETRY_AFTER, MIN_RATE_LIMIT_PAUSE

from ..support.asking import on_asyncio
from ..support.batches import items_of, joins, rows
from ..support.fronts import JOIN, Endless, Forward, Front, Request, answer
from ..support.hubs import ASLEEP, Hub
from ..support.servers import ScriptedSpace, query

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qwen_gradio._gradio.space, "MIN_WAKING_PAUSE", 0.05)
    monkeypatch.setattr(qwen_gradio._gradio.space, "MAX_WAKING_PAUSE", 0.1)


@pytest.fixture
def asleep_after(scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Serve a hub whose Space falls asleep at that question, for some looks at it."""
    with ExitStack() as opened:

        def served(question: int, looks: int = 6) -> tuple[Hub, str]:
            class Drowsy(Hub):
                def __call__(self, request: Request) -> bytes | Forward | Endless:
                    if request.path == JOIN and request.seen == question:
                        self.stages = [*["SLEEPING"] * looks, "APP_STARTING", "RUNNING"]
                    return super().__call__(request)

            front = opened.enter_context(Front(hub := Drowsy("RUNNING"), scripted.url))
            hub.host = front.url
            monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", front.url)
            return hub, f"someone/{uuid.uuid4().hex}"

        yield served


class Watched:
    """An asker of a Space, the rows that it makes, and what it waited for."""

    def __init__(self, space: str, concurrency: int = 8, **options: Any) -> None:
        asked: Any = {"provider": Qwen_Qwen_2_5_Max, "space": space, "max_retries": 0, **options}
        self.asker = Asker(concurrency=concurrency, **asked)
        self.asker.on_wait = self.see
        self.waits: list[str] = []
        self.pauses: list[float] = []
        self.rows: list[Any] = []

    async def ask(self, *prompts: str) -> None:
        await self.asker.ask_all(items_of(prompts), self._put)

    def see(self, what: str) -> None:
        """Note a wait, and end a pause at once: nobody has an hour."""
        self.waits.append(what)
        if what.startswith("paused"):
            self.pauses.append(self.asker.pace.resumes_at - anyio.current_time())
            self.asker.pace.resumes_at = float("-inf")

    async def _put(self, row: Any) -> None:
        self.rows.append(row)


async def test_a_space_that_falls_asleep_during_a_batch_is_woken_and_asked_again(
    asleep_after: Any, out: Path
) -> None:
    _, space = asleep_after(20)
    prompts = [f"number {number}" for number in range(50)]
    assert await run(prompts, out, space=space) == Outcome(50, 50, 0)
    assert {row["reply"] for row in rows(out)} == set(prompts)


async def test_a_batch_reports_that_the_space_is_being_woken(asleep_after: Any) -> None:
    _, space = asleep_after(0)
    reported: list[StreamStatus] = []
    watched = Watched(space, on_status=reported.append)
    await watched.ask(*"abc")
    assert sorted(row["reply"] for row in watched.rows) == ["a", "b", "c"]
    assert watched.waits[0] == "The Space is asleep and is being woken"
    assert watched.waits[-1] == ""
    assert "waking" in {status.state for status in reported}


@on_asyncio
async def test_items_that_wait_for_a_space_share_their_looks_at_it(asleep_after: Any) -> None:
    hub, space = asleep_after(0, looks=10**6)
    looks: list[StreamStatus] = []

    def see(status: StreamStatus) -> None:
        looks.append(status)
        if len(looks) == 32 * 8:
            hub.stages = ["RUNNING"]

    await Watched(space, 32, on_status=see).ask(*[f"number {number}" for number in range(32)])
    woken = [request for request in hub.asked if request.path == "/config"]
    assert len(woken) < 32 * 4


@on_asyncio
async def test_an_item_whose_timeout_expires_while_the_space_is_woken_is_asked_again(
    asleep_after: Any,
) -> None:
    hub, space = asleep_after(1, looks=10**6)
    watched = Watched(space)
    await watched.ask("a")

    def wake(what: str) -> None:
        watched.see(what)
        if what.startswith("paused"):
            hub.stages = ["RUNNING"]
            watched.asker._options["timeout"] = None  # the machine may be busy

    watched.asker.on_wait = wake
    watched.asker._options["timeout"] = 2
    await watched.ask("b")
    assert [(row["reply"], row["attempts"]) for row in watched.rows] == [("a", 1), ("b", 2)]


async def test_a_space_that_wakes_while_another_server_answers_for_it_is_asked_again(
    scripted: ScriptedSpace,
) -> None:
    def behave(request: Request) -> bytes | Forward:
        return ASLEEP if request.path == JOIN and request.seen < 2 else Forward()

    with Front(behave, scripted.url) as front:
        watched = Watched(front.url, 1)
        await watched.ask("a", "b")
    assert [row["reply"] for row in watched.rows] == ["a", "b"]


@pytest.mark.parametrize("retry_after", [1200, MAX_RETRY_AFTER])
async def test_a_batch_pauses_for_as_long_as_the_space_asks(
    scripted: ScriptedSpace, retry_after: float
) -> None:
    slow_down = answer("429 Too Many Requests", Retry_After=f"{retry_after}")

    def behave(request: Request) -> bytes | Forward:
        return slow_down if request.path == JOIN and request.seen == 0 else Forward()

    with Front(behave, scripted.url) as front:
        watched = Watched(front.url)
        started = time.time()
        await watched.ask("a", "b")
        ended = time.time()
    assert watched.pauses == [pytest.approx(retry_after, abs=ended - started + 0.1)]
    clocks = [time.localtime(started + n + retry_after) for n in range(int(ended - started) + 2)]
    paused = {f"paused until {time.strftime('%H:%M:%S', clock)}: limit reached" for clock in clocks}
    assert watched.waits[0] in paused
    assert sorted(row["reply"] for row in watched.rows) == ["a", "b"]


async def test_a_rate_limit_without_a_time_is_waited_for_by_the_minute(
    scripted: ScriptedSpace,
) -> None:
    def behave(request: Request) -> bytes | Forward:
        is_limited = request.path == JOIN and request.seen < 3
        return answer("429 Too Many Requests") if is_limited else Forward()

    with Front(behave, scripted.url) as front:
        watched = Watched(front.url, 1)
        await watched.ask("a")
    first, second, third = watched.pauses
    assert first >= 0.99 * MIN_RATE_LIMIT_PAUSE
    assert third > 1.2 * second > 1.4 * first
    assert [(row["reply"], row["attempts"]) for row in watched.rows] == [("a", 4)]


async def test_a_quota_that_ends_during_a_reply_does_not_fail_the_item(
    scripted: ScriptedSpace,
) -> None:
    watched = Watched(scripted.url)
    error = ["Your GPU quota is spent. Try again in 0:30:00", "Error"]

    def give_more(what: str) -> None:
        watched.see(what)
        watched.asker.stream = lambda *_: ask_as_usual([{"role": "user", "content": "a"}])  # type: ignore[method-assign]

    ask_as_usual = watched.asker.stream
    watched.asker.on_wait = give_more
    await watched.ask(query(say=["partial"], finish="fail", error=error))
    assert [row["reply"] for row in watched.rows] == ["a"]
    assert watched.pauses == [pytest.approx(1800, abs=10)]


async def test_a_wait_of_more_than_an_hour_ends_the_run_once_what_is_asked_has_its_row(
    scripted: ScriptedSpace,
) -> None:
    def behave(request: Request) -> bytes | Forward:
        is_third = request.path == JOIN and request.seen == 2
        return answer("429 Too Many Requests", Retry_After="3601") if is_third else Forward()

    with Front(behave, scripted.url) as front:
        watched = Watched(front.url, 3)
        with pytest.raises(
            RateLimitError, match=r"can be asked again only at .* to resume"
        ) as caught:
            await watched.ask(*[query(say=["x", "y"], every=0.5) for _ in range(10)])
        assert joins(front) == 3
    assert [row["reply"] for row in watched.rows] == ["xy", "xy"]
    assert caught.value.retry_after == 3601
    assert watched.waits == []


@pytest.mark.parametrize("retry_after", ["1e300", "inf"])
async def test_a_wait_beyond_all_dates_ends_the_run(
    scripted: ScriptedSpace, retry_after: str
) -> None:
    limit = answer("429 Too Many Requests", Retry_After=retry_after)
    with Front(lambda request: limit if request.path == JOIN else Forward(), scripted.url) as front:
        with pytest.raises(RateLimitError, match="can be asked again only at"):
            await Watched(front.url).ask("a")


async def test_a_space_that_does_not_wake_ends_the_run(
    asleep_after: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qwen_gradio._gradio.space, "MAX_WAKING_TIME", 0.5)
    _, space = asleep_after(0, looks=10**6)
    with pytest.raises(SpaceUnavailableError, match=r"After 0\.5 seconds: .* is asleep"):
        await Watched(space).ask(*"abc")


async def test_items_that_waited_in_a_queue_are_asked_again_and_fewer_at_once(
    scripted: ScriptedSpace,
) -> None:
    asker = Asker(provider=Qwen_Qwen_2_5_Max, space=scripted.url, max_retries=0)
    queued = Attempt(error=StreamTimeoutError("late"), began=anyio.current_time(), state="queued")
    begun = Attempt(error=StreamTimeoutError("late"), began=anyio.current_time())
    (item,) = items_of(["a"])
    assert asker._is_worth_a_retry(_Question(item), queued)
    assert not asker._is_worth_a_retry(_Question(item), begun)
    asker._slow_down(queued, 7)
    assert asker.pace.limit < 8
