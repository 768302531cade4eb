"""One reply's state: what can happen, in any order, and what a reader then sees."""

from __future__ import annotations

import gc
import math
import threading
from collections import deque
from threading import Thread

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import qwen_gradio
from qwen_gradio import GenerationError, QwenGradioError, StreamInterruptedError, StreamTimeoutError
from qwen_gradio._reply import (
    MAX_UNREAD,
    End,
    Progress,
    Reasoning,
    ReplyState,
    StreamStatus,
    Update,
)

SPACE = "owner/name"


def opened(timeout: float | None = None, stream_timeout: float | None = None) -> ReplyState:
    """A reply that was asked at the time 0."""
    reply = ReplyState(SPACE, timeout, stream_timeout)
    assert reply.start(0)
    return reply


def read_all(reply: ReplyState) -> list[Update]:
    """All updates that can be read now, the end included."""
    found: list[Update] = []
    while (update := reply.read(0)) is not None:
        found.append(update)
        if isinstance(update, End):
            break
    return found


def time_out(reply: ReplyState, now: float) -> None:
    """What a reader does once it has waited for as long as it was asked to."""
    reply.time_out(now)
    reply.read(now)


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whichever order, text is read once and in order, or an error is."""

    def __init__(self) -> None:
        super().__init__()
        self.reply = ReplyState(SPACE, timeout=100, stream_timeout=10)
        self.now = 0.0
        self.put: list[str] = []
        self.read: list[str] = []
        self.stops = 0
        self.reply.on_close = self.stop

    def stop(self) -> None:
        self.stops += 1

    @rule(seconds=st.floats(0, 60))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def it_is_asked(self) -> None:
        was_new = self.reply.name == "new"
        assert self.reply.start(self.now) is was_new

    @rule(update=st.text(min_size=1) | st.builds(Reasoning, st.text(min_size=1)))
    def an_update_arrives(self, update: str | Reasoning) -> None:
        if self.reply.name != "open" or isinstance(self.last_put, End):
            return  # no thread asks
        self.last_put = update
        self.reply.put(update)
        if isinstance(update, str):
            self.put.append(update)
            self.reply.text += update

    last_put: Update | None = None

    @rule(error=st.none() | st.builds(GenerationError, st.just("failed")))
    def the_thread_ends(self, error: QwenGradioError | None) -> None:
        if self.reply.name == "open" and not isinstance(self.last_put, End):
            self.last_put = End(error)
            self.reply.put(self.last_put)
            self.reply.on_close = None

    @rule()
    def the_reader_reads(self) -> None:
        if self.reply.name == "new":
            return
        before = self.reply.name
        raised: QwenGradioError | None
        try:
            update = self.reply.read(self.now)
        except QwenGradioError as error:
            raised = error
        else:
            raised = None
        if raised is not None:
            assert self.reply.name == "closed"
            assert (raised.space, raised.partial) == (SPACE, "".join(self.put))
            assert isinstance(raised, StreamInterruptedError) is (before == "closed")
            return
        if isinstance(update, str):
            self.read.append(update)
        if isinstance(update, End):
            assert self.reply.name == "complete"
            assert self.read == self.put

    @rule()
    def the_reader_waits_in_vain(self) -> None:
        if self.reply.name != "open" or self.reply.has_update:
            return
        self.now += self.reply.wait_with(lambda: None, self.now)
        with pytest.raises(StreamTimeoutError):
            time_out(self.reply, self.now)

    @rule()
    def the_caller_closes(self) -> None:
        self.reply.close()
        assert self.reply.name in ("complete", "closed")

    @invariant()
    def text_is_read_once_and_in_order(self) -> None:
        assert self.read == self.put[: len(self.read)]

    @invariant()
    def the_worker_is_stopped_once_at_most(self) -> None:
        assert self.stops <= 1
        assert not self.stops or self.reply.name == "closed"


TestAnyOrder = AnyOrder.TestCase


def test_a_complete_reply_has_no_timeout_however_slow_its_reader_is() -> None:
    reply = opened(timeout=5)
    for update in ("a", "b", End()):
        reply.put(update)
    assert [reply.read(100), reply.read(200)] == ["a", "b"]
    assert reply.read(300) == End()


def test_a_reply_that_still_grows_ends_at_its_timeout() -> None:
    reply = opened(timeout=5)
    reply.put("a")
    reply.text = "a"
    with pytest.raises(StreamTimeoutError, match=r"timeout=5 seconds") as caught:
        reply.read(5)
    assert caught.value.partial == "a"
    with pytest.raises(StreamInterruptedError, match="closed before its end"):
        reply.read(5)


@pytest.mark.parametrize(
    ("timeout", "stream_timeout", "seconds", "named"),
    [(5, 2, 2, "stream_timeout=2 s"), (1.5, 2, 1.5, " timeout=1.5 s"), (None, 2, 2, "stream_")],
)
def test_the_limit_that_has_passed_is_named(
    timeout: float | None, stream_timeout: float, seconds: float, named: str
) -> None:
    reply = opened(timeout, stream_timeout)
    assert reply.wait_with(lambda: None, 0) == seconds
    with pytest.raises(StreamTimeoutError, match=named):
        time_out(reply, seconds)


def test_without_limits_a_reader_waits_for_ever() -> None:
    assert opened().wait_with(lambda: None, 0) == math.inf


def test_what_arrives_between_looking_and_waiting_wakes_the_reader() -> None:
    reply = opened()
    woken = threading.Event()
    assert reply.read(0) is None
    reply.put("here")
    reply.wait_with(woken.set, 0)
    assert woken.is_set()


def test_closing_wakes_a_reader_and_drops_what_was_not_read() -> None:
    reply = opened()
    woken = threading.Event()
    reply.wait_with(woken.set, 0)
    reply.close()
    assert woken.is_set()
    reply.put("too late")
    with pytest.raises(StreamInterruptedError):
        reply.read(0)


def test_many_updates_wake_a_waiting_reader_once() -> None:
    reply = opened()
    woken: list[None] = []
    reply.wait_with(lambda: woken.append(None), 0)
    for number in range(100):
        reply.put(str(number))
    assert len(woken) == 1


def test_updates_arrive_in_order_from_another_thread() -> None:
    reply = opened()
    sent = [str(number) for number in range(10_000)]
    updates: list[Update] = [*sent, End()]
    thread = Thread(target=lambda: deque(map(reply.put, updates)))
    thread.start()
    thread.join()
    assert read_all(reply) == [*sent, End()]


def test_statuses_that_nobody_reads_are_limited_and_lose_no_text() -> None:
    reply = opened()
    for number in range(10 * MAX_UNREAD):
        reply.put(StreamStatus("log", log=str(number)))
        reply.put(StreamStatus("queued", position=number))
        if number % MAX_UNREAD == 0:
            reply.put(str(number))
    read = read_all(reply)
    assert len(read) < MAX_UNREAD + 25
    assert [update for update in read if isinstance(update, str)] == [
        str(number) for number in range(0, 10 * MAX_UNREAD, MAX_UNREAD)
    ]
    assert read[-1] == StreamStatus("queued", position=10 * MAX_UNREAD - 1)


@given(text=st.text(), reasoning=st.text())
def test_a_question_is_asked_again_only_before_anything_has_arrived(
    text: str, reasoning: str
) -> None:
    reply = opened()
    assert reply.is_unanswered
    reply.text, reply.reasoning = text, reasoning
    assert reply.is_unanswered is not (bool(text) or bool(reasoning))
    reply.close()
    assert not reply.is_unanswered


def test_an_error_that_was_raised_is_freed_with_its_reader() -> None:
    gc.disable()
    try:
        freed = threading.Event()

        class FailedError(GenerationError):
            def __del__(self) -> None:
                freed.set()

        reply = opened()
        reply.put(End(FailedError("no")))
        with pytest.raises(FailedError):
            reply.read(0)
        assert freed.is_set()
    finally:
        gc.enable()


@pytest.mark.anyio
async def test_a_closed_loop_is_not_woken(anyio_backend: str) -> None:
    from qwen_gradio._stream import _waker

    reply = opened()

    async def wait_a_moment() -> None:
        reply.wait_with(_waker(anyio.Event()), 0)

    await anyio.to_thread.run_sync(lambda: anyio.run(wait_a_moment, backend=anyio_backend))
    reply.put("too late")
    assert reply.read(0) == "too late"


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (StreamStatus("queued"), "In the queue"),
        (StreamStatus("queued", 2), "In the queue: 2"),
        (StreamStatus("queued", 2, 5), "In the queue: 2 of 5"),
        (StreamStatus("queued", 2, 5, 7.6), "In the queue: 2 of 5, about 8 s to go"),
        (StreamStatus("processing"), "The Space has begun"),
        (
            StreamStatus("progress", progress=(Progress(None, None, None, 0.5, None),)),
            "Working 50%",
        ),
        (StreamStatus("log", log="warming up"), "warming up"),
        (StreamStatus("waking", log="The Space is starting"), "The Space is starting"),
        (StreamStatus("retrying", retry_in=2.0, log="full"), "full; asking again in 2 s"),
    ],
)
def test_a_status_update_reads_as_a_line(status: StreamStatus, line: str) -> None:
    assert str(status) == line


def test_the_former_name_of_a_status_warns_and_works() -> None:
    with pytest.warns(DeprecationWarning, match="now StreamStatus"):
        assert qwen_gradio.StatusUpdate is StreamStatus
