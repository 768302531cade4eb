"""Streams from apps that change what they have shown say what their pages say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anyio
import openai
import pytest

import qwen_gradio
from qwen_gradio import GenerationError

from ..support.asking import ask
from ..support.chat_api import texts, whole
from ..support.endpoints import endpoint
from ..support.servers import PATIENCE, Zoo

QUESTION: Any = {"role": "user", "content": "?"}
TEXT = "The capital of France is Paris, on the Seine"
CHANGED = [
    *("list", "code", "quote", "cursor", "spinner", "footer", "header", "fence", "thinking"),
    *("steps", "stripped", "half", "details"),
]
"""The shapes of which each word of the last snapshot arrives once."""
STARTED_OVER = {
    "again": ("This first try is", TEXT),
    "typo": ("Paris is in Germny", "Paris is in France. It is large."),
}
"""How the streams of the others begin, and what follows after a blank line."""

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def spaces_that_only_grow() -> None:
    """Here, what a Space does is learned from its replies."""


@pytest.fixture(
    scope="module",
    params=[("4.44.1", "pairs"), ("5.49.1", "messages"), ("6", "messages")],
    ids=["gradio4.44.1", "gradio5.49.1", "gradio6"],
)
def apps(server: None, request: pytest.FixtureRequest) -> Iterator[Zoo]:
    gradio, form = request.param
    found = Zoo(gradio, form, "rewriting.py")
    yield found
    found.close()


def size_of_png(data: bytes) -> tuple[int, int]:
    assert data.startswith(b"\x89PNG")
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


async def url_of(apps: Zoo, kind: str) -> str:
    return await anyio.to_thread.run_sync(apps.url_of, kind)


async def replies(url: str) -> list[tuple[str, str]]:
    """Stream a reply and ask for it complete: as the Space is not known yet, then as it is."""
    found = []
    for _ in range(2):
        stream = ask(url, QUESTION)
        fragments = [fragment async for fragment in stream]
        found.append(("".join(fragments), await ask(url, QUESTION).text()))
    return found


def through_the_endpoint(url: str, **options: Any) -> tuple[str, str]:
    with (
        endpoint(space=url) as base,
        openai.OpenAI(base_url=base, api_key="unused", max_retries=0, timeout=PATIENCE) as client,
    ):
        create: Any = client.chat.completions.create
        asked = {"model": "qwen-2.5-max", "messages": [QUESTION], **options}
        return "".join(texts(create(stream=True, **asked))), whole(create(**asked))


@pytest.mark.parametrize("shape", CHANGED)
async def test_a_chatbot_that_changes_its_text_repeats_no_word(apps: Zoo, shape: str) -> None:
    url = await url_of(apps, f"chatbot-{shape}")
    served = await anyio.to_thread.run_sync(through_the_endpoint, url)
    for streamed, complete in [*await replies(url), served]:
        assert streamed.split() == complete.split()
        assert complete.split()


@pytest.mark.parametrize("shape", STARTED_OVER)
async def test_what_starts_over_follows_after_a_blank_line(apps: Zoo, shape: str) -> None:
    first, second = STARTED_OVER[shape]
    url = await url_of(apps, f"chatbot-{shape}")
    for streamed, complete in [*await replies(url), through_the_endpoint(url)]:
        assert complete == second
        before, _, after = streamed.partition("\n\n")
        # Its last word is held back once the Space is known to take words back.
        assert before.startswith(first)
        assert after == second


@pytest.mark.parametrize("place", ["box", "interface"])
@pytest.mark.parametrize("shape", ["list", "cursor", "footer", "thinking", "stripped"])
async def test_text_boxes_and_chat_interfaces_are_read_with_the_same_care(
    apps: Zoo, place: str, shape: str
) -> None:
    for streamed, complete in await replies(await url_of(apps, f"{place}-{shape}")):
        assert streamed.split() == complete.split()
        assert complete.split()


def test_a_blocking_stream_says_the_same(drawing: Zoo) -> None:
    url = drawing.url_of("chatbot-fence")
    streamed = "".join(qwen_gradio.stream("?", space=url))
    assert streamed.split() == qwen_gradio.ask("?", space=url).split()


async def test_a_placeholder_is_reported_as_a_status(drawing: Zoo) -> None:
    heard: list[str] = []
    url = await url_of(drawing, "chatbot-steps")
    stream = ask(url, QUESTION, on_status=lambda status: heard.append(str(status)))
    assert await stream.text() == TEXT
    assert [line for line in heard if line.startswith("⏳")] == [
        *("⏳ Going over the page...", "⏳ Reading it...", "⏳ Writing...")
    ]


@pytest.mark.parametrize("stop", ["Thinking", "..."])
def test_a_stop_sequence_in_a_placeholder_does_not_end_the_reply(drawing: Zoo, stop: str) -> None:
    url = drawing.url_of("chatbot-thinking")
    assert through_the_endpoint(url, stop=[stop]) == (TEXT, TEXT)


def test_a_stop_sequence_in_the_text_ends_it(drawing: Zoo) -> None:
    url = drawing.url_of("chatbot-thinking")
    expected = TEXT.partition(",")[0]
    assert through_the_endpoint(url, stop=[","]) == (expected, expected)


async def test_a_reply_of_pictures_alone_is_a_reply_without_text(apps: Zoo) -> None:
    stream = ask(await url_of(apps, "pictures-only"), QUESTION)
    assert await stream.text() == ""
    (picture,) = stream.files
    assert size_of_png(await picture.read()) == (3, 2)
    assert picture.mime_type == "image/png"
    assert picture.alt == ("a red square" if apps.form == "pairs" else "")
    assert picture.url.endswith("qwen-gradio-red.png")


async def test_a_picture_among_texts_is_a_file_and_no_text(apps: Zoo) -> None:
    stream = ask(await url_of(apps, "pictures-mixed"), QUESTION)
    assert stream.files == []
    fragments = [fragment async for fragment in stream]
    assert "".join(fragments) == "Here it is.\n\nDone."
    assert [size_of_png(file.read_sync()) for file in stream.files] == [(3, 2)]


async def test_the_pictures_of_a_gallery_are_files_with_their_captions(drawing: Zoo) -> None:
    stream = ask(await url_of(drawing, "pictures-gallery"), QUESTION)
    assert await stream.text() == ""
    assert [file.alt for file in stream.files] == ["one", "two"]
    assert [size_of_png(await file.read()) for file in stream.files] == [(3, 2)] * 2


async def test_a_picture_that_the_space_does_not_serve_is_no_reply(drawing: Zoo) -> None:
    with pytest.raises(GenerationError, match="The reply has no text, only: "):
        await ask(await url_of(drawing, "pictures-interface"), QUESTION).text()


@pytest.mark.parametrize("kind", ["pieces", "snapshots"])
async def test_yields_of_an_api_function_are_pieces_or_snapshots(drawing: Zoo, kind: str) -> None:
    for streamed, complete in await replies(await url_of(drawing, kind)):
        assert streamed == complete == "Hello there"
