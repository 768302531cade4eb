"""Random faults under load: `python -m tests.soak --minutes N`.

Workers ask a real Space, by its name on a stand-in hub, behind a front that breaks connections,
rejects requests, and slows down, while the Space is killed, started again, stopped, continued, and
put to sleep. Each question must end, with its whole reply or with one of our errors and a partial
reply that is the beginning of the whole one.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import signal
import sys
import threading
import time
from collections import Counter, deque
from pathlib import Path

import anyio
from huggingface_hub import constants

from qwen_gradio import Qwen_Qwen_2_5_Max, QwenGradioError

from .support.fronts import Endless, Forward, Front, Request, answer
from .support.hubs import Hub
from .support.servers import ScriptedSpace, free_port, script

WORKERS = 12
LONGEST = 60.0
"""Seconds after which a question counts as hung. All time-outs in it are far shorter."""


def misbehave(request: Request) -> bytes | Forward:
    """What the front does to a request: mostly, to pass it on."""
    chance = random.random()
    if request.path.endswith("/queue/data"):
        if chance < 0.15:
            return Forward(limit=random.randrange(20_000))
        if chance < 0.25:
            return Forward(pause=random.random() / 100)
        return Forward()
    if chance < 0.1:
        refusals = ["429 Too Many Requests", "500 Oops", "502 Bad Gateway", "503 Unavailable"]
        return answer(random.choice(refusals), Retry_After="0.1")
    return Forward()


class FaultyHub(Hub):
    """A hub, and a Space that misbehaves while it runs."""

    def __call__(self, request: Request) -> bytes | Forward | Endless:
        found = super().__call__(request)
        if request.path.startswith("/api/spaces/"):
            return answer("500 Oops") if random.random() < 0.05 else found
        return misbehave(request) if found == Forward() else found


async def ask(space: str, counts: Counter[str]) -> None:
    """Ask one question, in one of the ways that a caller may, and count how it ended."""
    pieces = [f"{number} " for number in range(random.randrange(1, 200))]
    whole = "".join(pieces)
    leave_after = random.choice([None, None, None, random.randrange(1, 20)])
    stream = Qwen_Qwen_2_5_Max.create_async_generator(
        None,
        [script(say=pieces, every=random.choice([0, 0.001, 0.02]))],
        space=space,
        timeout=random.choice([None, 1.0, 5.0]),
        stream_timeout=8.0,
    )
    text = ""
    fragments = 0
    try:
        with anyio.fail_after(LONGEST):
            async for fragment in stream:
                text += fragment
                fragments += 1
                if fragments == leave_after:
                    break
    except QwenGradioError as error:
        begun = whole.startswith(error.partial) and error.partial.startswith(text)
        counts[f"failed: {type(error).__name__}" if begun else "WRONG partial text"] += 1
    except TimeoutError:
        counts["WRONG hung"] += 1
    except Exception as error:
        counts[f"WRONG untyped {error!r}"] += 1
    else:
        if leave_after is not None and fragments == leave_after:
            counts["left" if whole.startswith(text) else "WRONG text"] += 1
        else:
            counts["whole" if text == whole else f"WRONG text {text[-20:]!r}"] += 1


def held() -> dict[str, float]:
    """What this process holds: threads, open files and sockets, and memory in MB."""
    gc.collect()
    status = Path("/proc/self/status").read_text()
    resident = int(status.split("VmRSS:")[1].split()[0]) / 1000
    files = len(list(Path("/proc/self/fd").iterdir()))
    return {"threads": threading.active_count(), "files": files, "MB": resident}


async def soak(seconds: float) -> tuple[Counter[str], dict[str, float], dict[str, float]]:
    """Soak for so long; give the counts, and what was held after a tenth of it and at the end."""
    counts: Counter[str] = Counter()
    port = str(free_port())
    space = await anyio.to_thread.run_sync(ScriptedSpace, "6", "messages", "--port", port)
    ends = time.monotonic() + seconds
    early: dict[str, float] = {}

    async def settle() -> dict[str, float]:
        for _ in range(100):  # jobs of streams that were left may still be telling the Space
            if not any(thread.name == "qwen_gradio" for thread in threading.enumerate()):
                break
            await anyio.sleep(0.2)
        return held()

    hub = FaultyHub("RUNNING")
    with Front(hub, f"http://127.0.0.1:{port}") as front:
        hub.host = constants.ENDPOINT = front.url
        # All of them would be what grows.
        front.requests, hub.asked, hub.looked_up = (deque(maxlen=100) for _ in range(3))
        for stage_ends in (time.monotonic() + seconds / 10, ends):
            async with anyio.create_task_group() as tasks:

                async def work_until(stage_ends: float = stage_ends) -> None:
                    while time.monotonic() < stage_ends:
                        await ask("soak/space", counts)

                for _ in range(WORKERS):
                    tasks.start_soon(work_until)
                while time.monotonic() < stage_ends:
                    await anyio.sleep(random.uniform(1, 6))
                    harm = random.choice(["kill", "stop", "sleep"])
                    if harm == "sleep":
                        counts["(the Space fell asleep)"] += 1
                        looks = random.randrange(1, 6)
                        hub.stages = [*["SLEEPING"] * looks, "APP_STARTING", "RUNNING"]
                    elif harm == "kill":
                        counts["(the Space was killed and started again)"] += 1
                        space.process.kill()
                        await anyio.to_thread.run_sync(space.close)
                        await anyio.sleep(random.random())
                        space = await anyio.to_thread.run_sync(
                            ScriptedSpace, "6", "messages", "--port", port
                        )
                    else:
                        counts["(the Space was stopped and continued)"] += 1
                        space.process.send_signal(signal.SIGSTOP)
                        await anyio.sleep(random.uniform(0, 10))
                        space.process.send_signal(signal.SIGCONT)
            early = early or await settle()
        late = await settle()
    await anyio.to_thread.run_sync(space.close)
    return counts, early, late


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    options = arguments.parse_args()
    random.seed(options.seed)
    counts, early, late = anyio.run(soak, options.minutes * 60)
    print(f"{options.minutes:g} minutes, {WORKERS} questions at once, seed {options.seed}\n")
    print("| how it ended | times |\n|---|---|")
    for what, times in sorted(counts.items()):
        print(f"| {what} | {times} |")
    print("\n| held | after a tenth | at the end |\n|---|---|---|")
    for what in early:
        print(f"| {what} | {early[what]:.0f} | {late[what]:.0f} |")
    wrong = [what for what in counts if what.startswith("WRONG")]
    grown = (
        late["threads"] > early["threads"] + 2
        or late["files"] > early["files"] + 12
        or late["MB"] > early["MB"] * 1.3 + 20
    )
    if wrong or grown or not counts["whole"]:
        sys.exit("\nfailed: " + ", ".join([*wrong, *(["it grew"] if grown else [])]))


if __name__ == "__main__":
    main()
