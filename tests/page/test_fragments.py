"""Snapshots to fragments: no word twice, none missing, nothing that was taken back."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from itertools import accumulate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qwen_gradio._page.fragments import CURSORS, PLACEHOLDER, Appender, Habit

Snapshots = list[str]

WORDS = st.sampled_from(
    [
        *("Paris", "the", "is", "on", "x", "42", "**bold**", "`code`", "don't", "e.g.", "now:"),
        *("émigré", "巴黎是法国的首都", "😀"),
    ]
)
LINES = st.lists(WORDS, min_size=1, max_size=6).map(" ".join)
MARKDOWN = st.lists(
    LINES
    | st.builds("1. {}\n   - {}\n   - {}\n2. {}".format, LINES, LINES, LINES, LINES)
    | st.builds("    {}\n        {}".format, LINES, LINES)
    | st.builds("```py\n{}\n    {}\n```".format, LINES, LINES)
    | st.builds("> {}\n> {}".format, LINES, LINES),
    min_size=1,
    max_size=4,
).map("\n\n".join)
"""Text of the sort that models write."""


@st.composite
def growing(draw: st.DrawFn, texts: st.SearchStrategy[str] = MARKDOWN) -> Snapshots:
    """Snapshots of a text that only grows, by single characters or by a whole paragraph."""
    text = draw(texts)
    cuts = draw(st.lists(st.integers(1, max(1, len(text))), max_size=20))
    return [*(text[:cut] for cut in sorted({*cuts} - {len(text)})), text]


def read(snapshots: Snapshots, habit: Habit | None = None) -> str:
    """The joined fragments of a reply."""
    appender = Appender(habit or Habit())
    fragments = [appender.feed(snapshot)[0] for snapshot in snapshots]
    return "".join([*fragments, appender.end(snapshots[-1])])


@given(growing(st.text(min_size=1)), st.sampled_from([None, True, False]))
def test_a_reply_that_only_grows_is_verbatim(snapshots: Snapshots, only_grows: bool | None) -> None:
    assert read(snapshots, Habit(only_grows)) == snapshots[-1]


def is_plain(text: str) -> bool:
    """Whether nothing at its end looks like something that will be taken back."""
    return text[-1:] not in CURSORS and not PLACEHOLDER.fullmatch(text) and "\n" not in text


@given(st.lists(st.text(min_size=1).filter(is_plain), min_size=1))
def test_where_replies_only_grow_an_addition_arrives_at_once(pieces: list[str]) -> None:
    snapshots = [text for text in accumulate(pieces) if is_plain(text)]
    appender = Appender(Habit(only_grows=True))
    for end, snapshot in enumerate(snapshots):
        before = snapshots[end - 1] if end else ""
        assert appender.feed(snapshot) == (snapshot.removeprefix(before), "")


def test_the_first_reply_of_an_app_begins_one_snapshot_later() -> None:
    appender = Appender(Habit())
    fragments = [appender.feed(text)[0] for text in ("It", "It is", "It is 4")]
    assert fragments == ["", "It is", " 4"]
    assert appender.end("It is 4") == ""


def test_what_is_held_back_of_a_reply_that_fails_is_text_but_no_placeholder() -> None:
    appender = Appender(Habit())
    assert appender.feed("Thinking...") == ("", "Thinking...")
    assert appender.release() == ""
    assert appender.feed("It is") == ("", "")
    assert appender.release() == "It is"
    assert appender.release() == ""


def test_a_reply_that_only_grew_lets_the_next_begin_at_once() -> None:
    habit = Habit()
    read(["It", "It is"], habit)
    assert habit == Habit(only_grows=True)
    assert Appender(habit).feed("It") == ("It", "")


def test_one_snapshot_shows_nothing_about_an_app() -> None:
    habit = Habit()
    read(["It is"], habit)
    assert habit == Habit(only_grows=None)


def test_after_words_were_taken_back_only_what_two_snapshots_share_is_emitted() -> None:
    habit = Habit(only_grows=True)
    read(["Paris #1", "Paris is #2", "Paris is large"], habit)
    assert habit == Habit(only_grows=False)
    appender = Appender(habit)
    fragments = [appender.feed(text)[0] for text in ("Rome #1", "Rome is #2", "Rome is old #3")]
    assert fragments == ["", "Rome ", "is "]
    assert appender.end("Rome is old") == "old"


def with_cursor(cursor: str) -> Callable[[Snapshots], Snapshots]:
    return lambda texts: [*(f"{text}{cursor}" for text in texts[:-1]), texts[-1]]


def with_spinner(texts: Snapshots) -> Snapshots:
    return [*(f"{text} {'⠋⠙⠹⠸'[n % 4]}" for n, text in enumerate(texts[:-1])), texts[-1]]


def with_footer(footer: str) -> Callable[[Snapshots], Snapshots]:
    return lambda texts: [text + footer.format(n) for n, text in enumerate(texts, 3)]


def with_closed_fences(texts: Snapshots) -> Snapshots:
    return [text + ("\n```" if text.count("```") % 2 else "") for text in texts]


def with_counter_in_front(texts: Snapshots) -> Snapshots:
    return [f"**{n} tokens**\n\n{text}" for n, text in enumerate(texts, 1)]


def with_half_a_character(texts: Snapshots) -> Snapshots:
    return [f"{text}\ufffd" if n % 2 else text for n, text in enumerate(texts[:-1])] + texts[-1:]


def after_a_thought(texts: Snapshots) -> Snapshots:
    thought = "<details><summary>{}</summary>\nLet me see{}\n</details>"
    thinking = [thought.format("Thinking", dots) for dots in (".", ". 4", ". 4?")]
    done = thought.format("Thought for 3 s", ". 4?")
    return [*thinking, *(f"{done}\n\n{text}" for text in texts)]


def after(*placeholders: str) -> Callable[[Snapshots], Snapshots]:
    return lambda texts: [*placeholders, *texts]


def dedented(texts: Snapshots) -> Snapshots:
    return [inspect.cleandoc(text) for text in texts]


REWRITINGS: dict[str, list[Callable[[Snapshots], Snapshots]]] = {
    "nothing": [],
    "a margin": [dedented],
    "a cursor": [with_cursor("▌")],
    "a cursor after a space": [with_cursor(" ▌")],
    "a spinner": [with_spinner],
    "a footer": [with_footer("\n\n---\n*{} tok/s*")],
    "a counter at the end": [with_footer("\n\n*{} tokens*")],
    "a counter in front": [with_counter_in_front],
    "a fence": [with_closed_fences],
    "a placeholder": [after("Thinking...")],
    "several placeholders": [after("⏳ Reading it...", "⏳ Writing...")],
    "half a character": [with_half_a_character],
    "stripped at the end": [lambda texts: [*texts, texts[-1].strip()]],
    "stripped": [lambda texts: [text.strip() for text in texts]],
    "a summary": [after_a_thought],
    "a margin and a cursor": [with_cursor("▌"), dedented],
    "a placeholder and a footer": [with_footer("\n\n*{} s*"), after("Thinking...")],
    "a fence and a margin": [with_closed_fences, dedented],
    "a summary and a cursor": [after_a_thought, with_cursor(" ▌")],
}


@pytest.mark.parametrize("rewritings", REWRITINGS.values(), ids=REWRITINGS)
@given(texts=growing())
def test_what_an_app_rewrites_repeats_no_word_and_loses_none(
    rewritings: list[Callable[[Snapshots], Snapshots]], texts: Snapshots
) -> None:
    for rewrite in rewritings:
        texts = rewrite(texts)
    habit = Habit()
    assert read(texts, habit).split() == texts[-1].split()
    assert read(texts, habit).split() == texts[-1].split()  # with what the first has shown


def test_a_fence_that_was_closed_amid_the_apps_own_is_seen_as_taken_back() -> None:
    texts = with_closed_fences(["```py\nx\n`", "```py\nx\n```\n\n```py\ny\n```"])
    habit = Habit()
    read(texts, habit)
    assert habit == Habit(only_grows=False)
    assert read(texts, habit) == texts[-1]


def test_a_cursor_that_stands_alone_shows_nothing_about_an_app() -> None:
    habit = Habit()
    assert read(["Hello|", "Hello |", "Hello you|", "Hello you"], habit) == "Hello you"
    assert habit == Habit(only_grows=False)


@pytest.mark.parametrize(
    "placeholder",
    [
        *(
            "Thinking...",
            "Thinking",
            "⏳ Loading",
            "Please wait…",
            "*Generating...*",
            "🤔 Thinking",
        ),
        *("...", "Searching (3s)", "思考中...", "正在思考", "Reading page 4 of 9..."),
    ],
)
@pytest.mark.parametrize("only_grows", [None, True, False])
def test_a_placeholder_is_reported_and_not_emitted(
    placeholder: str, only_grows: bool | None
) -> None:
    appender = Appender(Habit(only_grows))
    assert appender.feed(placeholder) == ("", placeholder)
    assert appender.feed(placeholder) == ("", "")
    fragments = [appender.feed(text)[0] for text in ("Paris", "Paris is")]
    assert "".join([*fragments, appender.end("Paris is")]) == "Paris is"


@pytest.mark.parametrize(
    "text",
    ["Thinking about it...", "Loading", "Well... no", "思考中是一个词", "Please wait, then go"],
)
def test_text_that_begins_as_a_placeholder_is_text(text: str) -> None:
    assert read([text[:end] for end in range(1, len(text) + 1)]) == text
    assert read([text]) == text


def test_a_footer_may_change_while_the_text_does_not() -> None:
    texts = ["Hi\n\n---\n*1 s*", "Hi\n\n---\n*2 s*", "Hi\n\n---\n*3 s*", "Hi you\n\n---\n*4 s*"]
    assert read(texts) == "Hi you\n\n---\n*4 s*"


def test_what_was_emitted_stays_where_an_app_starts_over() -> None:
    first = ["Let me look", "Let me look it up", "Let me look it up now"]
    second = ["The capital", "The capital is", "The capital is Paris"]
    for only_grows in (None, True):
        said = read([*first, *second], Habit(only_grows))
        assert said == "Let me look it up now\n\nThe capital is Paris"
    # Of an app that does so, the last snapshot of what is taken back may be held back.
    assert read([*first, *second], Habit(only_grows=False)) == (
        "Let me look it up\n\nThe capital is Paris"
    )


def test_an_app_starts_over_from_the_first_line_that_differs() -> None:
    texts = [
        "# Capital\nIt is",
        "# Capital\nIt is Rome",
        "# Capital\nOr Paris",
        "# Capital\nOr Paris!",
    ]
    assert read(texts) == "# Capital\nIt is Rome\n\nOr Paris!"


@given(st.lists(st.text() | MARKDOWN, min_size=1), st.sampled_from([None, True, False]))
@example(["\ud83d", "\ud83d\ude00", "", "\udc00 a", "b"], None)
def test_snapshots_that_have_nothing_in_common_repeat_nothing(
    snapshots: Snapshots, only_grows: bool | None
) -> None:
    said = read(snapshots, Habit(only_grows))
    assert len(said) <= sum(len(snapshot) + 2 for snapshot in snapshots)


def test_two_texts_that_alternate_for_ever_are_not_repeated_for_ever() -> None:
    appender = Appender(Habit())
    one, other = "This is the one text. " * 1000, "And that is the other. " * 1000
    fragments = [appender.feed(text)[0] for _ in range(200) for text in (one, other)]
    assert len("".join([*fragments, appender.end(other)])) < 2 * len(one + other)


def test_a_reply_that_shrinks_to_nothing_emits_nothing_more() -> None:
    appender = Appender(Habit())
    fragments = [appender.feed("It is 4"[:end])[0] for end in (4, 5, 7, 5, 2, 0)]
    assert "".join([*fragments, appender.end("")]) == "It is 4"


@pytest.mark.slow
def test_huge_snapshots_take_linear_time_and_memory() -> None:
    """None of these ends within an hour where a step takes quadratic time."""
    huge = "word and " * (30 * 2**20 // 9)
    for snapshots in (
        [huge, huge + "end"],
        ["start", "other " + huge, huge],
        [huge + "▌", huge + "more▌", huge[1:]],
        [
            "\n" * 2**20,
            " " * 2**20 + "a",
            "`" * 2**20,
            "</a>" * 2**18,
            "(" * 2**20 + "\n\n" * 2**19,
        ],
        ["." * 2**20, "*\n\n" * 2**19, "<details" * 2**17, "⏳" * 2**20],
    ):
        appender = Appender(Habit())
        for snapshot in snapshots:
            appender.feed(snapshot)
        appender.end(snapshots[-1])
        held = sum(sys.getsizeof(text) for text in vars(appender).values() if isinstance(text, str))
        assert held < 3 * max(map(sys.getsizeof, snapshots))


@pytest.mark.slow
def test_a_hundred_thousand_fragments_take_no_longer_each() -> None:
    appender = Appender(Habit())
    text = ""
    for number in range(100_000):
        text += f"{number} "
        appender.feed(text)
    assert appender.end(text) == ""
