"""Read a Space's description with gradio_client, and cache it for all replies."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from contextlib import closing, suppress
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from http.cookiejar import Cookie
from threading import Event, Lock
from typing import Any

from gradio_client import Client

from .._access import Access, is_url
from .._page.app import add_missing
from .._page.fragments import Habits
from .._page.plan import Plan, Step
from .._page.planning import plan_of, require_protocol
from .._reply import StreamStatus
from ..errors import (
    QwenGradioError,
    SpaceInterfaceError,
    SpaceUnavailableError,
    StreamInterruptedError,
)
from .connection import Connection
from .errors import connect_errors
from .hub import STARTING, explain, locate
from .seam import requests_over

logger = logging.getLogger("qwen_gradio")

DESCRIPTION_TTL = 60.0
"""Seconds to cache the description of a Space on the Hub. Rebuilding a Space takes longer."""
OWN_TTL = 5.0
"""Seconds to cache the description of another server's app, which may be under development."""
READ_LOCK_TIMEOUT = 1.0
"""Maximum seconds to wait while another reply reads the same Space, which may hang."""
MAX_WAKING_TIME = 300.0
"""Maximum seconds to wait for a Space that is asleep or starting."""
MIN_WAKING_PAUSE, MAX_WAKING_PAUSE = 1.0, 10.0
"""Seconds between two polls of such a Space. The pause doubles each time."""
MAX_SPACES = 32
"""Maximum Spaces to cache."""


class SpaceClient(Client):  # type: ignore[misc]  # gradio_client is not typed
    """gradio_client's view of a Space: its addresses, config, info and endpoints.

    It asks no questions itself. Each reply copies it: that is cheaper than building a new one.
    """

    def __init__(self, url: str, access: Access) -> None:
        super().__init__(
            url,
            token=access.api_key,
            auth=access.auth,
            headers=dict(access.headers),
            oauth_token=access.oauth_token,
            verbose=False,
            download_files=False,
            analytics_enabled=False,
            _skip_components=False,  # steps have a value for every input, by position
        )

    def _get_config(self) -> dict[str, Any]:
        config = super()._get_config()
        require_protocol(config, self.src)  # for old apps, gradio_client would ask a third host
        config = add_missing(config)
        # A heartbeat keeps a session between requests; here, a session is one question.
        return {**config, "connect_heartbeat": False}

    def _stream_heartbeat(self, *args: Any) -> None:
        """Send no heartbeat: before 2.7.2, gradio_client ignores `connect_heartbeat`."""

    def _telemetry_thread(self) -> None:
        """Send no telemetry: `analytics_enabled=False` alone does not prevent it."""

    def __del__(self) -> None:
        """Do not shut down executors: they have no threads, and under gevent it fails at exit."""


@dataclass(eq=False)
class Description:
    """A Space's own description, and the cookies it set.

    :ivar space: the Space as given by the caller; its new name if it was renamed.
    :ivar habits: the habits learned from replies, by their plan's steps. They outlive this object.
    """

    space: str
    client: SpaceClient
    cookies: list[Cookie]
    is_on_hub: bool
    habits: dict[tuple[Step, ...], Habits]
    read_at: float = field(default_factory=time.monotonic)
    _plans: dict[str | int | None, Plan] = field(default_factory=dict)

    def plan(self, api_name: str | int | None) -> Plan:
        """Return the plan for asking the Space.

        :raises SpaceInterfaceError: if the Space offers no usable chat.
        """
        if api_name not in self._plans:
            config, info = self.client.config, self.client._info
            self._plans[api_name] = plan_of(config, info, self.space, api_name)
        return self._plans[api_name]

    def habits_of(self, plan: Plan) -> Habits:
        """Return the habits learned from replies to this plan. Replies update them."""
        return self.habits.setdefault(plan.steps, Habits())

    def has_same_plan(self, other: Description, api_name: str | int | None) -> bool:
        """Return whether both descriptions have the same address and plan.

        :raises SpaceInterfaceError: if this one offers no usable chat.
        """
        plan = self.plan(api_name)
        with suppress(SpaceInterfaceError):
            return (plan, self.client.sse_url) == (other.plan(api_name), other.client.sse_url)
        return False


