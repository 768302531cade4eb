"""Wait until a Space that is asleep or starting can be read."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import TYPE_CHECKING

import tenacity

from ._stages import STAGES, is_starting, progress_of
from ._updates import StreamStatus
from .errors import SpaceUnavailableError

if TYPE_CHECKING:
    from ._gradio.connection import Connection
    from ._gradio.space import Description, Space

MAX_WAKING_TIME = 300.0
"""Seconds to wait for a Space that is asleep or starting."""
MIN_WAKING_PAUSE, MAX_WAKING_PAUSE = 1.0, 10.0
"""Seconds between two looks at such a Space, more each time."""


class Waking:
    """Reads a Space, for as long as the hub says that it is starting.

    :param timeout: seconds without an update after which the reply is given up.
    :param report: called with a status before each pause.
    :param is_stopped: ends a pause.
    :ivar stage: the last one in which the Space did not answer; None if it did at once.
    """

    def __init__(
        self,
        space: Space,
        connection: Connection,
        timeout: float,
        report: Callable[[StreamStatus], None],
        is_stopped: Event,
    ) -> None:
        self.stage: str | None = None
        self._space = space
        self._connection = connection
        self._report = report
        self._looked_at: float | None = None
        self._timeout = timeout
        self._is_stopped = is_stopped

    def describe(self, outdated: Description | None = None) -> Description:
        """Return what is known of the Space, or read it, once it answers.

        :param outdated: a description that does not count.
        :raises QwenGradioError: if it cannot be read, and waiting would not help or did not.
        """
        if (known := self._space.known) is not None and known is not outdated:
            return known
        self.stage = self._looked_at = None
        max_pause = min(MAX_WAKING_PAUSE, self._timeout / 2)
        found: Description = tenacity.Retrying(
            retry=tenacity.retry_if_exception(self._is_worth_waiting),
            stop=tenacity.stop_after_delay(MAX_WAKING_TIME),
            # Each look is an update, which `stream_timeout` is counted from.
            wait=tenacity.wait_exponential(MIN_WAKING_PAUSE, max=max_pause),
            before_sleep=self._report_waiting,
            sleep=tenacity.sleep_using_event(self._is_stopped),
            retry_error_callback=self._give_up,
        )(self._look, outdated)
        return found

    def _look(self, outdated: Description | None) -> Description:
        try:
            return self._space.describe(self._connection, outdated, self._looked_at)
        finally:
            self._looked_at = time.monotonic()

    def _is_worth_waiting(self, error: BaseException) -> bool:
        """Whether the Space is starting, or was a moment ago and runs now."""
        if not isinstance(error, SpaceUnavailableError) or error.stage is None:
            return False
        previous, self.stage = self.stage, error.stage
        was_starting = previous is not None and is_starting(previous)
        return is_starting(error.stage) or (was_starting and error.stage not in STAGES)

    def _report_waiting(self, attempt: tenacity.RetryCallState) -> None:
        self._report(StreamStatus("waking", log=progress_of(self.stage or "")))

    def _give_up(self, attempt: tenacity.RetryCallState) -> None:
        assert attempt.outcome is not None
        answer = attempt.outcome.exception()
        error = SpaceUnavailableError(f"After {MAX_WAKING_TIME:g} seconds: {answer}")
        error.stage = self.stage
        raise error from answer
