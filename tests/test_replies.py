"""A Space's outputs to new text."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_gradio._replies import Reply, reply_text, size_of

EARLIER = [("earlier question", "earlier answer")]

FORMS: dict[str, Callable[[str], Any]] = {
    "string": lambda text: text,
    "pairs": lambda text: [[q, a] for q, a in EARLIER] + [["question", text]],
    "pairs of dicts": lambda text: [["question", {"text": text, "files": []}]],
    "messages": lambda text: [
        {"role": "user", "content": "question"},
        {"role": "assistant", "content": text},
    ],
    "parts": lambda text: [
        {"role": "user", "content": [{"type": "text", "text": "question"}]},
        {"role": "assistant", "content": [{"type": "text", "text": text}]},
    ],
}
forms = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


@forms
@given(pieces=st.lists(st.text()))
def test_any_split_of_any_text_is_given_back_whole(
    form: Callable[[str], Any], pieces: list[str]
) -> None:
    reply = Reply()
    fragments = [reply.feed(form(text)) for text in accumulate(pieces)]
    assert fragments == pieces
    assert reply.text == "".join(pieces)


@forms
@pytest.mark.parametrize(
    "text",
    [
        "no no no",
        "[['a', 'b']]",
        json.dumps([{"role": "user", "content": "x"}]),
        "👩‍👩‍👧",
        "  \n\t",
        "\0",
    ],
)
def test_text_that_looks_like_something_else_is_text(form: Callable[[str], Any], text: str) -> None:
    assert reply_text(form(text)) == text


@forms
@given(before=st.text(), after=st.text())
def test_text_taken_back_is_followed_from_the_longest_common_start(
    form: Callable[[str], Any], before: str, after: str
) -> None:
    reply = Reply()
    reply.feed(form(before))
    fragment = reply.feed(form(after))
    assert reply.text == after
    common = after[: len(after) - len(fragment)]
    assert after == common + fragment
    assert before.startswith(common)
    if fragment and len(common) < len(before):
        assert before[len(common)] != fragment[0]


def test_a_placeholder_is_followed_by_the_reply() -> None:
    reply = Reply()
    assert reply.feed("Thinking...") == "Thinking..."
    assert reply.feed("The answer") == "e answer"
    assert reply.text == "The answer"


@pytest.mark.parametrize(
    "value", [None, [], [["question", None]], [{"role": "user", "content": "?"}]]
)
def test_a_question_alone_has_no_reply_yet(value: Any) -> None:
    assert reply_text(value) == ""


def test_all_that_the_assistant_said_since_the_question_is_the_reply() -> None:
    said = [
        {"role": "user", "content": "one?"},
        {"role": "assistant", "content": "1"},
        {"role": "user", "content": "two?"},
        {"role": "assistant", "content": "let me see"},
        {"role": "assistant", "content": "2"},
    ]
    assert reply_text(said) == "let me see\n\n2"


def test_files_in_a_reply_have_no_text() -> None:
    parts = [{"type": "text", "text": "see "}, {"type": "file", "file": {"path": "/x.png"}}]
    assert reply_text(
        [{"role": "user", "content": "?"}, {"role": "assistant", "content": parts}]
    ) == ("see ")
    assert reply_text([["?", ["/x.png", "a picture"]]]) == ""


@pytest.mark.parametrize(
    "value",
    [7, True, {"a": 1}, [7], [[1, 2, 3]], [["a", 7]], [{"role": "assistant", "content": 7}]],
)
def test_what_is_no_reply_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="reply cannot be"):
        reply_text(value)


def test_a_refusal_does_not_repeat_a_huge_output() -> None:
    with pytest.raises(ValueError, match="cannot be") as caught:
        reply_text({"text": "x" * 10**6})
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("value", ["x" * 999, ["x" * 999], {"x" * 999: 1}, [{"x": ["x" * 999]}]])
def test_all_that_an_output_holds_counts(value: Any) -> None:
    assert size_of(value) >= 999
