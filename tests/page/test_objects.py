"""What functions without a page return: objects, their JSON text, pieces and snapshots."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qwen_gradio._page.outputs import Reply
from qwen_gradio.errors import GenerationError

SNAPSHOTS = ["Hel", "Hello", "Hello the", "Hello there"]


def read(*outputs: Any) -> tuple[str, str]:
    """The text and the reasoning of a reply that a function has given."""
    reply = Reply(source="function")
    for output in outputs:
        reply.feed(output)
    reply.end()
    return reply.text, reply.reasoning


@pytest.mark.parametrize("key", ["content", "response", "answer", "text"])
@pytest.mark.parametrize("texts", [SNAPSHOTS, SNAPSHOTS[-1:], ["Hi |", "Hello there"]])
@pytest.mark.parametrize("encode", [dict, json.dumps])
def test_an_objects_text_is_under_one_of_its_keys(key: str, texts: list[str], encode: Any) -> None:
    objects = [encode({"reasoning": "Hm.", key: text, "tokens": 3}) for text in texts]
    assert read(*objects) == ("Hello there", "Hm.")


def test_the_reasoning_of_an_object_may_come_before_its_text() -> None:
    thoughts = [{"reasoning": text} for text in SNAPSHOTS]
    assert read(*thoughts, {"content": "Yes."}) == ("Yes.", "Hello there")
    empty = [{"reasoning": text, "content": ""} for text in SNAPSHOTS]
    assert read(*empty, {"reasoning": "", "content": "Yes."}) == ("Yes.", "Hello there")
    assert read({"reasoning": None, "content": "Yes."}) == ("Yes.", "")


def test_an_object_may_be_a_message() -> None:
    assert read({"role": "assistant", "content": [{"type": "text", "text": "Yes."}]}) == (
        "Yes.",
        "",
    )


@pytest.mark.parametrize("text", ['{"a": 1}', "{x}", '{"content": ', "{" * 99_999, '["content"]'])
def test_other_text_is_text(text: str) -> None:
    assert read(text) == (text, "")


@pytest.mark.parametrize(
    ("output", "keys"), [({"score": 1, "label": "good"}, "score, label"), ({}, "no keys")]
)
def test_an_object_without_text_is_an_error_that_lists_its_keys(output: Any, keys: str) -> None:
    with pytest.raises(ValueError, match=f"none of content, response, answer, text, but {keys}$"):
        read(output)


def test_an_object_without_an_answer_is_an_error() -> None:
    with pytest.raises(GenerationError, match="the model thought and did not answer"):
        read({"reasoning": "Hm."})
    with pytest.raises(ValueError, match="nothing from the assistant"):
        read({"content": None})


@pytest.mark.parametrize("role", ["assistant", "ai", "bot"])
def test_a_list_of_bubbles_is_read_by_its_roles(role: str) -> None:
    greeting = {"role": role, "content": "Welcome!"}
    reply = Reply([greeting])
    question = {"role": "local", "content": "?"}
    for text in SNAPSHOTS:
        items = [greeting, question, {"role": role, "content": text}, {"role": "divider"}]
        reply.feed({"__type__": "update", "items": items})
    reply.end()
    assert reply.text == "Hello there"
