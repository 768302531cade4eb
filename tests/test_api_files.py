"""Files in requests to the endpoint: as parts of messages, in OpenAI's format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from .endpoints import endpoint
from .servers import PATIENCE, Zoo
from .test_files import DATA_URL

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture(scope="module")
def newest(server: None) -> Iterator[Zoo]:
    found = Zoo(program="seeing.py")
    yield found
    found.close()


def reply_to(space: str, *parts: dict[str, Any]) -> str | None:
    content: Any = [{"type": "text", "text": "what"}, *parts]
    with (
        endpoint(space=space) as url,
        openai.OpenAI(base_url=url, api_key="unused", max_retries=0, timeout=PATIENCE) as client,
    ):
        completion = client.chat.completions.create(
            model="qwen-2.5-max", messages=[{"role": "user", "content": content}]
        )
    return completion.choices[0].message.content


def test_a_picture_of_a_client_arrives(newest: Zoo) -> None:
    picture = {"type": "image_url", "image_url": {"url": DATA_URL}}
    assert reply_to(newest.url_of("see-interface"), picture) == "what image 3x2"


@pytest.mark.parametrize("url", ["/etc/hostname", "file:///etc/hostname", "http://127.0.0.1/x"])
def test_a_client_cannot_name_files_of_the_server(newest: Zoo, url: str) -> None:
    part = {"type": "image_url", "image_url": {"url": url}}
    with pytest.raises(openai.BadRequestError, match="must be a data: or an https: URL"):
        reply_to(newest.url_of("see-interface"), part)


def test_a_client_cannot_give_paths_as_an_option(newest: Zoo) -> None:
    with (
        endpoint(space=newest.url_of("see-interface")) as url,
        openai.OpenAI(base_url=url, api_key="unused", max_retries=0, timeout=PATIENCE) as client,
    ):
        completion = client.chat.completions.create(
            model="qwen-2.5-max",
            messages=[{"role": "user", "content": "what"}],
            extra_body={"files": ["/etc/hostname"]},
        )
    assert completion.choices[0].message.content == "what nothing"
