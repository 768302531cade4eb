"""What a reply costs its thread, next to the same two requests made with httpx alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from statistics import median
from threading import Thread
from typing import Any

import httpx

from qwen_gradio import Qwen_Qwen_2_5_Max, generate_session_hash
from qwen_gradio._worker import Worker

from .space import question

TIMES = 60


def thread_cpu(url: str, times: int = TIMES) -> dict[str, float]:
    """Median CPU seconds of a one-fragment reply in its thread: ours, and that of httpx alone."""
    ssl_context = httpx.create_ssl_context()

    def bare() -> None:
        """Join and read the events, on a connection of its own, as a reply has one."""
        session = generate_session_hash()
        asked = {"data": [question(1), [], ""], "fn_index": 0, "session_hash": session}
        with httpx.Client(verify=ssl_context, timeout=60) as http:
            http.post(f"{url}/gradio_api/queue/join", json=asked).raise_for_status()
            where = {"session_hash": session}
            with http.stream("GET", f"{url}/gradio_api/queue/data", params=where) as events:
                for line in events.iter_lines():
                    if line:
                        json.loads(line.removeprefix("data: "))

    def asked() -> Callable[[], object]:
        messages = [{"role": "user", "content": question(1)}]
        stream = Qwen_Qwen_2_5_Max.create_async_generator(None, messages, space=url)
        stream._reply.start(time.monotonic())
        return Worker(stream._question, stream._reply).run

    taken: dict[str, list[float]] = {"ours": [], "httpx": []}
    for number in range(times + 5):
        for name, reply in (("ours", asked()), ("httpx", bare)):
            seconds = _in_a_thread(reply)
            if number >= 5:  # the first ones import, and read the Space
                taken[name].append(seconds)
    return {name: median(seconds) for name, seconds in taken.items()}


def _in_a_thread(work: Callable[[], Any]) -> float:
    """The CPU seconds that a thread of its own takes for something."""
    taken: list[float] = []

    def timed() -> None:
        began = time.thread_time()
        work()
        taken.append(time.thread_time() - began)

    thread = Thread(target=timed)
    thread.start()
    thread.join()
    return taken[0]
