"""A Space's outputs to new text and new reasoning."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_gradio._page.reply import UNCHANGED, Reply, size_of, written

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
FORMS |= {
    "parts of other families": lambda text: [
        {"role": "user", "content": "question", "status": None},
        {"role": "assistant", "content": [{"type": "text", "content": text}], "status": "pending"},
    ],
    "a message": lambda text: {"role": "assistant", "content": text},
    "a dict with text": lambda text: {"text": text, "files": []},
    "a list of strings": lambda text: [text],
    "an update": lambda text: {
        "__type__": "update",
        "value": [["question", text]],
        "visible": True,
    },
}
forms = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
QUESTION = {"role": "user", "content": "?"}


def said(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **more}


def text_of(value: Any, before: Any = None) -> str:
    """The text of a reply that comes as one output."""
    reply = Reply(before)
    reply.feed(value)
    reply.end()
    return reply.text


@forms
@given(pieces=st.lists(st.text(), min_size=1))
def test_any_split_of_any_text_is_given_back_complete(
    form: Callable[[str], Any], pieces: list[str]
) -> None:
    reply = Reply()
    fragments = [reply.feed(form(text)) for text in accumulate(pieces)]
    assert fragments == [(piece, "") for piece in pieces]
    assert reply.end() == ("", "")
    assert reply.text == "".join(pieces)


@forms
@pytest.mark.parametrize(
    "text",
    [
        "no no no",
        "[['a', 'b']]",
        json.dumps([{"role": "user", "content": "x"}]),
        "<think>as plain text</think>",
        "👩‍👩‍👧",
        "  \n\t",
        "\0",
    ],
)
def test_text_that_looks_like_something_else_is_text(form: Callable[[str], Any], text: str) -> None:
    assert text_of(form(text)) == text


@forms
@given(before=st.text(), after=st.text())
def test_text_taken_back_is_followed_from_the_longest_common_start(
    form: Callable[[str], Any], before: str, after: str
) -> None:
    reply = Reply()
    reply.feed(form(before))
    fragment, _ = reply.feed(form(after))
    assert reply.text == after
    common = after[: len(after) - len(fragment)]
    assert after == common + fragment
    assert before.startswith(common)
    if fragment and len(common) < len(before):
        assert before[len(common)] != fragment[0]


@given(
    pieces=st.lists(st.text(), min_size=2),
    forms=st.lists(st.sampled_from([*FORMS.values()]), min_size=2),
)
def test_the_form_may_change_during_a_reply(
    pieces: list[str], forms: list[Callable[[str], Any]]
) -> None:
    reply = Reply()
    texts = list(accumulate(pieces))
    fragments = [reply.feed(forms[n % len(forms)](text))[0] for n, text in enumerate(texts)]
    assert fragments == pieces


def test_a_placeholder_is_followed_by_the_reply() -> None:
    reply = Reply()
    assert reply.feed("Thinking...") == ("Thinking...", "")
    assert reply.feed("The answer") == ("e answer", "")
    assert reply.text == "The answer"


def test_an_update_without_a_value_changes_nothing() -> None:
    reply = Reply()
    reply.feed("so far")
    assert reply.feed({"__type__": "update", "interactive": True}) == ("", "")
    assert reply.end() == ("", "")
    assert reply.text == "so far"
    assert written({"__type__": "update"}) is UNCHANGED
    assert written({"__type__": "update", "value": None}) is None
    assert written({"value": 1}) == {"value": 1}


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        [["question", None]],
        [QUESTION],
        [QUESTION, said(None)],
        [QUESTION, said([])],
        [said("an earlier answer"), QUESTION],
    ],
)
def test_a_reply_that_ends_with_the_question_is_an_error(value: Any) -> None:
    reply = Reply()
    assert reply.feed(value) == ("", "")
    with pytest.raises(ValueError, match="nothing from the assistant in"):
        reply.end()


def test_a_reply_without_outputs_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing from the assistant in None"):
        Reply().end()


def test_an_answer_without_text_is_an_answer() -> None:
    assert text_of([["question", ""]]) == ""
    assert text_of([QUESTION, said([{"type": "file", "file": {"path": "/x.png"}}])]) == ""


@pytest.mark.parametrize(
    "before",
    [
        [["question", "a placeholder"]],
        [["earlier", "answer"], [None, "and more"]],
        [[None, "Hello!"]],
        [QUESTION, said("a placeholder")],
        [said("Hello!")],
    ],
)
def test_what_the_chatbot_held_before_is_no_reply(before: list[Any]) -> None:
    normalized = json.loads(json.dumps(before))
    for message in normalized:
        if isinstance(message, dict):
            message |= {"metadata": None, "options": None}
    reply = Reply(before)
    assert reply.feed(normalized) == ("", "")
    with pytest.raises(ValueError, match="nothing from the assistant"):
        reply.end()


def test_a_placeholder_of_an_earlier_step_is_not_read() -> None:
    reply = Reply([["question", "Thinking..."]])
    assert reply.feed([["question", "Thinking..."]]) == ("", "")
    assert reply.feed([["question", "4"]]) == ("4", "")
    reply.end()


def test_the_same_answer_to_another_question_is_a_reply() -> None:
    assert text_of([["one?", "yes"], ["two?", "yes"]], before=[["one?", "yes"]]) == "yes"


def test_a_greeting_is_not_part_of_a_reply() -> None:
    assert text_of([[None, "Hello!"], ["?", "4"]], before=[[None, "Hello!"]]) == "4"
    assert text_of([said("Hello!"), said("4")], before=[said("Hello!")]) == "4"


def test_all_that_the_assistant_said_since_the_question_is_the_reply() -> None:
    messages = [
        {"role": "user", "content": "one?"},
        said("1"),
        {"role": "user", "content": "two?"},
        said("let me see"),
        said(""),
        {"role": "system", "content": "a note"},
        said("2"),
    ]
    assert text_of(messages) == "let me see\n\n2"
    assert text_of([["one?", "1"], ["two?", "let me see"], [None, "2"]]) == "let me see\n\n2"
    assert text_of(["let me see", {"content": "2"}, {"text": "!"}]) == "let me see\n\n2\n\n!"


def test_files_in_a_reply_have_no_text() -> None:
    parts = [{"type": "text", "text": "see "}, {"type": "file", "file": {"path": "/x.png"}}]
    assert text_of([QUESTION, said(parts)]) == "see "
    assert text_of([["?", ["/x.png", "a picture"]]]) == ""
    assert text_of([["?", {"text": "see", "files": [{"file": {"path": "/x.png"}}]}]]) == "see"


def test_what_a_model_thinks_is_not_part_of_the_text() -> None:
    reply = Reply()
    title = {"title": "Thinking", "status": "pending"}
    assert reply.feed([QUESTION, said("hm", metadata=title)]) == ("", "hm")
    assert reply.feed([QUESTION, said("hm, 4", metadata=title)]) == ("", ", 4")
    thought = [QUESTION, said([{"type": "text", "text": "hm, 4"}], metadata=title)]
    assert reply.feed([*thought, said("")]) == ("", "")
    assert reply.feed([*thought, said("It is 4", metadata={"title": None})]) == ("It is 4", "")
    reply.end()
    assert (reply.text, reply.reasoning) == ("It is 4", "hm, 4")


def test_what_a_model_thought_is_kept_if_the_page_takes_it_away() -> None:
    reply = Reply()
    title = {"title": "Thinking"}
    assert reply.feed([QUESTION, said("hm", metadata=title)]) == ("", "hm")
    assert reply.feed([QUESTION, said("It is")]) == ("It is", "")
    assert reply.feed([QUESTION, said("hm, 4", metadata=title), said("It is 4")]) == (" 4", ", 4")
    reply.end()
    assert (reply.text, reply.reasoning) == ("It is 4", "hm, 4")
    assert reply.feed([QUESTION, said("It is 4")]) == ("", "")
    assert reply.reasoning == "hm, 4"


@pytest.mark.parametrize(
    "thought",
    [{"type": "tool", "content": "hm"}, {"type": "thinking", "text": "hm"}, {"thought": True}],
)
def test_parts_that_are_marked_as_thoughts_are_reasoning(thought: dict[str, Any]) -> None:
    reply = Reply()
    parts = [{"content": "hm"} | thought, {"type": "text", "content": "4"}]
    assert reply.feed([QUESTION, said(parts)]) == ("4", "hm")


TAGS = [("<think>", "</think>"), ("<b>", "</b>")]


@given(cuts=st.lists(st.integers(0, 60)))
def test_text_between_declared_tags_is_reasoning_however_it_is_split(cuts: list[int]) -> None:
    text = "<think>2 < 3, 2</think>\n\nIt < is <b>well</b> 4 <th"
    reply = Reply(tags=TAGS)
    fragments = [reply.feed(text[:cut]) for cut in sorted(cuts)] + [reply.feed(text), reply.end()]
    assert reply.text == "".join(text for text, _ in fragments) == "It < is  4 <th"
    assert reply.reasoning == "".join(thought for _, thought in fragments) == "2 < 3, 2well"


def test_a_thought_that_does_not_end_is_reasoning() -> None:
    reply = Reply(tags=TAGS)
    assert reply.feed("so <think>hm</thi") == ("so ", "hm")
    assert reply.end() == ("", "</thi")


@pytest.mark.parametrize(
    "value",
    [7, True, {"a": 1}, [7], [[1, 2, 3]], [["a", 7]], [{"role": "assistant", "content": 7}]],
)
def test_what_is_no_reply_is_an_error(value: Any) -> None:
    with pytest.raises(ValueError, match="reply cannot be"):
        Reply().feed(value)


def test_an_error_does_not_repeat_a_huge_output() -> None:
    with pytest.raises(ValueError, match="cannot be") as caught:
        Reply().feed({"x": "x" * 10**6})
    assert len(str(caught.value)) < 200


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["role", "content", "text", "type", "value", "__type__", "metadata"])
            | st.text(),
            inner | st.sampled_from(["user", "assistant", "update", "tool"]),
        )
    ),
)


@given(before=JSON, outputs=st.lists(JSON))
def test_odd_outputs_raise_nothing_but_value_errors(before: Any, outputs: list[Any]) -> None:
    reply = Reply(before, TAGS)
    for output in outputs:
        with suppress(ValueError):
            reply.feed(output)
    with suppress(ValueError):
        reply.end()


@pytest.mark.parametrize("value", ["x" * 999, ["x" * 999], {"x" * 999: 1}, [{"x": ["x" * 999]}]])
def test_all_that_an_output_holds_counts(value: Any) -> None:
    assert size_of(value) >= 999
