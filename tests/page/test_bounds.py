"""What a component accepts, from its properties in /config."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_gradio._page.bounds import read_bounds

SLIDER = {"minimum": 0.1, "maximum": 4.0, "step": 0.1}
TOKENS = {"minimum": 1, "maximum": 2048, "step": 16}
SPEED = {"choices": [["Fast", "f"], ["Slow", "s"]]}
MODES = {"choices": [["1", 1], ["2.5", 2.5]]}
LABELS = {"choices": [["A", 1], ["B", True], ["1", "one"]]}


@pytest.mark.parametrize(
    ("props", "value", "accepted"),
    [
        (SLIDER, 0, 0.1),
        (SLIDER, 9, 4.0),
        (SLIDER, 0.7, 0.7),
        (SLIDER, 0.72, 0.7),
        (SLIDER, 2, 2),
        (TOKENS, 32000, 2048),
        (TOKENS, 100, 97),
        (TOKENS, 2047, 2048),
        ({"minimum": 0.5, "maximum": 3, "step": 1}, 1.4, 1.5),
        ({"minimum": 1, "step": 0.5}, 1.2, 1.0),
        ({"maximum": 2}, -5, -5),
        ({}, 7, 7),
    ],
)
def test_options_become_the_nearest_number(
    props: dict[str, Any], value: Any, accepted: Any
) -> None:
    clamped = read_bounds("slider", props).clamp(value)
    assert (clamped, type(clamped)) == (accepted, type(accepted))


@pytest.mark.parametrize(
    "props",
    [
        {"minimum": "low", "maximum": [4], "step": "wide"},
        {"minimum": 4, "maximum": 1},
        {"minimum": float("-inf"), "maximum": float("nan"), "step": float("nan")},
        {"minimum": None, "maximum": True, "step": -1},
        {"minimum": 10**400, "step": 0},
    ],
)
def test_bounds_that_make_no_sense_count_as_absent(props: dict[str, Any]) -> None:
    bounds = read_bounds("slider", props)
    assert (bounds.clamp(9), bounds.check(9)) == (9, 9)


@pytest.mark.parametrize(
    ("kind", "props", "value", "accepted"),
    [
        ("dropdown", SPEED, "Fast", "f"),
        ("dropdown", SPEED, "f", "f"),
        ("dropdown", SPEED, None, None),
        ("dropdown", {**SPEED, "allow_custom_value": True}, "Medium", "Medium"),
        ("dropdown", {**SPEED, "multiselect": True}, ["Fast", "s"], ["f", "s"]),
        ("dropdown", {"choices": []}, "anything", "anything"),
        ("dropdown", {"choices": ["a", "b"]}, "b", "b"),
        ("checkboxgroup", SPEED, "Slow", ["s"]),
        ("radio", MODES, 2.5, 2.5),
        ("radio", MODES, "2.5", 2.5),
        ("radio", MODES, "2.50", 2.5),
        ("radio", MODES, 1.0, 1),
        ("radio", LABELS, 1, 1),
        ("radio", LABELS, True, True),
        ("radio", LABELS, "1", "one"),
        ("number", SLIDER, "0.5", 0.5),
        ("number", SLIDER, None, None),
        ("slider", SLIDER, 0.75, 0.75),
        ("textbox", {}, "9" * 9999, "9" * 9999),
    ],
)
def test_inputs_are_given_as_the_page_sends_them(
    kind: str, props: dict[str, Any], value: Any, accepted: Any
) -> None:
    checked = read_bounds(kind, props).check(value)
    assert json.dumps(checked) == json.dumps(accepted)


@pytest.mark.parametrize(
    ("kind", "props", "value", "accepted"),
    [
        ("slider", SLIDER, 9, "a number from 0.1 to 4.0"),
        ("slider", SLIDER, 0, "a number from 0.1 to 4.0"),
        ("slider", SLIDER, True, "a number from 0.1 to 4.0"),
        ("slider", SLIDER, [1], "a number from 0.1 to 4.0"),
        ("number", {"minimum": 3}, 2, "a number of 3 or more"),
        ("number", {"maximum": 3}, 4, "a number up to 3"),
        ("number", {}, "many", "a number"),
        ("dropdown", SPEED, "Medium", "one of 'Fast' ('f'), 'Slow' ('s')"),
        ("dropdown", SPEED, ["Fast"], "one of 'Fast' ('f'), 'Slow' ('s')"),
        ("radio", MODES, 2, "one of 1, 2.5"),
    ],
)
def test_other_inputs_are_an_error_that_says_what_is_accepted(
    kind: str, props: dict[str, Any], value: Any, accepted: str
) -> None:
    with pytest.raises(ValueError, match=f"{re.escape(accepted)}$"):
        read_bounds(kind, props).check(value)


def test_an_error_lists_a_few_of_many_choices() -> None:
    bounds = read_bounds("dropdown", {"choices": [["c" * 5000, str(n)] for n in range(10_000)]})
    with pytest.raises(ValueError, match="and 9,990 more") as caught:
        bounds.check("none of them")
    assert len(str(caught.value)) < 2000


def test_an_option_becomes_the_nearest_choice_if_choices_are_numbers() -> None:
    assert read_bounds("radio", MODES).clamp(2) == 2.5
    assert read_bounds("radio", MODES).clamp(0) == 1
    with pytest.raises(ValueError, match="one of 'Fast'"):
        read_bounds("radio", SPEED).clamp(1)
    with pytest.raises(ValueError, match="one of 'Fast'"):
        read_bounds("radio", SPEED).clamp("72B")


NUMBERS = st.integers() | st.floats() | st.text(max_size=5) | st.none() | st.lists(st.none())
PROPS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("minimum", "maximum", "step", "choices"), NUMBERS | st.lists(NUMBERS)),
)


@given(st.sampled_from(["slider", "radio", "checkboxgroup"]), PROPS, NUMBERS | st.lists(NUMBERS))
def test_what_was_clamped_is_accepted(kind: str, props: dict[str, Any], value: Any) -> None:
    bounds = read_bounds(kind, props)
    try:
        clamped = bounds.clamp(value)
    except ValueError:
        return
    if isinstance(clamped, (int, float)) and abs(clamped) < 2.0**1023:
        bounds.check(clamped)
