"""A Space's outputs to text, reasoning and placeholders."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from itertools import accumulate
from typing import Any, get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qwen_gradio._gradio.updates import size_of
from qwen_gradio._page.fragments import Habit, Habits
from qwen_gradio._page.outputs import Reply, Source
from qwen_gradio._page.tags import THOUGHT_TAGS
from qwen_gradio._page.turns import UNCHANGED, value_of
from qwen_gradio._reply import Reasoning, StreamStatus, Update
from qwen_gradio.errors import GenerationError

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


def growing() -> Habits:
    """The habits of an app whose replies have only grown: it is read without any delay."""
    return Habits(Habit(only_grows=True), Habit(only_grows=True))


def new(updates: list[Update]) -> tuple[str, str]:
    """The text and the reasoning among updates."""
    text = (update for update in updates if isinstance(update, str))
    reasoning = (update.text for update in updates if isinstance(update, Reasoning))
    return "".join(text), "".join(reasoning)


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
    assume(any(pieces))
    reply = Reply()
    updates = [update for text in accumulate(pieces) for update in reply.feed(form(text))]
    assert new([*updates, *reply.end()]) == ("".join(pieces), "")
    assert reply.text == "".join(pieces)


@forms
def test_what_an_app_adds_that_only_grows_arrives_at_once(form: Callable[[str], Any]) -> None:
    reply = Reply(habits=growing())
    assert [reply.feed(form(text)) for text in ("It", "It is", "It is 4")] == [
        ["It"],
        [" is"],
        [" 4"],
    ]
    assert reply.end() == []


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
def test_text_that_starts_over_follows_after_a_blank_line(form: Callable[[str], Any]) -> None:
    reply = Reply()
    texts = ["Let me", "Let me see", "It is", "It is 4"]
    updates = [update for text in texts for update in reply.feed(form(text))]
    assert new([*updates, *reply.end()]) == ("Let me see\n\nIt is 4", "")
    assert reply.text == "It is 4"


@given(
    pieces=st.lists(st.text(), min_size=2),
    forms=st.lists(st.sampled_from([*FORMS.values()]), min_size=2),
)
def test_the_form_may_change_during_a_reply(
    pieces: list[str], forms: list[Callable[[str], Any]]
) -> None:
    assume(any(pieces))
    reply = Reply()
    texts = enumerate(accumulate(pieces))
    updates = [update for n, text in texts for update in reply.feed(forms[n % len(forms)](text))]
    assert new([*updates, *reply.end()]) == ("".join(pieces), "")


def test_what_is_held_back_of_a_reply_that_fails_is_given_back() -> None:
    reply = Reply(thought_tags=THOUGHT_TAGS)
    assert reply.release() == []
    assert reply.feed("<think>hm</think>It") == []
    assert reply.release() == [Reasoning("hm"), "It"]


def test_a_placeholder_is_a_status() -> None:
    reply = Reply()
    assert reply.feed("Thinking...") == [StreamStatus("log", log="Thinking...", level="info")]
    assert reply.feed("The answer") == []
    assert reply.end() == ["The answer"]
    assert reply.text == "The answer"


def test_an_update_without_a_value_changes_nothing() -> None:
    reply = Reply()
    reply.feed("so far")
    assert reply.feed({"__type__": "update", "interactive": True}) == []
    assert reply.end() == ["so far"]
    assert reply.text == "so far"
    assert value_of({"__type__": "update"}) is UNCHANGED
    assert value_of({"__type__": "update", "value": None}) is None
    assert value_of({"value": 1}) == {"value": 1}


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
    assert reply.feed(value) == []
    with pytest.raises(ValueError, match="nothing from the assistant in"):
        reply.end()


def test_a_reply_without_outputs_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing from the assistant in None"):
        Reply().end()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "The reply is empty"),
        ([["question", ""]], "The reply is empty"),
        ([QUESTION, said("")], "The reply is empty"),
        ([QUESTION, said([{"type": "text", "text": ""}])], "The reply is empty"),
        ([QUESTION, said("4", metadata={"title": "Thinking"})], "the model thought and did not"),
        ([QUESTION, said([{"type": "file", "file": {"path": ""}}])], "only: a file"),
        ([["?", {"file": {"path": None, "mime_type": "image/png"}}]], "only: image/png"),
        (
            [QUESTION, said([{"type": "component", "component": "gallery", "value": []}])],
            "only: gallery",
        ),
        (
            [QUESTION, said({"component": "image"}), said({"component": "plot"})],
            "only: image, plot",
        ),
        ([["?", {"text": "", "files": [{"file": {}}]}]], "only: a file"),
        ({"path": 1}, "only: a file"),
    ],
)
def test_a_reply_without_text_is_an_error_that_says_what_came(value: Any, reason: str) -> None:
    with pytest.raises(GenerationError, match=reason):
        text_of(value)


@pytest.mark.parametrize(
    "value",
    [
        "<gradio.components.image.Image object at 0x7f1c2d3e4f50>",
        "[<gradio.components.gallery.Gallery object at 0x7f1c2d3e4f50>, 'and more']",
        "('/srv/red.png', 'a red square')",
        "('/srv/red.png',)",
        "{'path': '/srv/red.png', 'url': None}",
        ["<gradio.components.plot.Plot object at 0x7f1c2d3e4f50>"],
        said("<gradio.components.image.Image object at 0x7f1c2d3e4f50>"),
        {"__type__": "update", "value": "/srv/red.png"},
        {"__type__": "update", "value": ["/srv/red.png", "/srv/blue.png"]},
    ],
)
def test_a_component_that_a_chat_interface_returns_is_no_text(value: Any) -> None:
    reply = Reply(source="interface")
    assert reply.feed(value) == []
    with pytest.raises(GenerationError, match="The reply has no text, only:"):
        reply.end()


@pytest.mark.parametrize(
    "text", ["See /srv/red.png", "('a', 'b')", "{'path': 7}", "Use <gradio.Image object>"]
)
def test_text_about_components_is_text(text: str) -> None:
    reply = Reply(source="interface")
    assert new([*reply.feed(text), *reply.end()]) == (text, "")


def from_function(*yields: str) -> str:
    """The reply of a function of `gr.api` that yields these."""
    reply = Reply(source="function")
    updates = [update for text in yields for update in reply.feed(text)]
    fragments, _ = new([*updates, *reply.end()])
    assert fragments == reply.text
    return fragments


@given(st.lists(st.text(min_size=1), min_size=2))
def test_yields_that_do_not_begin_with_the_one_before_are_pieces(pieces: list[str]) -> None:
    assume(not pieces[1].startswith(pieces[0]))
    assert from_function(*pieces) == "".join(pieces)


@given(st.text(min_size=1), st.lists(st.text(min_size=1)))
def test_yields_that_begin_with_the_one_before_are_snapshots(first: str, pieces: list[str]) -> None:
    assert from_function(*accumulate([first, *pieces])) == "".join([first, *pieces])


def test_only_functions_yield_pieces() -> None:
    reply = Reply()
    for text in ("Hel", "lo"):
        reply.feed(text)
    reply.end()
    assert reply.text == "lo"


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
    assert reply.feed(normalized) == []
    with pytest.raises(ValueError, match="nothing from the assistant"):
        reply.end()


def test_a_placeholder_of_an_earlier_step_is_not_read() -> None:
    reply = Reply([["question", "Thinking..."]], habits=growing())
    assert reply.feed([["question", "Thinking..."]]) == []
    assert reply.feed([["question", "4"]]) == ["4"]
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
    assert text_of([["?", {"text": "see", "files": [{"file": {"path": "/x.png"}}]}]]) == "see"


def test_what_a_model_thinks_is_not_part_of_the_text() -> None:
    reply = Reply(habits=growing())
    title = {"title": "Thinking", "status": "pending"}
    assert reply.feed([QUESTION, said("hm", metadata=title)]) == [Reasoning("hm")]
    assert reply.feed([QUESTION, said("hm, 4", metadata=title)]) == [Reasoning(", 4")]
    thought = [QUESTION, said([{"type": "text", "text": "hm, 4"}], metadata=title)]
    assert reply.feed([*thought, said("")]) == []
    assert reply.feed([*thought, said("It is 4", metadata={"title": None})]) == ["It is 4"]
    assert reply.end() == []
    assert (reply.text, reply.reasoning) == ("It is 4", "hm, 4")


def test_what_a_model_thought_is_kept_if_the_page_takes_it_away() -> None:
    reply = Reply(habits=growing())
    title = {"title": "Thinking"}
    assert reply.feed([QUESTION, said("hm", metadata=title)]) == [Reasoning("hm")]
    assert reply.feed([QUESTION, said("It is")]) == ["It is"]
    both = [QUESTION, said("hm, 4", metadata=title), said("It is 4")]
    assert reply.feed(both) == [Reasoning(", 4"), " 4"]
    assert reply.end() == []
    assert (reply.text, reply.reasoning) == ("It is 4", "hm, 4")
    assert reply.feed([QUESTION, said("It is 4")]) == []
    assert reply.reasoning == "hm, 4"


@pytest.mark.parametrize(
    "thought",
    [{"type": "tool", "content": "hm"}, {"type": "thinking", "text": "hm"}, {"thought": True}],
)
def test_parts_that_are_marked_as_thoughts_are_reasoning(thought: dict[str, Any]) -> None:
    reply = Reply(habits=growing())
    parts = [{"content": "hm"} | thought, {"type": "text", "content": "4"}]
    assert reply.feed([QUESTION, said(parts)]) == [Reasoning("hm"), "4"]


TAGS = [("<think>", "</think>"), ("<b>", "</b>")]


def read_in_parts(reply: Reply, text: str, cuts: list[int]) -> tuple[str, str]:
    """Feed text that grows from cut to cut; return the joined fragments of text and reasoning."""
    snapshots = [text[:cut] for cut in sorted(cuts)] + [text]
    updates = [update for snapshot in snapshots for update in reply.feed(snapshot)]
    said, thought = new([*updates, *reply.end()])
    assert (reply.text, reply.reasoning) == (said, thought)
    return said, thought


@given(cuts=st.lists(st.integers(0, 60)))
def test_text_between_declared_tags_is_reasoning_however_it_is_split(cuts: list[int]) -> None:
    text = "<think>2 < 3, 2</think>\n\nIt < is <b>well</b> 4 <th"
    said, thought = read_in_parts(Reply(tags=TAGS), text, cuts)
    assert (said, thought) == ("It < is  4 <th", "2 < 3, 2well")


def test_a_thought_that_does_not_end_is_reasoning() -> None:
    reply = Reply(tags=TAGS, habits=growing())
    assert reply.feed("so <think>hm</thi") == [Reasoning("hm"), "so "]
    assert reply.end() == [Reasoning("</thi")]


CLOSED = "Okay, the user greets.\n</think>\n\nHello"


@pytest.mark.parametrize(
    ("text", "answer", "thought"),
    [
        (CLOSED, "Hello", "Okay, the user greets."),
        ("<think>\nlet me see\n</think>\n\nHello", "Hello", "let me see"),
        ("<thought>let me see</thought>Hello", "Hello", "let me see"),
        ("<thinking>let me see</thinking>\n\nHello", "Hello", "let me see"),
        ("<think>a</think>\n\n</think>\n\nHello", "Hello", "a"),
        ("Write `<think>` and `</think>` around it.",) * 2 + ("",),
    ],
)
@given(cuts=st.lists(st.integers(0, 60)))
def test_undeclared_tags_enclose_reasoning_only_if_the_caller_says_so(
    text: str, answer: str, thought: str, cuts: list[int]
) -> None:
    assert read_in_parts(Reply(), text, cuts) == (text, "")
    # Where the first tag is missing, the first reply begins before its end is known.
    habits = Habits(omits_first_tag=text == CLOSED)
    reply = Reply(thought_tags=THOUGHT_TAGS, habits=habits)
    said, reasoning = read_in_parts(reply, text, cuts)
    assert (said, reasoning.strip()) == (answer, thought)


def test_a_space_that_omits_the_first_tag_is_known_after_one_reply() -> None:
    habits = Habits()
    first = Reply(thought_tags=THOUGHT_TAGS, habits=habits)
    for cut in range(3, len(CLOSED) + 3, 3):
        first.feed(CLOSED[:cut])
    first.end()
    assert (first.text, first.reasoning) == ("Hello", "Okay, the user greets.\n")
    assert habits.omits_first_tag
    second = Reply(thought_tags=THOUGHT_TAGS, habits=habits)
    said, thought = read_in_parts(second, CLOSED, [5, 30])
    assert (said, thought.strip()) == ("Hello", "Okay, the user greets.")
    without = Reply(thought_tags=THOUGHT_TAGS, habits=habits)
    assert read_in_parts(without, "Hello", [2]) == ("Hello", "")


@pytest.mark.parametrize(
    "value",
    [7, True, {"a": 1}, [7], [[1, 2, 3]], [["a", 7]], [{"role": "assistant", "content": 7}]],
)
def test_what_is_no_reply_is_an_error(value: Any) -> None:
    with pytest.raises(ValueError, match=r"reply cannot be|an object has none of"):
        Reply().feed(value)


def test_an_error_does_not_repeat_a_huge_output() -> None:
    with pytest.raises(ValueError, match="an object has none of") as caught:
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


@pytest.mark.slow
@given(before=JSON, outputs=st.lists(JSON))
def test_odd_outputs_raise_nothing_but_our_errors(before: Any, outputs: list[Any]) -> None:
    for source in get_args(Source):
        reply = Reply(before, TAGS, thought_tags=THOUGHT_TAGS, source=source)
        for output in outputs:
            with suppress(ValueError):
                reply.feed(output)
        with suppress(ValueError, GenerationError):
            reply.end()


@pytest.mark.parametrize("value", ["x" * 999, ["x" * 999], {"x" * 999: 1}, [{"x": ["x" * 999]}]])
def test_all_that_an_output_holds_counts(value: Any) -> None:
    assert size_of(value) >= 999
