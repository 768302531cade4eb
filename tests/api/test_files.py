"""Files in requests to the endpoint: as parts of messages, in OpenAI's format."""

from __future__ import annotations

import base64
import re
from typing import Any

import openai
import pytest

from qwen_gradio._openai import estimate_tokens

from ..support.chat_api import client_of, texts, whole
from ..support.endpoints import endpoint
from ..support.samples import DATA_URL
from ..support.servers import PATIENCE, ScriptedSpace, Zoo

pytestmark = pytest.mark.usefixtures("server")


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


def test_a_picture_of_a_client_arrives(seeing: str) -> None:
    picture = {"type": "image_url", "image_url": {"url": DATA_URL}}
    assert reply_to(seeing, picture) == "what image 3x2"


def test_a_large_picture_arrives(seeing: str) -> None:
    head, data = DATA_URL.split(",")
    large = base64.b64encode(base64.b64decode(data) + bytes(18 * 2**20)).decode()
    picture = {"type": "image_url", "image_url": {"url": f"{head},{large}"}}
    assert reply_to(seeing, picture) == "what image 3x2"


def test_a_picture_for_a_chat_of_text_is_a_bad_request(scripted: ScriptedSpace) -> None:
    picture = {"type": "image_url", "image_url": {"url": DATA_URL}}
    with pytest.raises(openai.BadRequestError, match="It takes text only") as caught:
        reply_to(scripted.url, picture)
    assert caught.value.code == "unsupported_file"


@pytest.mark.parametrize("url", ["/etc/hostname", "file:///etc/hostname", "http://127.0.0.1/x"])
def test_a_client_cannot_name_files_of_the_server(seeing: str, url: str) -> None:
    part = {"type": "image_url", "image_url": {"url": url}}
    with pytest.raises(openai.BadRequestError, match="must be a data: or an https: URL"):
        reply_to(seeing, part)


def links_in(text: str, *names: str) -> str:
    """Check the links at the end of a text, and return what is before them."""
    said, *links = re.split(r"(?:^|\n+)(?=!\[)", text)
    assert [link.partition("](")[0] for link in links] == [f"![{name}" for name in names]
    return said


RED = "qwen-gradio-red.png"


@pytest.mark.parametrize(
    ("kind", "said", "names"),
    [
        ("pictures-only", "", [RED]),
        ("pictures-mixed", "Here it is.\n\nDone.", [RED]),
        ("pictures-gallery", "", ["one", "two"]),
    ],
)
def test_replies_of_every_api_link_to_their_files(
    drawing: Zoo, kind: str, said: str, names: list[str]
) -> None:
    with endpoint(space=drawing.url_of(kind)) as url, client_of(url) as client:
        asked: Any = {"model": "qwen-2.5-max"}
        chat = asked | {"messages": [{"role": "user", "content": "?"}]}
        completion = client.chat.completions.create(**chat)
        text = whole(completion)
        assert links_in(text, *names) == said
        assert completion.usage.completion_tokens == estimate_tokens(text)
        assert "".join(texts(client.chat.completions.create(**chat, stream=True))) == text
        assert client.responses.create(**asked, input="?").output_text == text
        events = list(client.responses.create(**asked, input="?", stream=True))
        assert events[-1].response.output_text == text
        assert client.completions.create(**asked, prompt="?").choices[0].text == text
        chunks = client.completions.create(**asked, prompt="?", stream=True)
        assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == text
        as_json = chat | {"response_format": {"type": "json_object"}}
        assert whole(client.chat.completions.create(**as_json)) == said
        for is_streamed in (False, True):
            cut = client.chat.completions.create(**chat, max_tokens=1, stream=is_streamed)
            assert "![" not in ("".join(texts(cut)) if is_streamed else whole(cut)) or not said


def test_a_client_cannot_give_paths_as_an_option(seeing: str) -> None:
    with (
        endpoint(space=seeing) as url,
        openai.OpenAI(base_url=url, api_key="unused", max_retries=0, timeout=PATIENCE) as client,
    ):
        completion = client.chat.completions.create(
            model="qwen-2.5-max",
            messages=[{"role": "user", "content": "what"}],
            extra_body={"files": ["/etc/hostname"]},
        )
    assert completion.choices[0].message.content == "what nothing"