class Space:
    """A Space, and its description once that is read."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._habits: dict[tuple[Step, ...], Habits] = {}
        self._lock = Lock()  # held while the Space is located and read
        self._description: Description | None = None
        self._starting: SpaceUnavailableError | None = None  # the last poll's result
        self._polled_at = 0.0

    def describe(
        self,
        connection: Connection,
        outdated: Description | None = None,
        polled_at: float | None = None,
    ) -> Description:
        """Return the cached description, or read it. One reply reads; the others wait.

        If there is an old description, because it has expired or one reply suspects that it is
        outdated, the others use that meanwhile. Replies that wait for a starting Space share polls.

        :param outdated: a description not to return.
        :param polled_at: the time of the caller's last poll; a later poll by others is reused.
        :raises QwenGradioError: if the Space cannot be read.
        """
        since = time.monotonic() if polled_at is None else polled_at
        if (cached := self._cached(outdated)) is not None:
            return cached
        expired = None if self._description is outdated else self._description
        is_reader = self._lock.acquire(timeout=READ_LOCK_TIMEOUT if expired is None else 0)
        try:
            if expired is not None and not is_reader:
                return expired
            if (cached := self._cached(outdated)) is not None:
                return cached
            if (starting := self._starting) is not None and self._polled_at > since:
                raise copy(starting)
            return self.read(connection)
        finally:
            if is_reader:
                self._lock.release()

    def describe_once_awake(
        self,
        connection: Connection,
        report: Callable[[StreamStatus], object],
        stopped: Event,
        outdated: Description | None = None,
    ) -> tuple[Description, bool]:
        """Return the description. Wait while the Hub reports that the Space is starting.

        :param report: called with a status before each pause, which `stopped` ends.
        :param outdated: a description not to return.
        :returns: the description, and whether the Space was starting.
        :raises QwenGradioError: if the Space cannot be read, and waiting does not help.
        """
        ends_at = time.monotonic() + MAX_WAKING_TIME
        # Each poll reports a status, which restarts `stream_timeout`.
        pauses = min(MAX_WAKING_PAUSE, connection.timeout / 2)
        pause = MIN_WAKING_PAUSE
        was_starting = False
        polled_at = None
        while True:
            try:
                return self.describe(connection, outdated, polled_at), polled_at is not None
            except SpaceUnavailableError as error:
                has_just_started = was_starting and not error.is_down
                if error.stage is None or not (error.is_starting or has_just_started):
                    raise
                if time.monotonic() >= ends_at:
                    late = SpaceUnavailableError(f"After {MAX_WAKING_TIME:g} seconds: {error}")
                    late.stage = error.stage
                    raise late from error
                was_starting = error.is_starting
                what = STARTING.get(error.stage, "has started but does not answer yet")
            report(StreamStatus("waking", log=f"The Space {what}"))
            logger.info("%s %s", self._access.space, what)
            polled_at = time.monotonic()
            if stopped.wait(min(pause, pauses)):
                raise StreamInterruptedError("This stream was closed early")
            pause *= 2

    def _cached(self, outdated: Description | None) -> Description | None:
        ttl = DESCRIPTION_TTL if self._access.hub_key else OWN_TTL
        cached = self._description
        if cached is None or cached is outdated or time.monotonic() - cached.read_at > ttl:
            return None
        return cached

    def read(self, connection: Connection) -> Description:
        """Read the Space's description, and cache it."""
        self._starting = None
        try:
            self._description = description = self._read(connection)
        except QwenGradioError as error:
            self._description = None
            if isinstance(error, SpaceUnavailableError) and error.is_starting:
                self._polled_at = time.monotonic()
                self._starting = copy(error)  # the traceback refers to the reply
            raise
        return description

    def _read(self, connection: Connection) -> Description:
        access = self._access
        name = url = access.space
        if not is_url(access.space):
            with connect_errors(access.space):
                listing = locate(access, connection)
            name, url = listing.name, listing.host
        # gradio_client itself adds these headers to every request but the login. Without a token,
        # the Hub rejects the login of a private Space.
        token = {} if access.api_key is None else {"x-hf-authorization": f"Bearer {access.api_key}"}
        request = partial(connection.request, headers={**dict(access.headers), **token})
        try:
            with connect_errors(access.space), requests_over(request, url.rstrip("/") + "/"):
                client = SpaceClient(url, access)
        except SpaceUnavailableError as answer:
            if not answer.may_be_proxy:
                raise
            raise explain(answer, access, connection) from answer.__cause__
        logger.debug("%s: Gradio %s at %s", name, client.config.get("version"), client.src)
        is_on_hub = access.hub_key is not None
        return Description(name, client, [*connection.cookies], is_on_hub, self._habits)


def space_at(access: Access) -> Space:
    """Return the Space for this access; the same object for equal ones, as long as it is cached."""
    with _lock:
        if access not in _spaces and len(_spaces) == MAX_SPACES:
            del _spaces[next(iter(_spaces))]
        return _spaces.setdefault(access, Space(access))


def describe(access: Access, timeout: float = 60.0) -> Description:
    """Read a Space's description without the cache, with `timeout` seconds for each response."""
    with closing(Connection(access, timeout)) as connection:
        return Space(access).read(connection)


def _forget_parent() -> None:
    global _lock  # a thread of the parent process may have held it
    _lock = Lock()
    _spaces.clear()


_spaces: dict[Access, Space] = {}
_lock = Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
