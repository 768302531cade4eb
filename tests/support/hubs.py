"""A stand-in for the Hub, in front of a Space."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, MutableSequence
from typing import Any, TypeAlias

import pytest

from qwen_gradio import FragmentStream

from .asking import ask
from .fronts import Endless, Forward, Request, answer
from .servers import script

ASLEEP = answer("503 Service Unavailable", "<html>This Space is asleep</html>", "text/html")


class Hub:
    """A handler that acts as the Hub and as a Space, which answers while it runs.

    :ivar stages: the stages to report, one after the other; the last one is repeated.
    :ivar outage: the response to every request, if it is not None.
    :ivar page: the response in place of the Space while it does not run.
    :ivar token: the token that the Hub and the Space require, if any.
    :ivar hardware: the Space's current and requested hardware.
    :ivar moved: the target of redirects for every name but "ada/chat", if any.
    """

    def __init__(self, *stages: str, token: str | None = None) -> None:
        self.hardware: dict[str, str | None] = {}
        self.stages = list(stages)
        self.moved: str | None = None
        self.outage: bytes | Forward | Endless | None = None
        self.page = ASLEEP
        self.token = token
        self.host = ""
        self.looked_up: MutableSequence[Request] = []
        self.asked: MutableSequence[Request] = []

    def __call__(self, request: Request) -> bytes | Forward | Endless:
        if request.path.startswith("/api/spaces/"):
            return self._describe(request)
        self.asked.append(request)
        if self.token and request.headers.get("x-hf-authorization") != f"Bearer {self.token}":
            return answer("404 Not Found", "<html>Sorry", "text/html")
        return Forward() if self.stages[0].startswith("RUNNING") else self.page

    def _describe(self, request: Request) -> bytes | Forward | Endless:
        self.looked_up.append(request)
        if self.outage is not None:
            return self.outage
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return answer("401 Unauthorized")
        if self.moved is not None and request.path != "/api/spaces/ada/chat":
            return answer("307 Temporary Redirect", Location=self.moved)
        stage = self.stages.pop(0) if len(self.stages) > 1 else self.stages[0]
        runtime = {"stage": stage, "hardware": self.hardware}
        described = {"id": "ada/chat", "host": self.host, "runtime": runtime}
        return answer("200 OK", json.dumps(described))


def by_name(url: str, **options: Any) -> FragmentStream:
    """Ask by a name that no other test uses, because descriptions are cached."""
    return ask(f"someone/{uuid.uuid4().hex}", script(say=["x"]), **options)


def by_subdomain(url: str, **options: Any) -> FragmentStream:
    """Ask by a URL that leads to the front, which is also a proxy."""
    return ask(f"http://{uuid.uuid4().hex}.hf.space", script(say=["x"]), proxy=url, **options)


Asking: TypeAlias = Callable[..., FragmentStream]
each_way = pytest.mark.parametrize("asking", [by_name, by_subdomain], ids=lambda way: way.__name__)
"""Ask a Space by its name, and by its URL on the Hub."""
