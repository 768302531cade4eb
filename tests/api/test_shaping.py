"""How the endpoint shortens a reply: wherever its fragments divide it."""

from __future__ import annotations

import pytest

from qwen_gradio._reply import Reasoning
from qwen_gradio.api._shaping import Shaper


def shape(text: str, size: int, shaper: Shaper) -> str:
    """Return what a shaper lets pass of a text in fragments of a size."""
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    shaped = []
    for piece in pieces:
        if not shaper.is_over:
            shaped.append(str(shaper.feed(piece)))
    return "".join([*shaped, shaper.end()])


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(
    ("text", "shaped"),
    [
        ("{}", "{}"),
        ("```json\n{}\n```", "{}"),
        ("\n```\n[1,\n2]\n```\nThat is all.", "[1,\n2]"),
        ("```json\n{}", "{}"),
        ("```json\n{}\n``", "{}\n``"),
        ("Here:\n```json\n{}\n```", "Here:\n```json\n{}\n```"),
        ("```", "```"),
        ("``x``", "``x``"),
        ("``` a`b", "``` a`b"),
        ("", ""),
        (" " * 200, " " * 200),
    ],
)
def test_a_fence_is_left_out_only_around_a_reply(text: str, shaped: str, size: int) -> None:
    assert shape(text, size, Shaper([], is_json=True)) == shaped
    assert shape(text, size, Shaper([])) == text


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_limit_counts_four_bytes_a_token_and_cuts_no_character(size: int) -> None:
    shaper = Shaper([], limit=1)
    assert shape("ab\N{GRINNING FACE}c", size, shaper) == "ab"
    assert shaper.finish_reason == "length"
    exact = Shaper([], limit=1)
    assert shape("abcd", size, exact) == "abcd"
    assert exact.finish_reason == "stop"


def test_reasoning_counts_for_the_limit() -> None:
    shaper = Shaper([], limit=2)
    assert shaper.feed(Reasoning("12345")) == Reasoning("12345")
    assert shaper.feed("6789") == "678"
    assert (shaper.is_over, shaper.end()) == (True, "")


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_stop_sequence_and_a_fence_go_together(size: int) -> None:
    assert shape("```\n1 END\n```", size, Shaper(["END"], is_json=True)) == "1 "
    assert shape("```\n1\n```END", size, Shaper(["END"], is_json=True)) == "1"
