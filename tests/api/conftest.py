from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from ..support.servers import ScriptedSpace

if TYPE_CHECKING:  # this file is read where they are not installed
    import openai


@pytest.fixture(scope="module")
def url(scripted: ScriptedSpace) -> Iterator[str]:
    """The endpoint, whose models are all on a scripted Space."""
    from ..support.endpoints import endpoint

    with endpoint(space=scripted.url) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    from ..support.chat_api import client_of

    with client_of(url) as client:
        yield client
