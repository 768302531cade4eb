"""Replacements for gradio_client's queues and thread pools, to do all work in one thread."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Executor, Future
from typing import Any, NoReturn


class Events:
    """A replacement for the queue that gradio_client polls. `popleft` waits for the next event.

    :param on_heartbeat: called at each heartbeat.
    :ivar is_running: whether the Space is still working on the step.
    """

    def __init__(
        self,
        events: Generator[dict[str, Any], None, None] | None = None,
        on_heartbeat: Callable[[], object] = lambda: None,
    ) -> None:
        self._events = (_ for _ in ()) if events is None else events
        self._on_heartbeat = on_heartbeat
        self.is_running = events is not None

    def __len__(self) -> int:
        return 1

    def popleft(self) -> dict[str, Any]:
        """Wait for the next event that gradio_client handles, and return it."""
        for event in self._events:
            match event["msg"]:
                case "heartbeat":
                    self._on_heartbeat()
                    continue
                case "close_stream":
                    continue
                case "process_completed":
                    self.is_running = False
                    if not event.get("success", True):
                        # gradio_client passes every key to `AppError`, which may not know it.
                        output = event["output"]
                        event["output"] = {"error": output["error"]}
                        if isinstance(title := output.get("title"), str):
                            event["output"]["title"] = title
                case "unexpected_error":
                    # Gradio is shutting down, or lost the session.
                    raise EOFError(f"it said {event.get('message')!r:.200}")
            return event
        raise EOFError("the stream ended before the reply was complete")

    def drain(self) -> None:
        for _ in self._events:
            pass

    def close(self) -> None:
        self._events.close()


class InThisThread(Executor):
    """The executor for jobs: runs each in the thread that submits it.

    It keeps the error itself: in a future, it would be a reference cycle.
    """

    def __init__(self) -> None:
        self._error: Exception | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            self._error = error
            future.set_result(None)
        return future

    def raise_error(self) -> None:
        """Raise the last job's error, if any."""
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
        finally:
            del error


class NoExecutor(Executor):
    """The executor for gradio_client's helper threads, which must not run."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(f"{fn!r:.200} in another thread")


def return_unchanged(*data: Any) -> tuple[Any, ...]:
    return data
