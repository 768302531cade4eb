"""How many items a batch asks at once follows from what became of those before."""

from __future__ import annotations

from itertools import pairwise

import pytest

from qwen_gradio.batch._pace import MAX_GROWTH, MIN_PAUSE, MIN_RATE_LIMIT_PAUSE, MIN_ROUNDS, Pace


def test_a_full_queue_lowers_the_limit_to_what_the_space_accepted() -> None:
    pace = Pace(64)
    for running in range(63, 2, -1):  # 61 of the first 64 are rejected
        pace.on_queue_full(asked=0, now=1, running=running)
    assert pace.limit == 3
    assert pace.resumes_at < 0  # an item that ends makes room, without a pause


def test_answers_raise_the_limit_by_one_per_round() -> None:
    pace = Pace(64)
    pace.on_queue_full(asked=0, now=1, running=3)
    limits = []
    for second in range(2, 14):
        pace.on_answer(asked=second, now=second + 1)
        limits.append(pace.limit)
    assert limits == sorted(limits)
    assert (limits[0], limits[3], limits[-1]) == (3, 4, 5)


def test_the_limit_is_never_more_than_the_concurrency_or_less_than_one() -> None:
    pace = Pace(2)
    pace.on_answer(asked=0, now=1)
    assert pace.limit == 2
    for second in range(2, 10):
        pace.on_queue_full(asked=second, now=second, running=1)
        assert pace.limit == 1


def test_an_overload_is_counted_once() -> None:
    pace = Pace(10)
    pace.on_queue_full(asked=0, now=1, running=9)
    pace.on_queue_full(asked=0, now=1, running=8)
    assert pace.limit == 7
    assert pace.pause(asked=0, now=1) is None
    pace.on_answer(asked=0, now=2)
    assert pace.limit == 7


def test_no_silence_counts_while_nothing_is_asked() -> None:
    pace = Pace(1)
    pace.start(now=0)
    pace.on_answer(asked=0, now=1)
    pace.rest()
    pace.start(now=1000)
    for _ in range(MIN_ROUNDS):
        pace.on_miss()
    assert pace.silence(now=1002) == 2


@pytest.mark.parametrize("first", [MIN_PAUSE, MIN_RATE_LIMIT_PAUSE])
def test_pauses_grow_until_there_is_an_answer(first: float) -> None:
    pace = Pace(8)
    now = 0.0
    pauses = []
    for _ in range(20):
        pauses.append(pace.pause(asked=now, now=now, first=first) or 0)
        assert (pace.limit, pace.resumes_at) == (1, now + pauses[-1])
        now = pace.resumes_at
    assert first <= pauses[0] <= 1.5 * first
    assert all(later >= 4 / 3 * sooner for sooner, later in pairwise(pauses[:6]))
    assert max(pauses) <= 1.5 * MAX_GROWTH * first
    pace.on_answer(asked=now, now=now)
    assert (pace.pause(asked=now, now=now, first=first) or 0) <= 1.5 * first


def test_a_pause_is_as_long_as_the_space_asks_for() -> None:
    assert Pace(8).pause(asked=0, now=0, retry_after=100) == 100


def test_after_a_pause_the_limit_rises_fast_to_nearly_what_it_was() -> None:
    pace = Pace(64)
    for second in range(3):
        pace.pause(asked=second, now=second)
    assert pace.limit == 1
    for _ in range(43):
        pace.on_answer(asked=3, now=4)
    assert pace.limit == 44
    pace.on_answer(asked=3, now=4)
    pace.on_answer(asked=3, now=4)
    assert pace.limit == 45  # and slowly from there


def test_a_silence_counts_after_several_rounds() -> None:
    pace = Pace(8)
    pace.start(10)
    for number in range(MIN_ROUNDS):
        assert pace.silence(400) == 0
        pace.pause(asked=number, now=number)
    assert pace.silence(400) == 390
    pace.on_answer(asked=0, now=300)  # by an item that was asked before
    assert pace.silence(400) == 100
    pace.on_answer(asked=300, now=300)
    assert pace.silence(400) == 0


@pytest.mark.parametrize("at_once", [1, 8, 64])
def test_the_limit_settles_near_what_a_space_accepts(at_once: int) -> None:
    """A Space works on one item at a time, a second each, while two may wait."""
    pace = Pace(at_once)
    asked: list[int] = []
    rejected = answered = idle = 0
    for now in range(1000):
        while len(asked) < pace.limit:
            if len(asked) == 3:
                pace.on_queue_full(asked=now, now=now, running=3)
                rejected += 1
                break
            asked.append(now)
        if asked:
            pace.on_answer(asked=asked.pop(0), now=now + 1)
            answered += 1
        else:
            idle += 1
    assert (answered, idle) == (1000, 0)
    assert rejected < 350
