"""Whatever a Space says of itself, it is planned or rejected in our words."""

from __future__ import annotations

import copy
import re
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_gradio import SpaceInterfaceError
from qwen_gradio._page.app import App, add_drawn, add_missing
from qwen_gradio._page.inspection import inspect_plan
from qwen_gradio._page.planning import plan_of
from qwen_gradio._page.values import Values

from ..support.plans import (
    BOT,
    BOX,
    CHATBOT,
    CLICK,
    FORM,
    LOAD,
    NATIVE,
    OUT,
    SETTINGS,
    STATE,
    SUBMIT,
    SYSTEM,
    USER,
    described,
    function,
)

SCALARS = st.none() | st.booleans() | st.integers(-2, 30) | st.floats() | st.text()
WORDS = st.sampled_from(
    re.findall(
        r"\w+",
        "id type props value targets inputs outputs trigger_after api_name components dependencies "
        "named_endpoints parameters label protocol sse_v3 textbox chatbot state json button submit "
        "click load reasoning_tags",
    )
)
JSON = st.recursive(
    SCALARS | WORDS,
    lambda inner: st.lists(inner) | st.dictionaries(WORDS | st.text(), inner),
    max_leaves=20,
)
REAL = [
    described(USER, BOT),
    described(function("load", LOAD, [], [STATE]), SETTINGS, version="6.0"),
    described(
        function("chat", CLICK, [BOX, STATE, SYSTEM], [OUT, STATE]),
        function("chat_1", SUBMIT, [BOX, CHATBOT, FORM], [CHATBOT, FORM]),
        components={OUT: ("json", {}), BOX: ("multimodaltextbox", {})},
    ),
]


@st.composite
def changed(draw: st.DrawFn) -> Any:
    """A description of a real form, in which some values are something else."""
    described = copy.deepcopy(draw(st.sampled_from(REAL)))
    for _ in range(draw(st.integers(1, 4))):
        inside: Any = described
        while True:
            keys = range(len(inside)) if not isinstance(inside, dict) else sorted(inside, key=str)
            key = draw(st.sampled_from(list(keys)))
            if inside is not described and draw(st.integers(0, 3)) == 0:
                inside[key] = draw(JSON)
                break
            if not isinstance(inside[key], (dict, list)) or not inside[key]:
                if inside is not described:
                    inside[key] = draw(JSON)
                break
            inside = inside[key]
    return described


@pytest.mark.slow
@given(description=changed(), drawn=changed() | st.tuples(JSON, JSON))
def test_whatever_a_page_draws_is_planned_or_rejected(
    description: tuple[Any, Any], drawn: tuple[Any, Any]
) -> None:
    config = add_missing(add_drawn(description[0], [drawn[0]]))
    ids = [c.get("id") for c in config["components"] if isinstance(c, dict)]
    assert all(missing in ids for missing in App(config, {}).missing)
    with suppress(SpaceInterfaceError):
        assert not plan_of(config, description[1], "owner/name", is_drawn=True).draws


@pytest.mark.slow
@given(
    description=changed() | st.tuples(JSON, JSON),
    api_name=st.none() | st.text() | st.integers(-1, 9) | WORDS,
    inputs=st.dictionaries(WORDS | st.sampled_from(["model", "settings", "query"]), JSON),
    outputs=st.lists(st.lists(JSON), max_size=3),
)
def test_no_description_raises_anything_but_our_error(
    description: tuple[Any, Any], api_name: Any, inputs: dict[str, Any], outputs: list[list[Any]]
) -> None:
    try:
        plan = plan_of(*description, "owner/name", api_name)
    except SpaceInterfaceError:
        return
    assert str(inspect_plan(plan))
    assert plan.draws or any(step.reply is not None for step in plan.steps)
    with suppress(SpaceInterfaceError):
        Values(plan, replace(NATIVE, inputs=inputs))
    values = Values(plan, replace(NATIVE, options=inputs))
    for step in plan.steps:
        assert len(values.arguments_for(step)) == len(step.inputs)
        reply = values.new_reply()
        for output in outputs:
            values.update(step, output)
            if step.reply is not None and step.reply < len(output):
                with suppress(ValueError):
                    reply.feed(output[step.reply])
