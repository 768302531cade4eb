from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from ..support.chat_api import client_of
from ..support.endpoints import endpoint
from ..support.servers import ScriptedSpace


@pytest.fixture(scope="module")
def url(scripted: ScriptedSpace) -> Iterator[str]:
    """The endpoint, whose models are all on a scripted Space."""
    with endpoint(space=scripted.url) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with client_of(url) as client:
        yield client
