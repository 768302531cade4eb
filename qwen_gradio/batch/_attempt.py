"""Ask an item once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import anyio

from .._reply import StreamStatus
from .._stream import FragmentStream
from ..errors import QwenGradioError


@dataclass(frozen=True)
class Attempt:
    """The result of asking once.

    :ivar text: the text that arrived; the reply if there is no error.
    :ivar state: the state of the last status; "waking" or "queued" if the Space has not begun.
    :ivar files: the URLs of the files that came with the reply.
    """

    text: str = ""
    reasoning: str = ""
    error: QwenGradioError | None = None
    began: float = 0.0
    first_fragment_seconds: float | None = None
    seconds: float = 0.0
    state: str = ""
    files: tuple[str, ...] = ()


async def read_once(stream: FragmentStream, on_wait: Callable[[str], object]) -> Attempt:
    """Read a stream to its end. Errors are in the result.

    :param on_wait: called with the reason while the Space is waking, and then with "".
    """
    began = anyio.current_time()
    first = error = None
    state = ""
    report = stream.on_status

    def see(status: StreamStatus) -> object:
        nonlocal state
        if status.state == "waking":
            on_wait(str(status))
        elif state == "waking":
            on_wait("")
        state = status.state
        return None if report is None else report(status)

    stream.on_status = see
    try:
        async for _ in stream:
            if first is None:
                first = round(anyio.current_time() - began, 3)
    except QwenGradioError as raised:
        error = raised
    if state == "waking":
        on_wait("")
    seconds = round(anyio.current_time() - began, 3)
    files = tuple(file.url for file in stream.files)
    return Attempt(stream.partial, stream.reasoning, error, began, first, seconds, state, files)
