"""A batch asks as much at once as its Space accepts, and stops when that is nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import qwen_gradio.batch._asking
from qwen_gradio import Qwen_Qwen_2_5_Max, SpaceUnavailableError
from qwen_gradio.batch import Outcome, run, run_sync
from qwen_gradio.batch._asking import Asker

from ..support.batches import items_of, joins, rows
from ..support.fronts import FULL, JOIN, Forward, Front, Request, answer
from ..support.servers import NOBODY, ScriptedSpace, query

pytestmark = pytest.mark.anyio


async def test_when_the_space_is_full_all_items_pause_together(scripted: ScriptedSpace) -> None:
    pauses: list[float] = []
    asked: list[float] = []
    done: Counter[Any] = Counter()

    def behave(request: Request) -> bytes | Forward:
        if request.path != JOIN:
            return Forward()
        asked.append(time.monotonic())
        full = len(asked) in (10, 30)
        return answer("503 Full", FULL, Retry_After="1") if full else Forward()

    async def put(row: Any) -> None:
        done[row["id"], row["reply"], row["attempts"]] += 1

    with Front(behave, scripted.url) as front:
        asker = Asker(
            provider=Qwen_Qwen_2_5_Max,
            space=front.url,
            max_retries=1,
            give_up_after=None,
            concurrency=4,
        )

        def see(what: str) -> None:
            if what:
                pauses.append(time.monotonic())

        asker.on_wait = see
        items = items_of([f"number {number}" for number in range(50)])
        await asker.ask_all(items, put)
    assert len(pauses) == 2
    for pause in pauses:
        meanwhile = [moment for moment in asked if pause + 0.01 < moment < pause + 0.99]
        assert len(meanwhile) < 4  # those that were already running
    assert sum(done.values()) == 50
    assert sorted(attempts for _, _, attempts in done)[-3:] == [1, 2, 2]


@pytest.mark.parametrize(
    "response",
    [
        answer("429 Slow down", Retry_After="0"),
        answer("401 Who?"),
        answer("502 Bad Gateway"),
        answer("404 Not Found"),
    ],
    ids=["429", "401", "502", "another app"],
)
async def test_items_survive_a_space_that_is_gone_for_a_while(
    scripted: ScriptedSpace, out: Path, response: bytes
) -> None:
    gone_from = float("inf")

    def behave(request: Request) -> bytes | Forward:
        nonlocal gone_from
        if request.path == JOIN and request.seen == 8:
            gone_from = time.monotonic()  # one of the first eight has its reply by then
        if not 0 <= time.monotonic() - gone_from < 0.5:
            return Forward()
        if request.path == "/config" and b"404" in response:  # an app without a chat
            return answer(
                "200 OK", '{"api_prefix": "/gradio_api", "dependencies": [], "components": []}'
            )
        return response if request.path == JOIN else Forward()

    with Front(behave, scripted.url) as front:
        prompts = [f"number {number}" for number in range(20)]
        assert await run(prompts, out, space=front.url) == Outcome(20, 20, 0)
        assert joins(front) < 80  # retries are not as frequent as the network allows


async def test_a_space_that_cannot_be_asked_at_all_ends_the_run(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qwen_gradio.batch._asking, "MIN_PAUSE", 0.05)
    prompts = [f"{number}" for number in range(100)]
    with pytest.raises(SpaceUnavailableError, match=r"nobody\.invalid"):
        await run(prompts, out, space="http://nobody.invalid")
    assert rows(out) == []
    with Front(lambda request: answer("404 Not Found")) as front:
        with pytest.raises(SpaceUnavailableError):
            await run(prompts, out, space=front.url)
        assert len(front.requests) <= 8
    with pytest.raises(SpaceUnavailableError, match="refused"):
        await run(prompts, out, space=NOBODY)
    assert rows(out) == []


@pytest.fixture(scope="module")
def narrow(server: None) -> Iterator[ScriptedSpace]:
    """A Space that answers one question at a time, while two may wait."""
    space = ScriptedSpace("6", "messages", "--at-once", "1", "--queue", "2")
    yield space
    space.close()


@pytest.mark.slow
@pytest.mark.parametrize("concurrency", [1, 8, 64])
def test_a_space_with_a_short_queue_answers_every_item(
    narrow: ScriptedSpace, out: Path, concurrency: int
) -> None:
    prompts = [query(say=[f"number {number}"], every=0.1) for number in range(30)]
    outcome = run_sync(prompts, out, space=narrow.url, concurrency=concurrency, max_retries=0)
    assert outcome == Outcome(30, 30, 0)
    assert {row["id"]: row["reply"] for row in rows(out)} == {
        number + 1: f"number {number}" for number in range(30)
    }


def test_items_that_had_received_nothing_are_asked_again_when_the_space_restarts(
    scripted: ScriptedSpace, out: Path
) -> None:
    def behave(request: Request) -> Forward:
        is_cut_off = request.path.endswith("/queue/data") and 2 <= request.seen < 6
        return Forward(limit=0 if is_cut_off else None)

    with Front(behave, scripted.url) as front:
        prompts = [f"number {number}" for number in range(10)]
        assert run_sync(prompts, out, space=front.url, concurrency=4) == Outcome(10, 10, 0)
    assert max(row["attempts"] for row in rows(out)) > 1


def test_a_space_that_restarts_before_its_first_reply_is_asked_again(
    scripted: ScriptedSpace, out: Path
) -> None:
    def behave(request: Request) -> bytes | Forward:
        if request.path.endswith("/queue/data"):
            return Forward(limit=None if request.seen else 0)
        return answer("404 Not Found") if request.path == JOIN and request.seen == 1 else Forward()

    with Front(behave, scripted.url) as front:
        assert run_sync(["a", "b"], out, space=front.url, concurrency=1) == Outcome(2, 2, 0)


def test_an_item_whose_request_is_always_lost_fails(scripted: ScriptedSpace, out: Path) -> None:
    def behave(request: Request) -> Forward:
        return Forward(limit=0 if request.path.endswith("/queue/data") else None)

    with Front(behave, scripted.url) as front:
        assert run_sync(["a"], out, space=front.url, max_retries=1) == Outcome(1, 0, 1)
    assert [(row["error"], row["attempts"]) for row in rows(out)] == [("StreamInterruptedError", 2)]


def test_an_item_that_alone_is_rejected_fails(scripted: ScriptedSpace, out: Path) -> None:
    def behave(request: Request) -> bytes | Forward:
        is_second_item = request.path == JOIN and request.seen in (1, 3)
        return answer("418 I'm a teapot") if is_second_item else Forward()

    with Front(behave, scripted.url) as front:
        outcome = run_sync([*"abcde"], out, space=front.url, concurrency=1, max_retries=1)
    assert outcome == Outcome(5, 4, 1)
    failed = [(row["id"], row["attempts"]) for row in rows(out) if row["error"]]
    assert failed == [(2, 2)]


@pytest.mark.parametrize("items", [["no"], ["no", "b", "c"], ["a", "no", "c"], ["a", "b", "no"]])
def test_an_item_that_the_app_does_not_take_fails_wherever_it_is(
    picky: ScriptedSpace, out: Path, items: list[str]
) -> None:
    rejected = items.index("no") + 1
    assert run_sync(items, out, space=picky.url, concurrency=1) == Outcome(
        len(items), len(items) - 1, 1
    )
    (failed,) = [row for row in rows(out) if row["error"]]
    assert (failed["id"], failed["error"], failed["attempts"]) == (rejected, "GenerationError", 1)
    assert "No is no question" in failed["why"]


@pytest.mark.parametrize("status", ["404 Not Found", "503 Full", "429 Slow down"])
def test_a_space_that_no_longer_answers_ends_the_run(
    scripted: ScriptedSpace, out: Path, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qwen_gradio.batch._asking, "MIN_RATE_LIMIT_PAUSE", 0.1)

    def behave(request: Request) -> bytes | Forward:
        return answer(status) if request.path == JOIN and request.seen >= 3 else Forward()

    with Front(behave, scripted.url) as front:
        prompts = [f"number {number}" for number in range(40)]
        with pytest.raises(SpaceUnavailableError, match="Run it again to resume"):
            run_sync(prompts, out, space=front.url, concurrency=2, give_up_after=0.5)
        assert joins(front) < 20
        assert [row["error"] for row in rows(out)] == [None] * 3
        front.behave = lambda request: Forward()
        assert run_sync(prompts, out, space=front.url) == Outcome(40, 40, 0)


def test_a_space_that_accepts_items_and_never_answers_ends_the_run(
    scripted: ScriptedSpace, out: Path
) -> None:
    hangs = [query(say=["x"], every=1) for _ in range(20)]
    with pytest.raises(SpaceUnavailableError, match="did not complete its reply"):
        run_sync(hangs, out, space=scripted.url, timeout=0.3, concurrency=1, give_up_after=0.5)
    assert {row["error"] for row in rows(out)} == {"StreamTimeoutError"}
    assert len(rows(out)) < 20


@pytest.mark.parametrize("name", ["concurrency", "max_retries", "give_up_after"])
def test_wrong_limits_are_rejected(out: Path, name: str) -> None:
    wrongs: list[tuple[Any, Any]] = [
        (-1, ValueError),
        (float("nan"), (TypeError, ValueError)),
        ("8", TypeError),
    ]
    for wrong, error in wrongs:
        with pytest.raises(error, match=name):
            run_sync(["a"], out, space=NOBODY, **{name: wrong})
    assert not out.exists()
