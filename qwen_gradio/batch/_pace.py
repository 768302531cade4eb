"""Decide from the outcomes so far when to ask items, and how many at once."""

from __future__ import annotations

import random

MIN_PAUSE = 0.5
MIN_RATE_LIMIT_PAUSE = 60.0
"""Seconds of a first pause, in general and after a rate limit, if the Space requests none."""
MAX_GROWTH = 60.0
"""Maximum factor by which pauses grow."""
MAX_RETRY_AFTER = 3600.0
"""Maximum seconds to wait, even if the Space requests more."""
DECREASE = 0.7
"""The factor by which a full queue lowers the limit."""
MIN_ROUNDS = 3
"""Minimum rounds without an answer before the batch may give up."""


class Pace:
    """Congestion control as in TCP: the limit rises slowly with answers, and falls on rejections.

    Times are in seconds; `asked` is when an item was asked. One overload causes many rejections, so
    an outcome counts only if its item was asked after the limit last fell.

    :ivar resumes_at: the time before which no item may be asked.
    """

    def __init__(self, concurrency: int) -> None:
        self.resumes_at = float("-inf")
        self._max = float(concurrency)
        self._limit = self._max
        self._threshold = self._max
        self._lowered_at = float("-inf")
        self._silent_since: float | None = None
        self._rounds = 0

    @property
    def limit(self) -> int:
        """Maximum items to ask at once."""
        return int(self._limit)

    def start(self, now: float) -> None:
        """Record that an item is asked. Silence counts from now on."""
        if self._silent_since is None:
            self._silent_since = now

    def rest(self) -> None:
        """Record that nothing is asked. Silence does not count until an item is asked."""
        self._silent_since = None

    def on_answer(self, asked: float, now: float) -> None:
        """Raise the limit: fast up to its value before a pause, then by one per round."""
        self._silent_since = now
        if asked >= self._lowered_at:
            self._rounds = 0
            step = 1.0 if self._limit < self._threshold else 1.0 / self._limit
            self._limit = min(self._limit + step, self._max)

    def on_queue_full(self, asked: float, now: float, running: int) -> None:
        """Lower the limit because the Space's queue is full. `running` items are in progress."""
        limit = min(self._limit, running)
        if asked >= self._lowered_at:
            limit = min(limit, self._limit * DECREASE)
            self._lowered_at = now
        self._limit = self._threshold = max(limit, 1.0)

    def pause(
        self, asked: float, now: float, retry_after: float = 0.0, first: float = MIN_PAUSE
    ) -> float | None:
        """Begin a pause, and return its seconds. One item is asked after it.

        Pauses grow until there is an answer. Returns None if the last pause covers this outcome.

        :param retry_after: the minimum in seconds.
        :param first: the seconds of a first pause.
        """
        if asked < self._lowered_at:
            return None
        if not self._rounds:
            self._threshold = max(self._limit * DECREASE, 1.0)
        growth = min(2.0 ** min(self._rounds, 16), MAX_GROWTH)
        seconds = max(first * growth * random.uniform(1, 1.5), retry_after)
        self._rounds += 1
        self._limit = 1.0
        self._lowered_at = now
        self.resumes_at = now + seconds
        return seconds

    def on_miss(self) -> None:
        """Count a round without an answer, but do not pause."""
        self._rounds += 1

    def silence(self, now: float) -> float:
        """Return the seconds since the last answer; 0 before `MIN_ROUNDS`."""
        if self._rounds < MIN_ROUNDS or self._silent_since is None:
            return 0.0
        return now - self._silent_since
