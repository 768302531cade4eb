"""The progress bar of a batch."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from tqdm.auto import tqdm

from ._pace import Pace
from ._rows import Row


class Bar:
    """A progress bar on a terminal or in a notebook. It counts even if it is not shown."""

    def __init__(self, total: int, done: int, failed: int, pace: Pace, is_shown: bool) -> None:
        self.answered, self.failed = done - failed, failed
        self._pace = pace
        self._waiting = ""
        # None disables it without a terminal. Without standard error, tqdm would hang.
        disable = None if is_shown and sys.stderr is not None else True
        self._bar: Any = tqdm(
            total=total, initial=done, unit="item", dynamic_ncols=True, disable=disable
        )
        self._show_state()

    def add(self, rows: Iterable[Row]) -> None:
        """Count rows."""
        for row in rows:
            self.answered += row["error"] is None
            self.failed += row["error"] is not None
            self._bar.update()
        self._show_state()

    def wait(self, what: str) -> None:
        """Show why the batch is paused; "" clears it."""
        self._waiting = what
        self._show_state(refresh=True)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *exc_info: object) -> None:
        if exc_type is not None:
            self._bar.set_postfix_str("stopped; run it again to continue")
        self._bar.close()

    def _show_state(self, refresh: bool = False) -> None:
        state = self._waiting or f"{self._pace.limit} at once, {self.failed} failed"
        self._bar.set_postfix_str(state, refresh)
