"""Messages to what a Space is asked."""

from __future__ import annotations

import enum
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_gradio._messages import prompt_from, to_messages
from qwen_gradio._page.history import as_messages, as_pairs, as_parts
from qwen_gradio.errors import InvalidMessagesError, QwenGradioError


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def system(content: Any) -> dict[str, Any]:
    return {"role": "system", "content": content}


@given(st.text())
def test_one_message_goes_verbatim(text: str) -> None:
    prompt = prompt_from([user(text)])
    assert prompt.query_and_history(history=True, system=True) == (text, ())


def test_system_messages_are_joined_wherever_they_stand() -> None:
    prompt = prompt_from([system("Be brief."), user("hi"), system("Be kind.")])
    assert prompt.system == "Be brief.\nBe kind."
    assert prompt.query_and_history(history=True, system=True) == ("hi", ())


def test_several_messages_become_lines_with_their_roles() -> None:
    prompt = prompt_from([user("1+1?"), assistant("2"), user("sure?")])
    flat = "User: 1+1?\nAssistant: 2\nUser: sure?\nAssistant:"
    assert prompt.query_and_history(history=True, system=True) == (flat, ())


def test_native_history_keeps_earlier_turns_apart() -> None:
    prompt = prompt_from([system("s"), user("1+1?"), assistant("2"), user("sure?")], "native")
    earlier = (("user", "1+1?"), ("assistant", "2"))
    assert prompt.query_and_history(history=True, system=True) == ("sure?", earlier)
    assert prompt.system == "s"


def test_what_a_space_has_no_input_for_goes_in_the_query() -> None:
    prompt = prompt_from([system("s"), user("1+1?"), assistant("2"), user("sure?")], "native")
    query, earlier = prompt.query_and_history(history=False, system=False)
    assert query == "System: s\nUser: 1+1?\nAssistant: 2\nUser: sure?\nAssistant:"
    assert earlier == ()


@given(st.lists(st.text(), min_size=1))
def test_text_parts_are_one_text(texts: list[str]) -> None:
    parts = [{"type": "text", "text": text} for text in texts]
    assert prompt_from([user(parts)]).turns == (("user", "".join(texts)),)


def test_messages_can_be_any_iterable_of_mappings() -> None:
    assert prompt_from(iter([user("hi")])).turns == (("user", "hi"),)


@pytest.mark.parametrize(
    "reasoning",
    [
        {"type": "thinking", "thinking": "x", "signature": "s"},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "reasoning", "summary": []},
        {"type": "reasoning_content", "reasoning_content": {"text": "x"}},
        {"type": "thought", "text": "x"},
    ],
    ids=lambda part: str(part["type"]),
)
def test_reasoning_in_earlier_turns_is_left_out(reasoning: dict[str, Any]) -> None:
    answer = {"type": "output_text", "text": "4", "annotations": []}
    prompt = prompt_from([user("a"), assistant([reasoning, answer]), user("b")])
    assert prompt.turns == (("user", "a"), ("assistant", "4"), ("user", "b"))


@pytest.mark.parametrize(
    "message",
    [
        {**assistant(None), "reasoning_content": "x"},
        {"role": "assistant", "reasoning": "x"},
        assistant(""),
        assistant([]),
        assistant([{"type": "reasoning", "summary": []}]),
        ("ai", None),
    ],
    ids=repr,
)
@pytest.mark.parametrize("history", ["flat", "native"])
def test_an_assistants_turn_without_text_is_skipped(message: Any, history: Any) -> None:
    prompt = prompt_from([user("a"), message, user("b")], history)
    assert prompt.turns == (("user", "a"), ("user", "b"))
    assert prompt_from([user("a"), message], history).turns == (("user", "a"),)


class Role(str, enum.Enum):
    USER = "user"


@dataclass
class Line:
    role: str
    content: str


@pytest.mark.parametrize(
    ("message", "turn"),
    [
        ({"role": "developer", "content": "Be brief."}, ("system", "Be brief.")),
        (("developer", "Be brief."), ("system", "Be brief.")),
        (("user", "hi"), ("user", "hi")),
        (("human", "hi"), ("user", "hi")),
        (("ai", "hello"), ("assistant", "hello")),
        ({**user("hi"), "name": "ada"}, ("user", "hi")),
        ({"role": Role.USER, "content": "hi"}, ("user", "hi")),
        (Line("user", "hi"), ("user", "hi")),
        ({**assistant("hello"), "tool_calls": None}, ("assistant", "hello")),
        ({**assistant("hello"), "tool_calls": [], "function_call": None}, ("assistant", "hello")),
    ],
    ids=repr,
)
def test_messages_of_every_form_are_understood(message: Any, turn: tuple[str, str]) -> None:
    question = [user("?")]
    prompt = prompt_from([message, *question])
    if turn[0] == "system":
        assert (prompt.system, prompt.turns) == (turn[1], (("user", "?"),))
    else:
        assert prompt.turns == (turn, ("user", "?"))
    assert type(prompt.turns[0][0]) is str
    # A batch stores them as JSON.
    assert prompt_from(json.loads(json.dumps(to_messages([message, *question])))) == prompt


CALL = {"id": "1", "type": "function", "function": {"name": "sum", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ({**assistant(None), "tool_calls": [CALL]}, "only text can be sent, not tool_calls"),
        ({**assistant("Sure."), "tool_calls": [CALL]}, "not tool_calls"),
        ({**assistant(None), "function_call": {"name": "sum"}}, "not function_call"),
        ({"role": "tool", "content": "2", "tool_call_id": "1"}, "what a tool returned .*'tool'"),
        ({"role": "function", "content": "2", "name": "sum"}, "what a tool returned .*'function'"),
        (("wizard", "hi"), "unknown role 'wizard'"),
        (("user", None), "has no content"),
        (("user", "hi", "there"), "must be a dict .* or a tuple of both, not tuple"),
        pytest.param(object(), "must be a dict .* an object with these", id="an object"),
    ],
    ids=repr,
)
def test_tools_and_what_is_no_message_are_rejected(message: Any, complaint: str) -> None:
    with pytest.raises(InvalidMessagesError, match=rf"messages\[1\].*{complaint}"):
        prompt_from([user("hi"), message, user("?")])


def test_a_message_alone_is_no_list() -> None:
    with pytest.raises(InvalidMessagesError, match=r"list of messages, not \w+; one question is"):
        prompt_from(Line("user", "hi"))  # type: ignore[arg-type]


def test_pairs_have_a_gap_where_a_turn_is_missing() -> None:
    turns = [("assistant", "hello"), ("user", "a"), ("user", "b"), ("assistant", "c")]
    assert as_pairs(turns) == [[None, "hello"], ["a", None], ["b", "c"]]


def test_messages_and_parts_keep_role_and_text() -> None:
    assert as_messages([("user", "a")]) == [user("a")]
    assert as_parts([("user", "a")]) == [user([{"type": "text", "text": "a"}])]


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        (None, "not NoneType"),
        ([], "the list is empty"),
        ("hi", "not str"),
        (user("hi"), "not dict"),
        (7, "not int"),
        (["hi"], r"messages\[0\]: must be a dict"),
        ([user("hi"), None], r"messages\[1\]: must be a dict"),
        ([{"content": "hi"}], r"messages\[0\] has no role"),
        ([user("hi"), {"role": "wizard", "content": "hi"}], r"messages\[1\].*'wizard'"),
        ([{"role": ["user"], "content": "hi"}], r"messages\[0\].*unknown role"),
        ([{"role": "user"}], r"messages\[0\] has no content"),
        ([user("hi"), user(None)], r"messages\[1\] has no content"),
        ([user([{"type": "thinking", "thinking": "x"}])], r"messages\[0\], part 0: .*'thinking'"),
        ([user([{"type": "output_text", "text": "x"}])], r"messages\[0\].*'output_text'"),
        (
            [user("hi"), assistant([{"type": "reasoning"}, {"type": "image"}])],
            r"messages\[1\], part 1: only text can be sent, not 'image'",
        ),
        ([user(7)], r"messages\[0\].*not int"),
        ([user(b"hi")], r"messages\[0\].*not bytes"),
        ([user([])], r"messages\[0\] has no content"),
        ([user(["hi"])], r"messages\[0\], part 0: only text can be sent, not 'str'"),
        ([user([{"type": "text"}])], r"messages\[0\], part 0: .* its text"),
        (
            [user([{"type": "text", "text": "?"}, {"type": "image_url", "image_url": {}}])],
            r"messages\[0\], part 1: .*'image_url' needs its file as a data: or https: URL",
        ),
        ([system("s")], "no user message"),
        ([system("s"), assistant("hello")], "no user message"),
    ],
)
def test_what_cannot_be_sent_is_named(messages: Any, complaint: str) -> None:
    with pytest.raises(InvalidMessagesError, match=complaint) as caught:
        prompt_from(messages)
    assert isinstance(caught.value, QwenGradioError)
    assert isinstance(caught.value, ValueError)


def test_a_chat_that_ends_with_an_answer_goes_into_the_query_as_a_whole() -> None:
    prompt = prompt_from([system("s"), user("hi"), assistant("hello")], "native")
    query, turns = prompt.query_and_history(history=True, system=True)
    assert (query, turns) == ("User: hi\nAssistant: hello\nAssistant:", ())


def test_a_system_prompt_given_apart_is_none_of_the_messages_in_errors() -> None:
    with pytest.raises(InvalidMessagesError, match=r"messages\[1\] has no content"):
        prompt_from(to_messages([user("hi"), user(None)], "s"))
    with pytest.raises(InvalidMessagesError, match=r"system has .* at 1, .* not Unicode"):
        prompt_from(to_messages("hi", "s\udce9"))


def test_history_has_two_ways() -> None:
    with pytest.raises(InvalidMessagesError, match="'tape'"):
        prompt_from([user("hi")], "tape")  # type: ignore[arg-type]


def test_text_that_is_not_unicode_is_refused_without_quoting_it() -> None:
    read_as_ascii = b"caf\xe9".decode("ascii", "surrogateescape")
    with pytest.raises(InvalidMessagesError, match=r"messages\[1\] has .* at 3, .* not Unicode"):
        prompt_from([system("s"), user([{"type": "text", "text": read_as_ascii}])])


any_text = st.text() | st.text(st.characters())  # of which the second has surrogates
anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | any_text | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.sampled_from(["role", "content", "type", "text"]), inner)
    ),
)
nearly_messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant"]) | anything, "content": anything}
    )
)


@pytest.mark.slow
@given(anything | nearly_messages)
def test_any_input_is_sent_or_refused_in_our_words(messages: Any) -> None:
    with suppress(InvalidMessagesError):
        prompt = prompt_from(messages)
        json.dumps([prompt.turns, prompt.system], ensure_ascii=False).encode()
